//! [`Observer`]: what anybody can tell who sees the bytes of a connection, both ways, and the application's wishes: what the
//! packets are, whose turn it is, and how it ends.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{
    Auth, Connack, Connect, Decoder, Disconnect, Packet, PacketId, Publish, ReasonCode, Side, TopicName,
    Version,
};
use mqtt_session::{Config, DisconnectCause, Phase, ProtocolError, Tag, Timestamp, Violation};

use crate::news::News;

/// How long the last output may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A server of 3.1.1 refuses 5.0.
const ONLY_V311: [u8; 4] = [0x20, 2, 0, 1];

/// Watches one connection after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observer {
    config: Config,
    connection: Option<Connection>,
    /// What the application must be told about connections, in this order.
    pub(crate) news: VecDeque<News>,
}

#[derive(Clone, Debug)]
struct Connection {
    connect: Connect,
    accepted: Option<Connack>,
    turn: Option<Turn>,
    /// Why it ends, and when at the latest.
    ending: Option<(DisconnectCause, Timestamp)>,
    /// SUBSCRIBE and UNSUBSCRIBE that have no answer.
    requests: BTreeMap<PacketId, (Tag, Packet)>,
    /// Pings that have no answer, since when, and how many of them are to be sent.
    pings: VecDeque<(Option<Tag>, Timestamp)>,
    unsent_pings: usize,
    last_write: Timestamp,
    /// What the server's aliases stand for, and the client's.
    aliases: [BTreeMap<u16, TopicName>; 2],
}

/// Who has the next word of an authentication.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    Server,
    Client,
}

impl Observer {
    /// There is no connection yet.
    #[must_use]
    pub(crate) fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    /// A transport is open.
    pub(crate) fn open(&mut self, connect: Connect, now: Timestamp) {
        self.connection = Some(Connection {
            turn: connect.properties.authentication_method().map(|_| Turn::Server),
            connect,
            accepted: None,
            ending: None,
            requests: BTreeMap::new(),
            pings: VecDeque::new(),
            unsent_pings: 0,
            last_write: now,
            aliases: Default::default(),
        });
    }

    /// The transport is gone.
    pub(crate) fn close(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let requests = connection.requests.into_values().map(|(tag, _)| Some(tag));
        let unanswered = requests.chain(connection.pings.into_iter().map(|(tag, _)| tag)).flatten();
        self.news.extend(unanswered.map(|tag| News::Aborted { tag }));
        let cause = connection.ending.map_or(DisconnectCause::LinkClosed, |(cause, _)| cause);
        self.news.push_back(News::Disconnected(cause));
    }

    /// What the client waits for.
    #[must_use]
    pub(crate) fn phase(&self) -> Phase {
        match &self.connection {
            None => Phase::Closed,
            Some(Connection { ending: Some(_), .. }) => Phase::Closing,
            Some(Connection { accepted: Some(_), .. }) => Phase::Ready,
            Some(Connection { turn: Some(Turn::Client), .. }) => Phase::AwaitAnswer,
            Some(_) => Phase::AwaitConnack,
        }
    }

    /// The application wishes to send this; false if it can't be sent on this connection now.
    pub(crate) fn submit(&mut self, tag: Tag, packet: &Packet, now: Timestamp) -> bool {
        let phase = self.phase();
        let (is_ready, is_early) =
            (phase == Phase::Ready, matches!(phase, Phase::AwaitConnack | Phase::AwaitAnswer));
        let Some(connection) = &mut self.connection else { return false };
        let has_method = connection.connect.properties.authentication_method().is_some();
        let may = match packet {
            Packet::Disconnect(_) => is_ready || is_early && has_method,
            Packet::Auth(auth) if auth.reason == ReasonCode::ReAuthenticate => {
                is_ready && has_method && connection.turn.is_none()
            }
            Packet::Auth(_) => (is_ready || is_early) && connection.turn == Some(Turn::Client),
            Packet::Pingreq => is_ready && connection.pings.len() < 16,
            _ => is_ready,
        };
        match packet {
            _ if !may => {}
            Packet::Disconnect(_) => connection.end(DisconnectCause::ByUs, now),
            Packet::Auth(_) => connection.turn = Some(Turn::Server),
            Packet::Pingreq => {
                connection.pings.push_back((Some(tag), now));
                connection.unsent_pings += 1;
            }
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => {
                let id = packet.packet_id().expect("a request has one");
                connection.requests.insert(id, (tag, packet.clone()));
            }
            _ => {}
        }
        may
    }

