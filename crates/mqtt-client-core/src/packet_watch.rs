//! [`PacketWatches`]: packets as they went by, for callbacks.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use crate::codec::{PacketId, PacketKind};
use crate::core::Core;
use crate::effects::{Effects, park};
use crate::session::{Direction, PacketTrace};
use crate::slots::{Slots, Tag};

/// Packets that a watch may leave unread; then the oldest go, and are counted.
const UNREAD: usize = 65_536;

#[derive(Debug)]
pub(crate) struct PacketWatches {
    watches: Slots<Watch>,
    pub(crate) missed: u64,
}

#[derive(Debug)]
struct Watch {
    kinds: Vec<PacketKind>,
    unread: VecDeque<(PacketKind, Option<PacketId>)>,
    waker: Option<Waker>,
}

impl PacketWatches {
    pub(crate) fn new() -> Self {
        PacketWatches { watches: Slots::new(), missed: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// What comes in, but for messages, which have streams; and of what goes out the PINGREQ.
    pub(crate) fn tell(&mut self, records: &[PacketTrace], effects: &mut Effects) {
        let told = records.iter().filter(|record| match record.direction {
            Direction::Inbound => record.kind != PacketKind::Publish,
            Direction::Outbound => record.kind == PacketKind::Pingreq,
        });
        for record in told {
            for (_, watch) in self.watches.iter_mut() {
                if watch.kinds.contains(&record.kind) {
                    if watch.unread.len() == UNREAD {
                        watch.unread.pop_front();
                        self.missed += 1;
                    }
                    watch.unread.push_back((record.kind, record.packet_id));
                    effects.wake(&mut watch.waker);
                }
            }
        }
    }
}

impl Core {
    pub(crate) fn watch_packets(&mut self, kinds: Vec<PacketKind>) -> Tag {
        self.session.trace_packets(true);
        if let Some(fall_back) = &mut self.options.fall_back {
            fall_back.trace = true;
        }
        self.packets.watches.insert(Watch { kinds, unread: VecDeque::new(), waker: None })
    }

    pub(crate) fn unwatch_packets(&mut self, watch: Tag) {
        self.packets.watches.remove(watch);
        if self.packets.is_empty() {
            self.session.trace_packets(self.options.session.trace);
        }
    }

    pub(crate) fn poll_packet(
        &mut self,
        watch: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<(PacketKind, Option<PacketId>)> {
        let Some(watch) = self.packets.watches.get_mut(watch) else { return Poll::Pending };
        match watch.unread.pop_front() {
            Some(packet) => Poll::Ready(packet),
            None => park(&mut watch.waker, waker),
        }
    }
}
