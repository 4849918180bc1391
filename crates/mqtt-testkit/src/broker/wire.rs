//! The outgoing bytes of one connection, and what faults do to them.

use std::collections::VecDeque;

use mqtt_session::Timestamp;

/// Bytes on their way to one client.
#[derive(Debug, Default)]
pub(super) struct Wire {
    out: Vec<u8>,
    /// What a delay holds back, in order; while there is any, new bytes go behind it.
    delayed: VecDeque<(Timestamp, Vec<u8>)>,
    /// How many more bytes may pass before the connection is cut.
    budget: Option<u64>,
    /// Packets held back singly, which others overtake.
    withheld: Vec<u8>,
    closing: bool,
}

impl Wire {
    pub(super) fn new(budget: Option<u64>) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Appends what `encode` writes. Nothing is taken any more once the wire is closing.
    pub(super) fn append<E>(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<(), E> {
        if self.closing {
            return Ok(());
        }
        match self.delayed.back_mut() {
            Some((_, bytes)) => encode(bytes)?,
            None => encode(&mut self.out)?,
        };
        if self.delayed.is_empty() {
            self.charge();
        }
        Ok(())
    }

    /// Whatever is appended from now on passes no sooner than `at`.
    pub(super) fn delay_until(&mut self, at: Timestamp) {
        let at = self.delayed.back().map_or(at, |(last, _)| at.max(*last));
        self.delayed.push_back((at, Vec::new()));
    }

    /// Puts aside what `encode` writes, until it is released.
    pub(super) fn withhold<E>(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<(), E> {
        encode(&mut self.withheld).map(drop)
    }

    /// Sends what was withheld.
    pub(super) fn release_withheld(&mut self) {
        let withheld = core::mem::take(&mut self.withheld);
        // Copying bytes can't fail; the encoder's type is what could.
        let Ok(()) = self.append::<core::convert::Infallible>(|out| {
            out.extend_from_slice(&withheld);
            Ok(withheld.len())
        });
    }

    /// Of the last `written` bytes only the first `keep` remain.
    pub(super) fn truncate_last(&mut self, written: usize, keep: usize) {
        let bytes = self.delayed.back_mut().map_or(&mut self.out, |(_, bytes)| bytes);
        let start = bytes.len().saturating_sub(written);
        bytes.truncate(start + keep.min(written));
    }

    /// Lets pass what was delayed until `now`.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((_, bytes)) = self.delayed.pop_front_if(|(at, _)| *at <= now) {
            self.out.extend_from_slice(&bytes);
            self.charge();
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.delayed.front().map(|(at, _)| *at)
    }

    /// Takes no more bytes; those already taken still pass.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.withheld.clear();
    }

    /// Takes no more bytes, and loses those that are delayed.
    pub(super) fn cut(&mut self) {
        self.close();
        self.delayed.clear();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether everything has passed and nothing more will come.
    pub(super) fn is_finished(&self) -> bool {
        self.closing && self.waiting() == 0
    }

    /// Bytes that wait for the transport, or for their time.
    pub(super) fn waiting(&self) -> usize {
        self.out.len() + self.delayed.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    }

    /// Bytes that can be drained now.
    pub(super) fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Moves what may pass now to the end of `out`.
    pub(super) fn drain_into(&mut self, out: &mut Vec<u8>) {
        if let Some(budget) = &mut self.budget {
            *budget -= (self.out.len() as u64).min(*budget);
        }
        if out.is_empty() {
            core::mem::swap(out, &mut self.out);
        } else {
            out.append(&mut self.out);
        }
    }

    /// Cuts off what exceeds the budget.
    fn charge(&mut self) {
        if let Some(budget) = self.budget
            && self.out.len() as u64 >= budget
        {
            self.out.truncate(usize::try_from(budget).unwrap_or(usize::MAX));
            self.cut();
        }
    }
}