    /// Whether a request waits for an answer with this identifier.
    #[must_use]
    pub(crate) fn is_requested(&self, id: PacketId) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.requests.contains_key(&id))
    }

    /// Whether CONNECT named an authentication method.
    #[must_use]
    pub(crate) fn has_method(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| !connection.has_method(None))
    }

    /// SUBSCRIBE and UNSUBSCRIBE that have no answer.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Packet> {
        self.connection.iter().flat_map(|connection| connection.requests.values().map(|(_, packet)| packet))
    }

    /// Takes the server's first packet off the bytes that have arrived, if all of it is there. A message has its topic, as
    /// if there were no aliases.
    ///
    /// # Errors
    ///
    /// The rule that it breaks, whatever messages are under way.
    pub(crate) fn hear(
        &mut self,
        bytes: &mut BytesMut,
        now: Timestamp,
    ) -> Result<Option<Packet>, ProtocolError> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let Config { version, max_packet_size, topic_alias_maximum, .. } = self.config;
        if version == Version::V5 && connection.accepted.is_none() && bytes.starts_with(&ONLY_V311) {
            bytes.clear();
            self.news.push_back(News::Refused);
            connection.end_at(DisconnectCause::Refused, now);
            return Ok(Some(Connack::new(false, ReasonCode::UnsupportedProtocolVersion).into()));
        }
        let decoder = Decoder::new(version, Side::Server).with_max_packet_size(max_packet_size);
        let Some(mut packet) = decoder.decode_from(bytes)? else { return Ok(None) };
        let heard = match &mut packet {
            packet if connection.is_terse() && explains_itself(packet) => {
                Err(Violation::UnwantedProblemInformation)
            }
            Packet::Connack(connack) => connection.connack(connack, now).map(Some),
            Packet::Auth(auth) => connection.auth(auth).map(Some),
            _ if connection.accepted.is_none() => Err(Violation::ExpectedConnack),
            Packet::Publish(publish) => {
                resolve(&mut connection.aliases[0], topic_alias_maximum, publish).map(|()| None)
            }
            Packet::Suback(suback) => {
                connection.answered(suback.packet_id, true, suback.reasons.len()).map(Some)
            }
            Packet::Unsuback(unsuback) => {
                connection.answered(unsuback.packet_id, false, unsuback.reasons.len()).map(Some)
            }
            Packet::Pingresp => Ok(connection.pings.pop_front().map(|(tag, _)| News::Answered { tag })),
            Packet::Disconnect(disconnect) => {
                connection.end_at(DisconnectCause::ByPeer(disconnect.clone()), now);
                Ok(None)
            }
            _ => Ok(None),
        };
        let kind = packet.kind();
        self.news.extend(heard.map_err(|violation| ProtocolError { violation, packet: Some(kind) })?);
        Ok(Some(packet))
    }

    /// The server broke a rule: what the client says to that, if it says anything.
    pub(crate) fn fail(&mut self, error: &ProtocolError, now: Timestamp) -> Option<Packet> {
        let connection = self.connection.as_mut()?;
        let cause = DisconnectCause::ProtocolError(error.clone());
        if self.config.version == Version::V311 || connection.accepted.is_none() {
            connection.end_at(cause, now);
            return None;
        }
        connection.end(cause, now);
        Some(Disconnect::new(reason_for(&error.violation)).into())
    }

    /// The deadline has come: whether the client gives the connection up.
    pub(crate) fn timeout(&mut self, now: Timestamp) -> bool {
        let is_ready = self.phase() == Phase::Ready;
        let Some(connection) = self.connection.as_mut().filter(|_| is_ready) else { return false };
        let oldest = connection.pings.front();
        let is_dead = oldest.is_some_and(|(_, since)| *since + self.config.ping_timeout <= now);
        if is_dead {
            connection.end_at(DisconnectCause::PingTimeout, now);
        }
        is_dead
    }

    /// Takes the client's first packet off its output, if there is one. A message has its topic.
    ///
    /// # Panics
    ///
    /// If it is no packet of a client's, or can't be understood.
    pub(crate) fn see(&mut self, bytes: &mut BytesMut, now: Timestamp) -> Option<Packet> {
        let connection = self.connection.as_mut()?;
        let decoder = Decoder::new(self.config.version, Side::Client);
        let mut packet = decoder.decode_from(bytes).expect("a legal packet")?;
        connection.last_write = now;
        if let Packet::Publish(publish) = &mut packet {
            let theirs =
                connection.accepted.as_ref().and_then(|connack| connack.properties.topic_alias_maximum());
            let maximum = theirs.unwrap_or(0).min(self.config.max_outbound_aliases);
            resolve(&mut connection.aliases[1], maximum, publish).expect("the server knows the alias");
        }
        Some(packet)
    }

    /// Whether the client has pings to send, or to wait for.
    pub(crate) fn is_pressed(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|it| it.connect.keep_alive > 0 || !it.pings.is_empty())
    }

    /// Whether the client has set an alias.
    pub(crate) fn has_aliases(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| !connection.aliases[1].is_empty())
    }

    /// A PINGREQ is seen: false if the keep alive asked for it.
    ///
    /// # Panics
    ///
    /// If nobody did.
    pub(crate) fn ping(&mut self, now: Timestamp) -> bool {
        let Some(connection) = &mut self.connection else { return true };
        if connection.unsent_pings > 0 {
            connection.unsent_pings -= 1;
            return true;
        }
        assert!(connection.connect.keep_alive > 0, "nobody asked for a ping");
        connection.pings.push_back((None, now));
        false
    }

    /// The client has done all that it can, and so many bytes of it wait for the transport.
    ///
    /// # Panics
    ///
    /// If it should have pinged, or closed the connection, or must not yet.
    pub(crate) fn settled(&self, is_to_close: bool, is_sealed: bool, waiting: usize, now: Timestamp) {
        let Some(connection) = &self.connection else {
            return assert!(!is_to_close, "there is nothing to close");
        };
        let ending = connection.ending.as_ref();
        let may_close = ending.is_some_and(|(_, at)| *at <= now || is_sealed && waiting == 0);
        assert_eq!(is_to_close, may_close, "{self:?}");
        let keep_alive = Duration::from_secs(connection.connect.keep_alive.into());
        let is_watched = self.phase() == Phase::Ready && !keep_alive.is_zero();
        assert!(!is_watched || now <= connection.last_write + keep_alive, "the keep alive has passed");
    }
}

