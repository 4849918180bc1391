//! [`Callbacks`]: functions that are called with what happens, for programs that are made of such.

use std::fmt;

use crate::codec::{PacketId, PacketKind, ReasonCode};
use crate::{Endpoint, Event, Failure, Message};

/// Functions to be called, and when. Both adapters' `run_callbacks` takes them, and calls them one at a time, in order, on a
/// thread of their own: never where bytes are moved, so that each may block, and use the client.
///
/// Packet callbacks ([`on`](Self::on), [`on_if`](Self::on_if)) exist for the packets that a client receives, and for the
/// PINGREQ that it sends. For each packet at most one runs: among those whose condition holds the one with the highest
/// priority, and of several the first that was registered; if no condition holds, the first one without a condition.
///
/// Messages are those that no [`Subscription`](crate::Subscription) takes: leave the subscription to the callbacks with
/// [`keep_on_drop`](crate::SubscribeBuilder::keep_on_drop), and drop its stream. A message is acknowledged after its functions have
/// run. One of QoS 2 comes once, with its first PUBLISH; the callback of its PUBREL is given it too.
///
/// A function that panics is stopped there, and nothing else: [`Event::CallbackPanicked`] and
/// [`Stats::callback_panics`](crate::Stats::callback_panics) tell.
///
/// ```
/// use mqtt_client_core::{Callbacks, codec::PacketKind};
///
/// let callbacks = Callbacks::new()
///     .on_if(PacketKind::Publish, |packet| packet.topic() == Some("alarm"), 10, |_| println!("run!"))
///     .on(PacketKind::Publish, |packet| println!("{:?}", packet.topic()))
///     .on_connected(|session_present| println!("connected; known: {session_present}"))
///     .on_disconnected(|reason, why| println!("{reason:?}: {why}"));
/// # let _ = callbacks;
/// ```
#[derive(Default)]
#[must_use = "callbacks are called only when they run"]
pub struct Callbacks {
    packets: Vec<Registered>,
    messages: Vec<Function<Message>>,
    events: Vec<Function<Event>>,
    attempts: Vec<AttemptFunction>,
    connected: Vec<Box<dyn FnMut(bool) + Send>>,
    disconnected: Vec<DisconnectedFunction>,
}

type Function<T> = Box<dyn FnMut(&T) + Send>;

type AttemptFunction = Box<dyn FnMut(&Endpoint, u32) + Send>;

type DisconnectedFunction = Box<dyn FnMut(Option<ReasonCode>, &str) + Send>;

struct Registered {
    kind: PacketKind,
    condition: Option<Condition>,
    priority: i32,
    function: Function<CallbackPacket>,
}

type Condition = Box<dyn FnMut(&CallbackPacket) -> bool + Send>;

/// What a packet callback is given.
#[derive(Clone, Debug)]
pub struct CallbackPacket {
    pub(crate) kind: PacketKind,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) message: Option<Message>,
}

impl CallbackPacket {
    /// The packet type.
    pub fn kind(&self) -> PacketKind {
        self.kind
    }

    /// The packet identifier, where there is one.
    pub fn packet_id(&self) -> Option<PacketId> {
        self.packet_id
    }

    /// The message of a PUBLISH, and of the PUBREL that ends its delivery.
    pub fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    /// The topic of that message.
    pub fn topic(&self) -> Option<&str> {
        self.message().map(Message::topic)
    }
}

impl Callbacks {
    /// None yet.
    pub fn new() -> Self {
        Callbacks::default()
    }

    /// Called with packets of this type for which no condition of another callback holds.
    pub fn on(self, kind: PacketKind, function: impl FnMut(&CallbackPacket) + Send + 'static) -> Self {
        self.register(Registered { kind, condition: None, priority: 0, function: Box::new(function) })
    }

    /// Called with packets of this type for which the condition holds, unless that of a callback with a higher priority does.
    pub fn on_if(
        self,
        kind: PacketKind,
        condition: impl FnMut(&CallbackPacket) -> bool + Send + 'static,
        priority: i32,
        function: impl FnMut(&CallbackPacket) + Send + 'static,
    ) -> Self {
        let condition: Condition = Box::new(condition);
        let function = Box::new(function);
        self.register(Registered { kind, condition: Some(condition), priority, function })
    }

