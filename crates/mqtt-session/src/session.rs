//! [`Session`]: the methods that drivers and applications call.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;
use mqtt_codec::{AckProperties, Connect, PacketId, Publish, QoS, ReasonCode};

use crate::connection::{Connection, Kept};
use crate::handshake;
use crate::news::News;
use crate::wire::expressible;
use crate::{
    Batch, BatchForm, Command, Config, Duty, Event, Limits, Operation, Output, PacketTrace, Phase,
    ProtocolError, Record, Refusal, Rejected, RestoreError, Tag, Timestamp, Token,
};

/// How much is parsed in one call, so that events stay bounded and nobody waits long for the caller's lock.
const MAX_INPUT: usize = 64 * 1024;

/// One MQTT client session, over any number of connections. The contract is on the [crate's first page](crate).
#[derive(Debug)]
pub struct Session {
    config: Config,
    /// What the server keeps too.
    kept: Kept,
    /// What ends with the connection.
    connection: Option<Connection>,
    /// The protocol error that ended the latest connection.
    latched: Option<ProtocolError>,
    news: News,
}

impl Session {
    /// A session that has never been connected.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with(config, Kept::new())
    }

    /// A session that goes on from what an earlier one left behind, with its next connection. Without any record it
    /// is one that has never been connected. The order of the records does not matter. With
    /// [`Config::durable`] they count as what the store has.
    ///
    /// `now` is the driver's, whose clock need not be that of the earlier one, and `elapsed` the time that has passed
    /// since the records were taken (by the snapshot, or with the last batch that was stored): Message Expiry Intervals
    /// have gone on.
    ///
    /// It behaves as the earlier one would have after [`handle_closed`](Self::handle_closed), with these exceptions,
    /// all of them because an application began anew too:
    ///
    /// - A message of QoS 2 that was not acknowledged is told again when the server repeats it, with the same
    ///   [`Token::delivery_id`]; one that was is not told again.
    /// - A message of QoS 1 whose PUBACK had not left is told again when the server repeats it, even if it was
    ///   acknowledged, with another number.
    /// - Publishes of QoS 0, requests and pings ended with the earlier session, and no event says so.
    ///
    /// # Errors
    ///
    /// The records don't make a session of the configuration's protocol version: [`RestoreError`] says which of them
    /// is in the way.
    pub fn restore(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        now: Timestamp,
        elapsed: Duration,
    ) -> Result<Self, RestoreError> {
        let kept = Kept::restore(config.version, records, now, elapsed)?;
        let mut session = Self::with(config, kept);
        session.news.advance(now);
        session.kept.outbound.store_unsent(&mut session.news);
        Ok(session)
    }

    fn with(config: Config, kept: Kept) -> Self {
        let news = News::new(&config);
        Self { config, kept, connection: None, latched: None, news }
    }
}

/// For the driver: facts.
impl Session {
    /// A transport is open, to be used for this connection; CONNECT becomes the first output. A connection that was
    /// still there is closed first.
    ///
    /// In 5.0 the Receive Maximum, the Maximum Packet Size and the Topic Alias Maximum of `connect` are replaced by
    /// those of the [`Config`].
    ///
    /// A Clean Start (5.0) whose CONNACK never came has to be asked for again: the server may have begun a new session
    /// all the same, and would report that one as present.
    ///
    /// # Errors
    ///
    /// The packet comes back, and nothing has changed, when its version is not the session's, when it can't be
    /// encoded, or when a 3.1.1 session is to be kept without a client identifier.
    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    pub fn handle_opened(&mut self, now: Timestamp, connect: Connect) -> Result<(), Rejected<Connect>> {
        let announced = match handshake::announce(&connect, &self.config) {
            Ok(announced) => announced,
            Err(refusal) => return Err(Rejected { value: connect, refusal }),
        };
        self.handle_closed(now);
        self.latched = None;
        self.kept.epoch += 1;
        self.connection = Some(Connection::open(&self.config, announced, self.kept.epoch, &mut self.news));
        Ok(())
    }

