//! [`News`]: the present, and what there is to tell: the application, and the store.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use mqtt_codec::{AckKind, PacketId, PublishShape, ReasonCode, TopicName};

use crate::held::{HeldPublishes, Place};
use crate::inbox::Inbox;
use crate::store::Journal;
use crate::trace::Trace;
use crate::{Config, Event, LastAck, PublishEnd, Stage, Timestamp, Token};

/// The latest moment, the queue of events, the packet records and the changes to be stored: what every room of the
/// session may write to.
///
/// An event is put together when it is taken. Until then the usual ones wait in few bytes and are copied as such, while
/// the publishes that they give back stay where they are held.
#[derive(Debug)]
pub(crate) struct News {
    now: Timestamp,
    notices: VecDeque<Notice>,
    /// The messages of [`Notice::Run`], in their order.
    inbox: Inbox,
    /// The events of [`Notice::Other`], likewise.
    others: VecDeque<Event>,
    /// The ends of [`Notice::PublishEnded`], likewise.
    ends: VecDeque<PublishEnd>,
    /// How long the server's latest answer took.
    pub(crate) round_trip: Option<Duration>,
    pub(crate) trace: Trace,
    pub(crate) journal: Journal,
}

/// Which event comes next.
#[derive(Clone, Copy, Debug)]
enum Notice {
    /// [`Event::Message`], for each message of a run.
    Run,
    /// [`Event::Published`] with an acknowledgement without properties.
    Acknowledged(Place, AckKind, PacketId, ReasonCode),
    /// [`Event::Published`] with [`PublishEnd::Written`].
    Written(Place),
    /// [`Event::Published`] with any other end.
    PublishEnded(Place),
    /// [`Event::PublishLost`].
    PublishLost(Place, Stage),
    /// Any other event.
    Other,
}

impl News {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            now: Timestamp::ZERO,
            notices: VecDeque::new(),
            inbox: Inbox::new(),
            others: VecDeque::new(),
            ends: VecDeque::new(),
            round_trip: None,
            trace: Trace::new(config.trace, config.trace_payload),
            journal: Journal::new(config.durable),
        }
    }

    /// The latest moment that the driver has told.
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Time goes on; it never goes back.
    #[inline]
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Any event but those below.
    pub(crate) fn tell(&mut self, event: Event) {
        self.notices.push_back(Notice::Other);
        self.others.push_back(event);
    }

    /// A message came in, which is told once its [run](Self::tell_run) is complete; nothing else is told before.
    #[inline(always)]
    pub(crate) fn add_to_run(
        &mut self,
        shape: PublishShape,
        topic: Option<Arc<TopicName>>,
        token: Option<Token>,
    ) {
        self.inbox.push(shape, topic, token);
    }

    /// All messages that were added since the last run, in `packets` one behind the other.
    #[inline]
    pub(crate) fn tell_run(&mut self, packets: Bytes) {
        self.notices.push_back(Notice::Run);
        self.inbox.push_run(packets);
    }

    /// The server's last word on a publish.
    #[inline]
    pub(crate) fn tell_acknowledged(&mut self, place: Place, ack: LastAck) {
        if ack.properties.is_none() {
            self.notices.push_back(Notice::Acknowledged(place, ack.kind, ack.packet_id, ack.reason));
        } else {
            self.tell_end(place, ack.into());
        }
    }

    /// The transport took a publish of QoS 0.
    #[inline]
    pub(crate) fn tell_written(&mut self, place: Place) {
        self.notices.push_back(Notice::Written(place));
    }

    /// A publish came to its end in another way.
    pub(crate) fn tell_end(&mut self, place: Place, end: PublishEnd) {
        self.notices.push_back(Notice::PublishEnded(place));
        self.ends.push_back(end);
    }

    pub(crate) fn tell_lost(&mut self, place: Place, stage: Stage) {
        self.notices.push_back(Notice::PublishLost(place, stage));
    }

    /// The next event, with the publish that it gives back.
    #[inline]
    pub(crate) fn next_event(&mut self, held: &mut HeldPublishes) -> Option<Event> {
        if let Some(message) = self.inbox.pop() {
            return Some(Event::Message(message));
        }
        match self.notices.pop_front()? {
            Notice::Run => {
                self.inbox.open_run();
                self.inbox.pop().map(Event::Message)
            }
            Notice::Acknowledged(place, kind, packet_id, reason) => {
                let (tag, publish) = held.give_back(place);
                let ack = LastAck { kind, packet_id, reason, properties: None };
                Some(Event::Published { tag, publish, result: ack.into() })
            }
            Notice::Written(place) => {
                let (tag, publish) = held.give_back(place);
                Some(Event::Published { tag, publish, result: PublishEnd::Written })
            }
            Notice::PublishEnded(place) => {
                let (tag, publish) = held.give_back(place);
                Some(Event::Published { tag, publish, result: self.ends.pop_front()? })
            }
            Notice::PublishLost(place, stage) => {
                let (tag, publish) = held.give_back(place);
                Some(Event::PublishLost { tag, publish, stage })
            }
            Notice::Other => self.others.pop_front(),
        }
    }
}