    /// Called with every message, after the PUBLISH's own callback.
    pub fn on_message(mut self, function: impl FnMut(&Message) + Send + 'static) -> Self {
        self.messages.push(Box::new(function));
        self
    }

    /// Called before each attempt at a connection, with its number.
    pub fn on_attempt(mut self, function: impl FnMut(&Endpoint, u32) + Send + 'static) -> Self {
        self.attempts.push(Box::new(function));
        self
    }

    /// Called after each successful connect: whether the broker still had the session.
    pub fn on_connected(mut self, function: impl FnMut(bool) + Send + 'static) -> Self {
        self.connected.push(Box::new(function));
        self
    }

    /// Called when a connection has ended, with the broker's reason code if it gave one, and in words.
    pub fn on_disconnected(
        mut self,
        function: impl FnMut(Option<ReasonCode>, &str) + Send + 'static,
    ) -> Self {
        self.disconnected.push(Box::new(function));
        self
    }

    /// Called with each [`Event`], but for panics of callbacks.
    pub fn on_event(mut self, function: impl FnMut(&Event) + Send + 'static) -> Self {
        self.events.push(Box::new(function));
        self
    }

    fn register(mut self, registered: Registered) -> Self {
        self.packets.push(registered);
        self
    }

    /// Whether messages are to be read.
    pub(crate) fn wants_messages(&self) -> bool {
        !self.messages.is_empty() || self.wants(PacketKind::Publish) || self.wants(PacketKind::Pubrel)
    }

    /// Whether a packet of this type is to be told.
    pub(crate) fn wants(&self, kind: PacketKind) -> bool {
        self.packets.iter().any(|registered| registered.kind == kind)
    }

    /// The types of the packets that are to be told.
    pub(crate) fn kinds(&self) -> Vec<PacketKind> {
        self.packets.iter().map(|registered| registered.kind).collect()
    }

    /// Calls the one function that this packet is for, if any is.
    pub(crate) fn packet(&mut self, packet: &CallbackPacket) {
        let mut chosen: Option<(i32, usize)> = None;
        let mut otherwise = None;
        for (at, registered) in self.packets.iter_mut().enumerate() {
            if registered.kind != packet.kind {
                continue;
            }
            match &mut registered.condition {
                None => otherwise = otherwise.or(Some(at)),
                Some(condition) => {
                    if chosen.is_none_or(|(priority, _)| registered.priority > priority) && condition(packet)
                    {
                        chosen = Some((registered.priority, at));
                    }
                }
            }
        }
        if let Some(at) = chosen.map(|(_, at)| at).or(otherwise) {
            (self.packets[at].function)(packet);
        }
    }

    /// Calls what is for every message.
    pub(crate) fn message(&mut self, message: &Message) {
        self.messages.iter_mut().for_each(|function| function(message));
    }

    /// Calls what is for this event. `was_connected`: whether there was a connection before it.
    pub(crate) fn event(&mut self, event: &Event, was_connected: bool) {
        match event {
            Event::Attempt { endpoint, number } => {
                if was_connected {
                    self.lost(None, "left, to connect anew");
                }
                self.attempts.iter_mut().for_each(|function| function(endpoint, *number));
            }
            Event::Connected { session_present } => {
                self.connected.iter_mut().for_each(|function| function(*session_present));
            }
            Event::Failed { failure, .. } if was_connected => {
                self.lost(failure.reason(), &failure.to_string());
            }
            Event::Offline(offline) if was_connected => {
                let reason = offline.failure().and_then(Failure::reason);
                self.lost(reason, &offline.to_string());
            }
            _ => {}
        }
        self.events.iter_mut().for_each(|function| function(event));
    }

    fn lost(&mut self, reason: Option<ReasonCode>, why: &str) {
        self.disconnected.iter_mut().for_each(|function| function(reason, why));
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").field("packets", &self.kinds()).finish_non_exhaustive()
    }
}