    /// Bytes came in. Complete packets are taken off the front of `input`; a partial one is left there, for more to
    /// be appended.
    ///
    /// At most 64 KiB are parsed in a call (but one packet in any case), so that the caller can have events handled in
    /// between: call again while the result, the number of bytes taken, is above 0. Messages are slices of what was
    /// taken off `input`. Input that belongs to no live connection is dropped.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol, in this packet or an earlier one: the error stays until the next
    /// [`handle_opened`](Self::handle_opened). What came before the error has been dealt with;
    /// [`poll_io`](Self::poll_io) says how to end the connection.
    pub fn handle_input(&mut self, now: Timestamp, input: &mut BytesMut) -> Result<usize, ProtocolError> {
        self.news.advance(now);
        if let Some(error) = &self.latched {
            input.clear();
            return Err(error.clone());
        }
        let Some(connection) = self.connection.as_mut().filter(|connection| !connection.is_deaf()) else {
            input.clear();
            return Ok(0);
        };
        if !input.is_empty() {
            connection.read(self.news.now());
        }
        let mut taken = 0;
        while taken < MAX_INPUT {
            match connection.receive(input, MAX_INPUT - taken, &mut self.kept, &mut self.news) {
                Ok(0) => break,
                Ok(bytes) => taken += bytes,
                Err(error) => {
                    connection.fail(&error, &mut self.news);
                    input.clear();
                    self.latched = Some(error.clone());
                    return Err(error);
                }
            }
            if connection.is_deaf() {
                input.clear();
                break;
            }
        }
        connection.has_read(&self.kept.outbound, &mut self.news);
        Ok(taken)
    }

    /// The transport took `bytes` more bytes of the [`Output`].
    pub fn handle_written(&mut self, now: Timestamp, bytes: usize) {
        self.news.advance(now);
        if let Some(connection) = &mut self.connection {
            connection.wrote(bytes, &mut self.news);
        }
    }

    /// The transport is gone, for whatever reason. Idempotent. The caller clears its [`Output`] and its input
    /// buffer.
    pub fn handle_closed(&mut self, now: Timestamp) {
        self.news.advance(now);
        if let Some(connection) = self.connection.take() {
            connection.close(&mut self.news);
            self.kept.outbound.take_back();
            self.kept.inbound.forget_untold();
        }
    }

    /// The deadline that [`poll_io`](Self::poll_io) named has come. At any other time this does nothing.
    ///
    /// After a long pause, such as a machine's sleep, input that has arrived is to be handed in first: it may hold
    /// the answer that would be missed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.news.advance(now);
        if let Some(connection) = &mut self.connection {
            connection.handle_timeout(&mut self.news);
        }
    }
}

/// For the driver of a durable session: the store. See [Storing](crate#storing).
impl Session {
    /// Appends the next operations for the store to `batch`, if there are any and the store has reported on those
    /// before: the number of this batch.
    ///
    /// The store does all of them or none, then calls [`handle_stored`](Self::handle_stored). To be called after any
    /// other call, as [`poll_io`](Self::poll_io) is; what changes while the store is at work comes with the next batch.
    pub fn poll_store(&mut self, now: Timestamp, batch: &mut Vec<Operation>) -> Option<u64> {
        self.news.advance(now);
        self.kept.outbound.held.look(self.news.now());
        self.kept.operations(self.config.version, &mut self.news, batch)
    }

    /// Whether something has changed that no batch holds yet.
    #[must_use]
    #[inline]
    pub fn has_unstored(&self) -> bool {
        self.news.journal.has_touched()
    }

    /// The store has that batch: it would be there after a crash. What relies on it goes on: there may be something to
    /// send and to tell.
    pub fn handle_stored(&mut self, now: Timestamp, batch: u64) {
        self.news.advance(now);
        if self.news.journal.store(batch) {
            self.kept.inbound.tell_stored(&mut self.news);
            if let Some(connection) = &mut self.connection {
                connection.handle_stored(&mut self.kept.inbound, &mut self.news);
            }
        }
    }

    /// The store could not do what it was asked for. That stays so: nothing that relies on it, or on anything that
    /// changes afterwards, is ever sent or told, and publishes of QoS 1 and 2 are refused
    /// ([`Refusal::StoreFailed`]). What relies on no store goes on: publishes of QoS 0, inbound messages of QoS 0 and 1,
    /// pings.
    ///
    /// The way out is a new session, [restored](Self::restore) from what the store has.
    pub fn handle_store_failed(&mut self, now: Timestamp) {
        self.news.advance(now);
        self.news.journal.fail();
    }
}

/// For the driver: duties.
impl Session {
    /// Appends the bytes to be written to `out`, and says what to do besides.
    ///
    /// To be called after any other call, before going to sleep; calling it once after many others gathers their
    /// packets into one write. Publishes are encoded while less than 64 KiB wait in `out`, besides those that were encoded as
    /// they were submitted, up to 128 KiB. `out` belongs to the connection: it is to be empty at
    /// [`handle_opened`](Self::handle_opened).
    pub fn poll_io(&mut self, now: Timestamp, out: &mut Output) -> Duty {
        self.news.advance(now);
        match &mut self.connection {
            Some(connection) => connection.transmit(&mut self.kept.outbound, out, &mut self.news),
            None => Duty::Wait(None),
        }
    }

