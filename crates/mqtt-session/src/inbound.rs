//! [`Inbound flows`](InboundFlows): the QoS 1 and 2 messages that the peer wants acknowledged. What was delivered and
//! what was answered belongs to the session; the order of acknowledgements ([`AckOrder`]) to a connection.
//!
//! ```text
//!             PUBLISH          acknowledge            its turn: PUBACK, or PUBREC >= 0x80
//!   (none) -------------> Open ------------> Answered -----------------------------------> ended
//!           Message event   |                    | its turn: PUBREC < 0x80
//!             PUBLISH again |                    v            PUBLISH again: PUBREC again
//!             is silent  <--+                 Recorded -----------------------------------> ended
//!                                                     PUBREL: PUBCOMP
//! ```

mod records;

use alloc::collections::{BTreeMap, VecDeque};

use mqtt_codec::{AckKind, AckProperties, PacketId, PacketKind, QoS, ReasonCode, Side};

use crate::ids::IdTable;
use crate::news::News;
use crate::outbound::Epoch;
use crate::store::{Batch, Key};
use crate::wire::Wire;
use crate::{Config, Event, Inbound, Violation};

/// The right to acknowledge one inbound QoS 1 or 2 message, with
/// [`Session::acknowledge`](crate::Session::acknowledge). It belongs to the session, not to a connection: it stays
/// good across a reconnect as long as the server keeps the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    packet_id: PacketId,
    serial: u64,
}

impl Token {
    /// The number of the message's delivery. That of a message of QoS 2 no other one of QoS 2 in this session has or will
    /// have, and it stays however often the message is told: again after a restart
    /// ([`Session::restore`](crate::Session::restore)) if it had not been acknowledged before. An application that stores
    /// this number together with what it made of the message recognises a repetition.
    ///
    /// A message of QoS 1 has another number each time. It is not worth storing: after a restart it may be given again,
    /// to one of QoS 2 as well.
    #[must_use]
    pub fn delivery_id(self) -> u64 {
        self.serial
    }
}

/// The inbound flows of a session.
#[derive(Debug)]
pub(crate) struct InboundFlows {
    flows: IdTable<Flow>,
    next_serial: u64,
    /// Flows whose token is unanswered.
    open: usize,
    /// Messages of this connection whose delivery ids the store has yet to keep, in order.
    unstored: VecDeque<(Inbound, Batch)>,
    /// What the application adds to its answers, until their flows end. Few have anything.
    explanations: BTreeMap<PacketId, AckProperties>,
}

/// One message, from its PUBLISH to our last word.
#[derive(Debug)]
struct Flow {
    serial: u64,
    qos: QoS,
    progress: Progress,
    /// QoS 2: the connection on which PUBREC was last sent, if on any.
    recorded: Option<Epoch>,
    /// The connection that last showed the PUBLISH.
    epoch: Epoch,
    /// Whether it waits for its turn in that connection's [`AckOrder`].
    queued: bool,
    /// What the next step relies on: telling it, or PUBREC.
    batch: Batch,
}

/// What is left to do about a flow that has ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    recorded: Option<Epoch>,
    epoch: Epoch,
    /// Whether the store has to forget it.
    has_record: bool,
    /// Whether its token was unanswered.
    was_open: bool,
}

impl Flow {
    fn ended(&self) -> Ended {
        let was_open = self.progress == Progress::Told;
        Ended { recorded: self.recorded, epoch: self.epoch, has_record: self.has_record(), was_open }
    }
}

/// How far a message has come with the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It was told before a restart, if at all: the application that there is now does not know it.
    Untold,
    /// Its token is unanswered.
    Told,
    /// The application's answer.
    Answered(ReasonCode),
}

/// The order in which one connection's messages are to be acknowledged: that of their PUBLISHes, for each QoS by
/// itself [MQTT-4.6.0-2] [MQTT-4.6.0-3].
#[derive(Debug)]
pub(crate) struct AckOrder {
    epoch: Epoch,
    /// How many messages this connection may leave unacknowledged.
    maximum: usize,
    /// How many it has.
    unacknowledged: usize,
    /// How many PUBRECs may wait for their PUBREL.
    max_unreleased: usize,
    /// How many do.
    unreleased: usize,
    qos1: VecDeque<Token>,
    qos2: VecDeque<Token>,
}

