//! [`SendQueue`]: what one connection has yet to send, in order, and what it may have outstanding.

use alloc::collections::VecDeque;

use mqtt_codec::{Packet, PacketId};

use crate::held::Place;
use crate::news::News;
use crate::outbound::{Epoch, Outbound, Resumption, Turn};
use crate::store::Batch;
use crate::wire::{HIGH_WATER, Wire};
use crate::{Output, PublishEnd, Refusal, Stage};

/// The order of sending on one connection. What it refers to belongs to the session, but for QoS 0.
#[derive(Debug)]
pub(crate) struct SendQueue {
    epoch: Epoch,
    /// How many publishes of QoS 1 and 2 may be unacknowledged.
    window: usize,
    /// How many are: those that this connection has carried and that have not ended. A resumed PUBREL counts, but
    /// is never held back, so that this may exceed the window: the test is `<`, never a difference.
    charged: usize,
    /// Publishes of earlier connections, which go before all others, as room allows; behind them those that the store had so
    /// late that they came by way of `next`, and found no room.
    resumed: VecDeque<Turn>,
    next: VecDeque<Next>,
    /// What will be in `next` as soon as the store has the batch that it relies on.
    unstored: VecDeque<(Next, Batch)>,
    /// SUBSCRIBEs and UNSUBSCRIBEs.
    requests: VecDeque<Packet>,
    /// What they rely on.
    requests_rely_on: Batch,
    /// DISCONNECT.
    farewell: Option<Packet>,
    qos0: VecDeque<Qos0>,
    /// How many entries at the front of `qos0` are encoded, and wait for the transport to take them.
    qos0_encoded: usize,
    /// The bytes of what `next` refers to, QoS 1 and 2 (which the window bounds) excepted.
    queued_bytes: usize,
}

/// An entry of the queue.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// A publish of QoS 1 or 2.
    Flow(Turn),
    /// The first of the `qos0` that is not encoded.
    Qos0,
    /// The first of the `requests`.
    Request,
    /// The `farewell`, which nothing follows.
    Farewell,
}

/// A publish of QoS 0 until the transport has taken its last byte.
#[derive(Debug)]
struct Qos0 {
    place: Place,
    size: usize,
    /// The count of bytes of the connection at its end; meaningful once it is encoded.
    end: u64,
}