    /// Begins or ends to record packets, in the place of [`Config::trace`].
    pub fn trace_packets(&mut self, enabled: bool) {
        self.news.trace.enable(enabled);
    }

    /// Takes the records of the packets since the last call. Without [`Config::trace`] there are none; with it,
    /// they gather until they are taken.
    pub fn take_trace(&mut self) -> impl Iterator<Item = PacketTrace> + '_ {
        self.news.trace.drain()
    }
}

/// For the application.
impl Session {
    /// Takes a wish. Its packets leave with the next [`poll_io`](Self::poll_io), in the order of submission.
    ///
    /// # Errors
    ///
    /// The command comes back unharmed, with the reason: because of a limit of this connection, because there is no
    /// room at present ([`publish_room`](Self::publish_room), [`can_send_qos0`](Self::can_send_qos0)), or because
    /// it can't be said in this protocol version.
    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    #[inline]
    pub fn submit(&mut self, command: Command) -> Result<(), Rejected<Command>> {
        match &mut self.connection {
            Some(connection) => connection.submit(command, &mut self.kept.outbound, &mut self.news),
            None => Err(Rejected { value: command, refusal: Refusal::NotReady }),
        }
    }

    /// Sends a publish of QoS 0 of which nobody asks what becomes: it is encoded at once, the caller keeps it, and no event
    /// tells of it. The result is where it ends among the bytes of this connection: the transport has all of it when
    /// [`written`](Self::written) has come that far.
    ///
    /// The payload is copied, and a Message Expiry Interval is sent as it stands.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit); [`Refusal::Busy`] also while something that was submitted before waits for
    /// [`poll_io`](Self::poll_io), and [`Refusal::QosNotSupported`] for another QoS than 0.
    #[inline]
    pub fn send(&mut self, publish: &Publish) -> Result<u64, Refusal> {
        match &mut self.connection {
            Some(connection) if publish.qos == QoS::AtMostOnce => connection.send(publish, &mut self.news),
            Some(_) => Err(Refusal::QosNotSupported { qos: publish.qos, maximum: QoS::AtMostOnce }),
            None => Err(Refusal::NotReady),
        }
    }

    /// Encodes a publish of QoS 0 for this connection, behind those that are in `batch`, before there is room to
    /// [`send`](Self::send) it. Nothing is sent, and the caller keeps the publish.
    ///
    /// A Message Expiry Interval is encoded as it stands.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but [`Refusal::Busy`] means that it has to be sent by itself: because the batch is for
    /// another connection, or because the connection uses topic aliases, which are given out in the order of sending.
    #[inline]
    pub fn encode(&self, publish: &Publish, batch: &mut Batch) -> Result<(), Refusal> {
        match &self.connection {
            Some(connection) if publish.qos == QoS::AtMostOnce => connection.encode(publish, batch),
            Some(_) => Err(Refusal::QosNotSupported { qos: publish.qos, maximum: QoS::AtMostOnce }),
            None => Err(Refusal::NotReady),
        }
    }

    /// How [`encode`](Self::encode) does it on this connection, for who has to do it without the session. `None`: publishes
    /// have to be sent by themselves, or there is no connection that takes any.
    pub fn batch_form(&self) -> Option<BatchForm> {
        self.connection.as_ref()?.batch_form()
    }

    /// Sends all that a batch holds, as [`send`](Self::send) does each; the result is where the last of them ends. The batch
    /// is empty afterwards.
    ///
    /// # Errors
    ///
    /// [`Refusal::Busy`] and [`Refusal::NotReady`] as of [`send`](Self::send), the latter also if the batch is for an earlier
    /// connection. It is unchanged then.
    pub fn send_batch(&mut self, batch: &mut Batch) -> Result<u64, Refusal> {
        match &mut self.connection {
            Some(connection) => connection.send_batch(batch, &mut self.news),
            None => Err(Refusal::NotReady),
        }
    }

    /// Acknowledges a message: PUBACK or PUBREC leaves as soon as its turn has come. In 5.0 a `reason` of 0x80 or
    /// above refuses the message; 3.1.1 has no way to do so and acknowledges it. A reason that PUBACK may not carry
    /// counts as `Success` or `UnspecifiedError`.
    ///
    /// While there is no connection, the answer waits for the server to show the message again. False if the token
    /// is void, because the server lost the session, or answered already.
    #[inline]
    pub fn acknowledge(&mut self, token: Token, reason: ReasonCode) -> bool {
        let reason = expressible(self.config.version, reason);
        if reason == ReasonCode::Success
            && let Some(Connection { ack_order, wire, .. }) = &mut self.connection
            && self.kept.inbound.answer_next(token, ack_order, wire, &mut self.news)
        {
            return true;
        }
        let Some(qos) = self.kept.inbound.answer(token, reason, &mut self.news) else { return false };
        self.answer_in_turn(qos);
        true
    }