impl AckOrder {
    pub(crate) fn new(epoch: Epoch, config: &Config) -> Self {
        Self {
            epoch,
            maximum: config.max_inbound.max(1).into(),
            unacknowledged: 0,
            max_unreleased: config.max_unreleased.max(1).into(),
            unreleased: 0,
            qos1: VecDeque::new(),
            qos2: VecDeque::new(),
        }
    }

    fn queue(&mut self, qos: QoS) -> &mut VecDeque<Token> {
        match qos {
            QoS::ExactlyOnce => &mut self.qos2,
            QoS::AtMostOnce | QoS::AtLeastOnce => &mut self.qos1,
        }
    }

    /// Whether another message may be left unacknowledged.
    #[inline]
    fn has_room(&self) -> bool {
        self.unacknowledged < self.maximum
    }

    fn charge(&mut self) -> Result<(), Violation> {
        if !self.has_room() {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        self.unacknowledged += 1;
        Ok(())
    }

    /// Notes that PUBREC is sent for a flow; false if there is no room for another one without its PUBREL.
    fn record(&mut self, flow: &mut Flow) -> bool {
        if flow.recorded != Some(self.epoch) {
            if self.unreleased >= self.max_unreleased {
                return false;
            }
            self.unreleased += 1;
            flow.recorded = Some(self.epoch);
        }
        true
    }

    fn discharge(&mut self, ended: Ended) {
        if ended.epoch == self.epoch {
            self.unacknowledged -= 1;
        }
        if ended.recorded == Some(self.epoch) {
            self.unreleased -= 1;
        }
    }
}

impl InboundFlows {
    pub(crate) const fn new() -> Self {
        Self {
            flows: IdTable::new(),
            next_serial: 0,
            open: 0,
            unstored: VecDeque::new(),
            explanations: BTreeMap::new(),
        }
    }

    /// How many messages the application has yet to acknowledge.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// The server has no session: its identifiers start anew, and all tokens are void.
    pub(crate) fn clear(&mut self, news: &mut News) {
        for (packet_id, _) in self.flows.iter().filter(|(_, flow)| flow.has_record()) {
            news.journal.touch(Key::Received(packet_id));
        }
        self.flows = IdTable::new();
        self.explanations = BTreeMap::new();
        self.open = 0;
    }

    /// Keeps a message until the store has that batch.
    pub(crate) fn hold(&mut self, message: Inbound, batch: Batch) {
        self.unstored.push_back((message, batch));
    }

    /// Tells what has waited for the store.
    pub(crate) fn tell_stored(&mut self, news: &mut News) {
        while let Some((message, _)) = self.unstored.pop_front_if(|(_, batch)| news.journal.is_stored(*batch))
        {
            news.tell(Event::Message(message));
        }
    }

    /// The connection is gone: what it brought and was not told is told when another one shows it.
    pub(crate) fn forget_untold(&mut self) {
        for token in self.unstored.drain(..).filter_map(|(message, _)| message.token) {
            if let Some(flow) = self.flows.get_mut(token.packet_id) {
                flow.progress = Progress::Untold;
                self.open -= 1;
            }
        }
    }

    /// A PUBLISH came in; whether it is to be told.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        dup: bool,
        order: &mut AckOrder,
        wire: &mut Wire,
        news: &mut News,
    ) -> Result<Shown, Violation> {
        let shown = self.show(packet_id, qos, dup, order, news)?;
        if let Shown::Repeated = shown {
            self.answer_in_turn(qos, order, wire, news);
        }
        Ok(shown)
    }

