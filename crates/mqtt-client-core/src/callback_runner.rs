//! What calls [`Callbacks`]: a future for the adapter to run, and the handle that keeps it going.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::callbacks::CallbackPacket;
use crate::codec::{PacketId, PacketKind, QoS};
use crate::locking::lock;
use crate::publishing::PublishResult;
use crate::slots::Tag;
use crate::{Acknowledge, Callbacks, Client, Completion, Event, Events, Message, Subscription};

/// So many calls, and the thread is somebody else's for a moment.
const TURN: usize = 64;

/// Callbacks that run, until this is dropped. It keeps the client alive, as any handle does.
#[must_use = "dropping this stops the callbacks"]
pub struct RunningCallbacks {
    control: Arc<Control>,
}

impl RunningCallbacks {
    /// Calls a function with the outcome of exactly this message. Those of several messages are called in the order in which
    /// they were given here, each once those before it have been.
    pub fn when_done(&self, message: Completion, function: impl FnOnce(PublishResult) + Send + 'static) {
        let mut state = self.control.lock();
        state.fresh.push((message, Box::new(function)));
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Drop for RunningCallbacks {
    fn drop(&mut self) {
        let mut state = self.control.lock();
        state.stopped = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for RunningCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningCallbacks").finish_non_exhaustive()
    }
}

type Awaited = (Completion, Box<dyn FnOnce(PublishResult) + Send>);

/// What the handle says to the runner.
#[derive(Default)]
struct Control {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fresh: Vec<Awaited>,
    stopped: bool,
    waker: Option<Waker>,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Calls the functions. Ready when the handle is dropped, or when the client's driver has ended. For adapters, which run it on
/// a task or a thread of its own.
#[must_use = "callbacks are called only where this runs"]
pub struct CallbackRunner {
    callbacks: Callbacks,
    client: Client,
    events: Events,
    messages: Option<Subscription>,
    /// Where the core leaves the packets.
    packets: Tag,
    /// QoS 2 messages that wait for their PUBREL, as far as that has a callback.
    unreleased: BTreeMap<PacketId, Message>,
    connected: bool,
    awaited: VecDeque<Awaited>,
    control: Arc<Control>,
}

impl CallbackRunner {
    pub(crate) fn new(client: Client, callbacks: Callbacks) -> (CallbackRunner, RunningCallbacks) {
        let control = Arc::new(Control::default());
        let handle = RunningCallbacks { control: Arc::clone(&control) };
        let events = client.events();
        let packets = client.shared().run(|core| core.watch_packets(callbacks.kinds()));
        let messages = callbacks.wants_messages().then(|| client.catch_all(Acknowledge::ByHand));
        let runner = CallbackRunner {
            connected: client.is_connected(),
            callbacks,
            client,
            events,
            messages,
            packets,
            unreleased: BTreeMap::new(),
            awaited: VecDeque::new(),
            control,
        };
        (runner, handle)
    }

    /// One event, one message, one packet and one outcome, as far as there are any. `None`: it is over.
    fn turn(&mut self, context: &mut Context<'_>) -> Option<bool> {
        let mut moved = false;
        match self.events.poll_next(context) {
            Poll::Ready(None) => return None,
            Poll::Ready(Some(event)) => {
                self.event(&event);
                moved = true;
            }
            Poll::Pending => {}
        }
        if let Some(messages) = &mut self.messages
            && let Poll::Ready(Some(message)) = messages.poll_next(context)
        {
            self.message(message);
            moved = true;
        }
        let (shared, packets) = (self.client.shared(), self.packets);
        if let Poll::Ready((kind, packet_id)) =
            shared.poll(context, |core, waker| core.poll_packet(packets, waker))
        {
            self.packet(kind, packet_id);
            moved = true;
        }
        if let Some((completion, _)) = self.awaited.front_mut()
            && let Poll::Ready(result) = Pin::new(completion).poll(context)
            && let Some((_, function)) = self.awaited.pop_front()
        {
            self.contain(|_| function(result));
            moved = true;
        }
        Some(moved)
    }

    fn event(&mut self, event: &Event) {
        if matches!(event, Event::CallbackPanicked(_)) {
            return; // A callback for these that panics would never come to an end.
        }
        let was_connected = self.connected;
        match event {
            Event::Connected { session_present } => {
                self.connected = true;
                if !session_present {
                    self.unreleased.clear();
                }
            }
            Event::Attempt { .. } | Event::Failed { .. } | Event::Offline(_) => self.connected = false,
            _ => {}
        }
        self.contain(|callbacks| callbacks.event(event, was_connected));
    }

    fn message(&mut self, message: Message) {
        let packet = CallbackPacket {
            kind: PacketKind::Publish,
            packet_id: message.packet_id(),
            message: Some(message.clone()),
        };
        self.contain(|callbacks| callbacks.packet(&packet));
        self.contain(|callbacks| callbacks.message(&message));
        if let Some(packet_id) = message.packet_id()
            && message.qos() == QoS::ExactlyOnce
            && self.callbacks.wants(PacketKind::Pubrel)
        {
            self.unreleased.insert(packet_id, message.clone());
        }
        message.acknowledge();
    }

    fn packet(&mut self, kind: PacketKind, packet_id: Option<PacketId>) {
        let released = packet_id.filter(|_| kind == PacketKind::Pubrel);
        let message = released.and_then(|packet_id| self.unreleased.remove(&packet_id));
        let packet = CallbackPacket { kind, packet_id, message };
        self.contain(|callbacks| callbacks.packet(&packet));
    }

    /// Calls the application's code. Its panic ends the call, and is told.
    fn contain(&mut self, call: impl FnOnce(&mut Callbacks)) {
        let callbacks = &mut self.callbacks;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| call(callbacks))) {
            let what = words_of(panic.as_ref());
            self.client.shared().run(|core| core.callback_panicked(what));
        }
    }
}

impl Future for CallbackRunner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waker = context.waker().clone();
        let mut state = self.control.lock();
        let replaced = state.waker.replace(waker);
        let (stopped, fresh) = (state.stopped, mem::take(&mut state.fresh));
        drop(state);
        drop(replaced);
        if stopped {
            return Poll::Ready(());
        }
        self.awaited.extend(fresh);
        for _ in 0..TURN {
            match self.turn(context) {
                None => return Poll::Ready(()),
                Some(false) => return Poll::Pending,
                Some(true) => {}
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for CallbackRunner {
    fn drop(&mut self) {
        self.client.shared().run(|core| core.unwatch_packets(self.packets));
    }
}

impl fmt::Debug for CallbackRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackRunner").field("callbacks", &self.callbacks).finish_non_exhaustive()
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}