    /// As [`acknowledge`](Self::acknowledge), with a reason string and user properties (5.0), which go with each PUBACK or
    /// PUBREC of this message. What would make the packet larger than the server takes is left out: the user properties,
    /// and then the reason string. 3.1.1 has no properties, and they are no part of a [snapshot](Self::snapshot) or a
    /// store: they explain, and nothing relies on them.
    pub fn acknowledge_with(&mut self, token: Token, reason: ReasonCode, properties: AckProperties) -> bool {
        let reason = expressible(self.config.version, reason);
        let Some(qos) = self.kept.inbound.answer(token, reason, &mut self.news) else { return false };
        if !properties.is_empty() {
            self.kept.inbound.explain(token, properties);
        }
        self.answer_in_turn(qos);
        true
    }

    /// The next piece of news, if there is any.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.news.next_event(&mut self.kept.outbound.held)
    }
}

/// For both: looks.
impl Session {
    /// What the session is waiting for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.connection.as_ref().map_or(Phase::Closed, Connection::phase)
    }

    /// What may be done on this connection, once the server has accepted it.
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.connection.as_ref()?.limits.as_ref()
    }

    /// How many publishes of QoS 1 and 2 [`submit`](Self::submit) would take now. 0 unless the phase is
    /// [`Phase::Ready`].
    #[must_use]
    pub fn publish_room(&self) -> usize {
        self.ready()
            .filter(|_| !self.news.journal.has_failed())
            .map_or(0, |connection| connection.publish_room(&self.kept.outbound))
    }

    /// How many publishes of QoS 1 and 2 were submitted and have not come to their end.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.kept.outbound.len()
    }

    /// All publishes that were submitted and have not been given back by an event, with their tags; in no order that means
    /// anything, and in time that grows with their number.
    pub fn publishes(&self) -> impl Iterator<Item = (Tag, &Publish)> {
        self.kept.outbound.held.iter()
    }

    /// How many inbound messages the application has yet to acknowledge.
    #[must_use]
    pub fn inbound_unacknowledged(&self) -> usize {
        self.kept.inbound.open()
    }

    /// Whether [`submit`](Self::submit) would take a publish of QoS 0 now: less than 64 KiB wait for the transport.
    #[must_use]
    pub fn can_send_qos0(&self) -> bool {
        self.ready().is_some_and(Connection::has_room)
    }

    /// How long the server's latest answer took, from the moment when the transport had taken what it answers: that to a PINGREQ,
    /// or the first to a publish of QoS 1 or 2, of which one at a time is watched. It shows how fast the link is, and how busy
    /// its two ends are. `None` before the first.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.news.round_trip
    }

    /// How many bytes of this connection the transport has taken.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.connection.as_ref().map_or(0, |connection| connection.wire.written())
    }

    /// What [`restore`](Self::restore) needs to go on from here: one record for the session, and one or two for each
    /// publish and each inbound QoS 2 message that has not come to its end. What belongs to the connection alone is not
    /// among them: publishes of QoS 0, requests, and whatever was negotiated.
    pub fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        self.kept.records(self.config.version, &self.news)
    }

    /// Whether this connection's limits allow a publish, whatever its `packet_id` and `dup` say, and whether or
    /// not there is room for it now.
    ///
    /// # Errors
    ///
    /// The limit that is in the way; [`Refusal::NotReady`] before the server has accepted the connection.
    pub fn check(&self, publish: &Publish) -> Result<(), Refusal> {
        let limits = self.limits().ok_or(Refusal::NotReady)?;
        let packet_id = (publish.qos != QoS::AtMostOnce).then_some(PacketId::MAX);
        let publish = Publish { packet_id, dup: false, ..publish.clone() };
        limits.check_publish(&publish).map(drop)
    }
}

impl Session {
    /// Sends the acknowledgements whose turn it is.
    #[inline]
    fn answer_in_turn(&mut self, qos: QoS) {
        if let Some(Connection { ack_order, wire, .. }) = &mut self.connection {
            self.kept.inbound.answer_in_turn(qos, ack_order, wire, &mut self.news);
        }
    }

    fn ready(&self) -> Option<&Connection> {
        self.connection.as_ref().filter(|connection| connection.phase() == Phase::Ready)
    }
}