impl Connection {
    /// Who wants to be authenticated names a method.
    fn has_method(&self, named: Option<mqtt_session::codec::TextRef<'_>>) -> bool {
        self.connect.properties.authentication_method() == named
    }

    /// Whether the server is not to explain itself.
    fn is_terse(&self) -> bool {
        self.connect.properties.request_problem_information() == Some(false)
    }

    fn connack(&mut self, connack: &Connack, now: Timestamp) -> Result<News, Violation> {
        let named = connack.properties.authentication_method();
        if self.accepted.is_some() {
            return Err(Violation::SecondConnack);
        } else if connack.reason.is_error() {
            self.end_at(DisconnectCause::Refused, now);
            return Ok(News::Refused);
        } else if connack.session_present && self.connect.clean_start {
            return Err(Violation::UnexpectedSession);
        } else if !self.has_method(named) {
            return Err(match self.has_method(None) {
                true => Violation::UnexpectedAuthentication,
                false => Violation::AuthenticationMethod,
            });
        }
        (self.accepted, self.turn) = (Some(connack.clone()), None);
        Ok(News::Connected { session_present: connack.session_present })
    }

    fn auth(&mut self, auth: &Auth) -> Result<News, Violation> {
        let ends = auth.reason == ReasonCode::Success;
        if self.has_method(None) {
            return Err(Violation::UnexpectedAuthentication);
        } else if self.turn != Some(Turn::Server) || ends && self.accepted.is_none() {
            return Err(Violation::AuthenticationOutOfTurn);
        } else if !(self.has_method(auth.properties.authentication_method())
            || ends && auth.properties.is_empty())
        {
            return Err(Violation::AuthenticationMethod);
        }
        self.turn = (!ends).then_some(Turn::Client);
        Ok(News::Auth(auth.clone()))
    }