    /// PUBREL came in: the message's identifier is free [MQTT-4.3.3-11] [MQTT-4.3.3-12].
    #[inline]
    pub(crate) fn pubrel(
        &mut self,
        packet_id: PacketId,
        order: &mut AckOrder,
        wire: &mut Wire,
        news: &mut News,
    ) -> Result<(), Violation> {
        let recorded = |flow: &Flow| match flow.qos {
            _ if flow.recorded.is_some() => Ok((flow.ended(), ReasonCode::Success)),
            // Another connection's, which the server counts as ended: as unknown as one that is over.
            _ if flow.epoch != order.epoch => Ok((flow.ended(), ReasonCode::PacketIdentifierNotFound)),
            QoS::ExactlyOnce => Err(Violation::PubrelBeforePubrec),
            QoS::AtMostOnce | QoS::AtLeastOnce => Err(Violation::WrongAcknowledgement),
        };
        let reason = match self.flows.end_if(packet_id, recorded)? {
            Some((ended, reason)) => {
                self.settle(packet_id, ended, order, news);
                reason
            }
            None => ReasonCode::PacketIdentifierNotFound,
        };
        // Even of an unknown one: the store may have yet to forget it.
        let batch = news.journal.latest();
        wire.stage_ack_when_stored(batch, AckKind::Pubcomp, packet_id, reason, news);
        self.answer_in_turn(QoS::ExactlyOnce, order, wire, news);
        Ok(())
    }

    /// The application answers a message, with a reason that the version knows. `None` if the token is void or answered.
    #[inline]
    pub(crate) fn answer(&mut self, token: Token, reason: ReasonCode, news: &mut News) -> Option<QoS> {
        let flow = self.flows.get_mut(token.packet_id)?;
        if flow.serial != token.serial || flow.progress != Progress::Told {
            return None;
        }
        flow.progress = Progress::Answered(match reason {
            ReasonCode::Success => reason,
            _ if reason.allowed_in(PacketKind::Puback, Side::Client) => reason,
            _ if reason.is_error() => ReasonCode::UnspecifiedError,
            _ => ReasonCode::Success,
        });
        if flow.qos == QoS::ExactlyOnce {
            flow.batch = news.journal.touch(Key::Received(token.packet_id));
        }
        self.open -= 1;
        Some(flow.qos)
    }

    /// The answer that the application has just given says more than its reason.
    pub(crate) fn explain(&mut self, token: Token, properties: AckProperties) {
        self.explanations.insert(token.packet_id, properties);
    }

    /// Answers a message of QoS 1 whose turn it is now with success, and those that have waited for it. False if that is
    /// not the case at hand: then [`answer`](Self::answer) and [`answer_in_turn`](Self::answer_in_turn) go the long way.
    #[inline]
    pub(crate) fn answer_next(
        &mut self,
        token: Token,
        order: &mut AckOrder,
        wire: &mut Wire,
        news: &mut News,
    ) -> bool {
        if order.qos1.front() != Some(&token) || wire.is_sealed() {
            return false;
        }
        let told = |flow: &Flow| match flow.progress {
            Progress::Told if flow.serial == token.serial => Ok(()),
            _ => Err(()),
        };
        let Ok(Some(())) = self.flows.end_if(token.packet_id, told) else { return false };
        order.qos1.pop_front();
        order.unacknowledged -= 1;
        self.open -= 1;
        wire.stage_ack(AckKind::Puback, token.packet_id, ReasonCode::Success, news);
        // Nothing waits for its turn while nothing is answered.
        if self.open < self.flows.len() {
            self.answer_in_turn(QoS::AtLeastOnce, order, wire, news);
        }
        true
    }

    /// Sends the acknowledgements whose turn it is.
    #[inline]
    pub(crate) fn answer_in_turn(
        &mut self,
        qos: QoS,
        order: &mut AckOrder,
        wire: &mut Wire,
        news: &mut News,
    ) {
        if wire.is_sealed() {
            return;
        }
        while let Some(&Token { packet_id, serial }) = order.queue(qos).front() {
            if let Some(flow) = self.flows.get_mut(packet_id).filter(|flow| flow.serial == serial) {
                let Progress::Answered(reason) = flow.progress else { return };
                if !news.journal.is_stored(flow.batch) {
                    return;
                }
                let ends = qos == QoS::AtLeastOnce || reason.is_error();
                if !ends {
                    if !order.record(flow) {
                        return;
                    }
                    flow.queued = false;
                }
                let kind = if qos == QoS::ExactlyOnce { AckKind::Pubrec } else { AckKind::Puback };
                match self.explanations.get(&packet_id) {
                    None => wire.stage_ack(kind, packet_id, reason, news),
                    Some(properties) => {
                        wire.stage_explained_ack(kind, packet_id, reason, properties.clone(), news);
                    }
                }
                if ends {
                    self.remove(packet_id, order, news);
                }
            }
            order.queue(qos).pop_front();
        }
    }