impl SendQueue {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            window: 0,
            charged: 0,
            resumed: VecDeque::new(),
            next: VecDeque::new(),
            unstored: VecDeque::new(),
            requests: VecDeque::new(),
            requests_rely_on: 0,
            farewell: None,
            qos0: VecDeque::new(),
            qos0_encoded: 0,
            queued_bytes: 0,
        }
    }

    #[inline]
    pub(crate) fn window(&self) -> usize {
        self.window
    }

    /// Whether nothing here waits to be encoded.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_empty() && self.resumed.is_empty()
    }

    /// Bytes that wait here, publishes of QoS 1 and 2 excepted.
    #[inline]
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// The connection is accepted: publishes may go out.
    pub(crate) fn open_window(&mut self, window: usize) {
        self.window = window;
    }

    /// Queues what the last connection left over.
    pub(crate) fn resume(&mut self, resumption: Resumption) {
        self.charged += resumption.releases.len();
        self.resumed = resumption.publishes;
        let unstored = resumption.unstored.into_iter();
        self.unstored = unstored.map(|(turn, batch)| (Next::Flow(turn), batch)).collect();
    }

    /// Whether a request with this identifier is yet to be sent. The server can't have an answer to it.
    pub(crate) fn has_unsent_request(&self, packet_id: PacketId) -> bool {
        self.requests.iter().any(|request| request.packet_id() == Some(packet_id))
    }

    /// Requests wait until the store has that.
    pub(crate) fn hold_requests(&mut self, batch: Batch) {
        self.requests_rely_on = batch;
    }

    /// Whether nothing is before a publish of QoS 1 or 2, so that it may be encoded at once.
    #[inline]
    pub(crate) fn has_turn_now(&self) -> bool {
        self.next.is_empty()
            && self.charged < self.window
            && self.resumed.is_empty()
            && self.unstored.is_empty()
    }

    #[inline]
    pub(crate) fn push_flow(&mut self, (turn, batch): (Turn, Batch), news: &News) {
        self.push(Next::Flow(turn), batch, news);
    }

    #[inline]
    pub(crate) fn push_qos0(&mut self, place: Place, size: usize) {
        self.queued_bytes += size;
        self.qos0.push_back(Qos0 { place, size, end: 0 });
        self.next.push_back(Next::Qos0);
    }

    pub(crate) fn push_request(&mut self, packet: Packet, size: usize, news: &News) {
        self.queued_bytes += size;
        self.requests.push_back(packet);
        self.push(Next::Request, self.requests_rely_on, news);
    }

    /// DISCONNECT follows all that was submitted before, unless that relies on a store that has failed.
    pub(crate) fn push_farewell(&mut self, packet: Packet, news: &News) {
        self.farewell = Some(packet);
        match self.unstored.back() {
            Some((_, batch)) if !news.journal.has_failed() => self.push(Next::Farewell, *batch, news),
            _ => self.next.push_back(Next::Farewell),
        }
    }

    /// The store has a batch: what relied on it may go out.
    pub(crate) fn release_stored(&mut self, news: &News) {
        while let Some((next, _)) = self.unstored.pop_front_if(|(_, batch)| news.journal.is_stored(*batch)) {
            self.next.push_back(next);
        }
    }

    /// A flow that this connection has not carried yet was acknowledged and goes on.
    pub(crate) fn charge(&mut self) {
        self.charged += 1;
    }

    /// A flow ended; if this connection carried it, its place in the window is free.
    #[inline]
    pub(crate) fn discharge(&mut self, epoch: Epoch) {
        if epoch == self.epoch {
            self.charged -= 1;
        }
    }

    /// Encodes what may be sent now, as long as not too much waits; the last publish of QoS 1 or 2 among it.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        outbound: &mut Outbound,
        wire: &mut Wire,
        out: &mut Output,
        news: &mut News,
    ) -> Option<Turn> {
        let mut sent = None;
        while out.len() < HIGH_WATER && !wire.is_sealed() {
            if self.charged < self.window
                && let Some(turn) = self.resumed.pop_front()
            {
                self.send_flow(turn, outbound, wire, out, news);
                sent = Some(turn);
                continue;
            }
            let Some(next) = self.next.pop_front() else { break };
            match next {
                // The store had it late, and this connection's window is smaller than that in which it was submitted
                // [MQTT-3.3.4-7]. Until there is room it is in nobody's way.
                Next::Flow(turn) if self.charged >= self.window => self.resumed.push_back(turn),
                Next::Flow(turn) => {
                    self.send_flow(turn, outbound, wire, out, news);
                    sent = Some(turn);
                }
                Next::Qos0 => self.send_qos0(outbound, wire, out, news),
                Next::Request => {
                    let before = wire.waiting();
                    let request = self.requests.pop_front();
                    send(request, wire, out, news);
                    self.queued_bytes -= wire.waiting() - before;
                }
                Next::Farewell => {
                    send(self.farewell.take(), wire, out, news);
                    wire.seal();
                }
            }
        }
        sent
    }

    /// The transport took bytes: tells of each QoS 0 publish that is out.
    #[inline]
    pub(crate) fn wrote(&mut self, written: u64, news: &mut News) {
        while self.qos0_encoded > 0
            && let Some(Qos0 { place, .. }) = self.qos0.pop_front_if(|entry| entry.end <= written)
        {
            self.qos0_encoded -= 1;
            news.tell_written(place);
        }
    }

    /// The connection is gone, and the QoS 0 publishes with it.
    pub(crate) fn abort(self, news: &mut News) {
        for (number, Qos0 { place, .. }) in self.qos0.into_iter().enumerate() {
            let stage = if number < self.qos0_encoded { Stage::Sent } else { Stage::Unsent };
            news.tell_lost(place, stage);
        }
    }

    #[inline]
    fn push(&mut self, next: Next, batch: Batch, news: &News) {
        if news.journal.is_stored(batch) {
            self.next.push_back(next);
        } else {
            self.unstored.push_back((next, batch));
        }
    }

    #[inline]
    fn send_flow(
        &mut self,
        turn: Turn,
        outbound: &mut Outbound,
        wire: &mut Wire,
        out: &mut Output,
        news: &mut News,
    ) {
        let Some(place) = outbound.send(turn, self.epoch, news) else { return };
        let now = news.now();
        match outbound.held.aged(place, now, |publish| wire.append_publish(publish, out, news)) {
            Ok(()) => self.charged += 1,
            // It was checked when it was submitted; should it be wrong all the same, that is the caller's to know.
            Err(error) => outbound.forbid(turn.packet_id, Refusal::Invalid(error), news),
        }
    }

    #[inline]
    fn send_qos0(&mut self, outbound: &Outbound, wire: &mut Wire, out: &mut Output, news: &mut News) {
        let Some(entry) = self.qos0.get_mut(self.qos0_encoded) else { return };
        self.queued_bytes -= entry.size;
        let sent = match outbound.held.has_expired(entry.place, news.now()) {
            true => Err(PublishEnd::Expired),
            false => {
                let now = news.now();
                let sent =
                    outbound.held.aged(entry.place, now, |publish| wire.append_publish(publish, out, news));
                sent.map_err(|error| PublishEnd::Forbidden(Refusal::Invalid(error)))
            }
        };
        match sent {
            Ok(()) => {
                entry.end = wire.appended();
                self.qos0_encoded += 1;
            }
            Err(result) => {
                if let Some(Qos0 { place, .. }) = self.qos0.remove(self.qos0_encoded) {
                    news.tell_end(place, result);
                }
            }
        }
    }
}

fn send(packet: Option<Packet>, wire: &mut Wire, out: &mut Output, news: &mut News) {
    if let Some(packet) = packet {
        wire.stage(&packet, news);
        wire.flush(out, news.now());
    }
}