    fn answered(&mut self, id: PacketId, is_suback: bool, actual: usize) -> Result<News, Violation> {
        let expected = match self.requests.get(&id) {
            Some((_, Packet::Subscribe(subscribe))) if is_suback => subscribe.filters.len(),
            // UNSUBACK of 3.1.1 has no reasons.
            Some((_, Packet::Unsubscribe(_))) if !is_suback && self.connect.version == Version::V311 => 0,
            Some((_, Packet::Unsubscribe(unsubscribe))) if !is_suback => unsubscribe.filters.len(),
            _ => return Err(Violation::UnknownRequest),
        };
        if expected != actual {
            return Err(Violation::ReasonCount { expected, actual });
        }
        let tag = self.requests.remove(&id).map(|(tag, _)| tag);
        Ok(News::Answered { tag })
    }

    /// What happened first is the cause; the earliest deadline holds.
    fn end(&mut self, cause: DisconnectCause, now: Timestamp) {
        self.end_at(cause, now + CLOSE_TIMEOUT);
    }

    fn end_at(&mut self, cause: DisconnectCause, at: Timestamp) {
        let (_, deadline) = self.ending.get_or_insert((cause, at));
        *deadline = at.min(*deadline);
    }
}

/// Puts the topic in an alias's place, or learns what it stands for.
fn resolve(
    aliases: &mut BTreeMap<u16, TopicName>,
    maximum: u16,
    publish: &mut Publish,
) -> Result<(), Violation> {
    let Some(alias) = publish.properties.topic_alias().map(|alias| alias.get()) else { return Ok(()) };
    if alias > maximum {
        return Err(Violation::TopicAlias { maximum });
    }
    match aliases.get(&alias) {
        None if publish.topic.is_empty() => return Err(Violation::UnknownTopicAlias),
        Some(topic) if publish.topic.is_empty() => publish.topic = topic.clone(),
        _ => _ = aliases.insert(alias, publish.topic.clone()),
    }
    publish.properties.clear_topic_alias();
    Ok(())
}

/// Whether a packet carries what Request Problem Information = 0 keeps out of it.
fn explains_itself(packet: &Packet) -> bool {
    match packet {
        Packet::Ack(ack) => !ack.properties.is_empty(),
        Packet::Suback(suback) => !suback.properties.is_empty(),
        Packet::Unsuback(unsuback) => !unsuback.properties.is_empty(),
        Packet::Auth(auth) => {
            auth.properties.reason_string().is_some() || auth.properties.user_properties().next().is_some()
        }
        _ => false,
    }
}

/// What a client says to a server that breaks it.
fn reason_for(violation: &Violation) -> ReasonCode {
    match violation {
        Violation::Packet(error) => error.reason_code(),
        Violation::TopicAlias { .. } => ReasonCode::TopicAliasInvalid,
        Violation::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
        _ => ReasonCode::ProtocolError,
    }
}