    /// Notes that this connection has shown the identifier, and whether that is news.
    #[inline]
    fn show(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        dup: bool,
        order: &mut AckOrder,
        news: &mut News,
    ) -> Result<Shown, Violation> {
        if order.has_room()
            && let Some(shown) = self.begin(packet_id, qos, order, news)
        {
            return Ok(shown);
        }
        self.show_known(packet_id, qos, dup, order, news)
    }

    /// Begins a flow, if the identifier is free.
    #[inline(always)]
    fn begin(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        order: &mut AckOrder,
        news: &mut News,
    ) -> Option<Shown> {
        let token = Token { packet_id, serial: self.next_serial };
        let mut batch = 0;
        let began = self.flows.insert_if_free(packet_id, || {
            if qos == QoS::ExactlyOnce {
                batch = news.journal.touch(Key::Received(packet_id));
            }
            Flow {
                serial: token.serial,
                qos,
                progress: Progress::Told,
                recorded: None,
                epoch: order.epoch,
                queued: true,
                batch,
            }
        });
        if !began {
            return None;
        }
        self.next_serial += 1;
        self.open += 1;
        order.unacknowledged += 1;
        order.queue(qos).push_back(token);
        Some(self.tell_or_hold(token, qos, batch, news))
    }

    /// As [`show`](Self::show), where there is no room or the identifier is in use.
    ///
    /// What an earlier connection has shown is repeated if the QoS is the same; for QoS 1, which must rather tell twice
    /// than not at all, only if DUP says so. Anything else is new: the server has given up the earlier message.
    #[inline(never)]
    fn show_known(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        dup: bool,
        order: &mut AckOrder,
        news: &mut News,
    ) -> Result<Shown, Violation> {
        let Some(flow) = self.flows.get_mut(packet_id) else { return Err(Violation::ReceiveMaximumExceeded) };
        let known_here = flow.epoch == order.epoch;
        if flow.qos == qos && (known_here || dup || qos == QoS::ExactlyOnce) {
            if !known_here {
                order.charge()?;
                flow.epoch = order.epoch;
                flow.queued = false;
            }
            // In its place if new here; again if PUBREC was sent and is asked for again [MQTT-4.3.3-10].
            let token = Token { packet_id, serial: flow.serial };
            if !flow.queued {
                flow.queued = true;
                order.queue(qos).push_back(token);
            }
            if flow.progress == Progress::Untold {
                flow.progress = Progress::Told;
                self.open += 1;
                let batch = flow.batch;
                return Ok(self.tell_or_hold(token, qos, batch, news));
            }
            return Ok(Shown::Repeated);
        }
        if known_here {
            return Err(Violation::PacketIdInUse);
        }
        if !order.has_room() {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        self.remove(packet_id, order, news);
        self.begin(packet_id, qos, order, news).ok_or(Violation::PacketIdInUse)
    }

    /// Messages of QoS 2 are told when their delivery ids are stored, and in order; others at once.
    #[inline]
    fn tell_or_hold(&self, token: Token, qos: QoS, batch: Batch, news: &News) -> Shown {
        if qos != QoS::ExactlyOnce || self.unstored.is_empty() && news.journal.is_stored(batch) {
            Shown::New(Some(token))
        } else {
            Shown::Unstored(token, batch)
        }
    }

    #[inline]
    fn remove(&mut self, packet_id: PacketId, order: &mut AckOrder, news: &mut News) {
        if let Some(flow) = self.flows.remove(packet_id) {
            self.settle(packet_id, flow.ended(), order, news);
        }
    }

    /// A flow has ended.
    #[inline]
    fn settle(&mut self, packet_id: PacketId, ended: Ended, order: &mut AckOrder, news: &mut News) {
        if ended.has_record {
            news.journal.touch(Key::Received(packet_id));
        }
        order.discharge(ended);
        self.open -= usize::from(ended.was_open);
        if !self.explanations.is_empty() {
            self.explanations.remove(&packet_id);
        }
    }
}

/// What a PUBLISH is to the application.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    /// It is to be told; of QoS 1 and 2 with a token.
    New(Option<Token>),
    /// It is to be told when the store has that.
    Unstored(Token, Batch),
    /// The application knows it, or has even answered it.
    Repeated,
}
