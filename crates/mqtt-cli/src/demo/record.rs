//! What the clients of the demonstration do, line by line, with one clock for all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mqtt_tokio::core::session::Timestamp;
use mqtt_tokio::{Event, PacketLine, PacketTrace};

/// Lines of several clients in the order of time.
#[derive(Clone)]
pub(super) struct Record {
    start: Instant,
    lines: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Record {
    pub(super) fn new() -> Self {
        Record { start: Instant::now(), lines: Arc::default() }
    }

    /// A packet hook for a client that is made right after: its clock starts then.
    pub(super) fn packets(&self) -> impl Fn(PacketLine<'_>) + Send + Sync + 'static {
        let (record, epoch) = (self.clone(), self.now());
        move |line| {
            let at = epoch + line.packet.at.as_micros();
            let packet = PacketTrace { at: Timestamp::from_micros(at), ..line.packet.clone() };
            record.lines().push((at, PacketLine { packet: &packet, ..line }.to_string()));
        }
    }

    /// Notes that a link was lost.
    pub(super) fn event_of(&self, client_id: &str, event: &Event) {
        if let Event::Failed { failure, .. } = event {
            let at = self.now();
            self.lines().push((at, format!("{client_id} ------ {at:>9} us  *** {failure} ***")));
        }
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.lines().len()
    }

    /// Takes all lines out.
    pub(super) fn take(&self) -> String {
        let mut lines = std::mem::take(&mut *self.lines());
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| format!("  {line}\n")).collect()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn lines(&self) -> MutexGuard<'_, Vec<(u64, String)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
