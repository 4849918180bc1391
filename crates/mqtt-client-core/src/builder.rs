//! [`OptionsBuilder`]: every option, its default, and what goes with what.

use std::sync::Arc;
use std::time::Duration;

use crate::codec::{Binary, ConnectProperties, QoS, Text, TopicName, Version, Will, WillProperties};
use crate::credentials::Credentials;
use crate::defaults::PublishDefaults;
use crate::endpoint::BrokerUrl;
use crate::options::{Hook, Options, Place};
use crate::outbox::Bounds;
use crate::publishing::Republish;
use crate::session::{Config, PacketLine};
use crate::store::{Durability, Storage};
use crate::transport::Environment;
use crate::{Endpoint, InvalidOptions, Overflow, Proxy, Reconnect, TcpOptions, TransportOptions};

/// What brokers take of a client that they can't tell how much they take; see [`OptionsBuilder::max_in_flight`].
const MAX_IN_FLIGHT_V311: u16 = 20;

/// What brokers remember of a session over their restart; see [`OptionsBuilder::max_unreleased`].
const MAX_UNRELEASED: u16 = 20;

/// How many letters and digits of a generated client id are random.
pub(crate) const RANDOM_PART: usize = 13;

/// Sets options one by one. A value that can't be is reported by [`build`](Self::build), with the option's name.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are built"]
pub struct OptionsBuilder {
    pub(crate) options: Options,
    chosen: Chosen,
    error: Option<InvalidOptions>,
}

/// Limits whose defaults, or whose sense, depend on other options.
#[derive(Clone, Debug, Default)]
struct Chosen {
    max_in_flight: Option<u16>,
    receive_maximum: Option<u16>,
    max_unreleased: Option<u16>,
    topic_alias_maximum: Option<u16>,
    max_outbound_aliases: Option<u16>,
    fall_back: bool,
}

impl Chosen {
    /// What was chosen, and for the rest what suits the version and the session.
    fn complete(&self, session: &mut Config, version: Version, kept: bool) {
        let v311 = version == Version::V311;
        let default = if v311 { MAX_IN_FLIGHT_V311 } else { session.max_in_flight };
        session.max_in_flight = self.max_in_flight.unwrap_or(default);
        session.receive_maximum = self.receive_maximum.unwrap_or(session.max_inbound);
        session.max_inbound = self.receive_maximum.unwrap_or(u16::MAX);
        let default = if kept { MAX_UNRELEASED } else { session.max_unreleased };
        session.max_unreleased = self.max_unreleased.unwrap_or(default);
        session.topic_alias_maximum = self.topic_alias_maximum.unwrap_or(session.topic_alias_maximum);
        session.max_outbound_aliases = self.max_outbound_aliases.unwrap_or(session.max_outbound_aliases);
    }
}

impl Default for OptionsBuilder {
    fn default() -> Self {
        let options = Options {
            endpoints: vec![Endpoint::default()],
            version: Version::V5,
            client_id: None,
            client_id_prefix: Text::try_from("mqtt").unwrap_or_default(),
            clean_start: true,
            session_expiry: 0,
            keep_alive: 60,
            credentials: Credentials::default(),
            authenticator: None,
            before_attempt: None,
            will: None,
            will_properties: WillProperties::default(),
            connect_properties: ConnectProperties::default(),
            connect_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
            unclaimed_grace: Duration::from_secs(10),
            reconnect: Reconnect::default(),
            max_redirects: 0,
            wait_for_connection: true,
            fall_back: None,
            bounds: Bounds { messages: 10_000, bytes: 64 << 20 },
            overflow: Overflow::Block,
            publish_defaults: PublishDefaults::default(),
            republish: Republish { qos1: true, qos2: false },
            stream_capacity: 4096,
            max_unread_bytes: 256 << 20,
            stall_after: Duration::from_secs(30),
            transport: TransportOptions::default(),
            session: Config::default(),
            packet_hook: None,
            store: None,
            durability: Durability::default(),
        };
        OptionsBuilder { options, chosen: Chosen::default(), error: None }
    }
}

impl OptionsBuilder {
    /// Endpoint and credentials from `mqtt://[user[:password]@]host[:port]`, percent-decoded; the scheme decides how the broker
    /// is reached, and the port when none is given: see [`Scheme`](crate::Scheme).
    pub fn url(mut self, url: &str) -> Self {
        match BrokerUrl::parse(url) {
            Ok(BrokerUrl { endpoint, username, password }) => {
                self.options.endpoints = vec![endpoint];
                match username {
                    Some(username) => self.credentials(&username, password.as_deref()),
                    None => self,
                }
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// The broker's address. Default: `localhost`, port 1883.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.options.endpoints = vec![endpoint];
        self
    }

    /// Another address to try when the ones given before fail; for brokers that share their sessions. All of them are tried,
    /// one right after the other, before the client waits; after a lost link, beginning with the next one. Default: none.
    pub fn or_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.options.endpoints.push(endpoint);
        self
    }

    /// How many times the client follows a 5.0 server to the address that it names (reason codes 0x9C, for the time being,
    /// and 0x9D, for good), before a link was stable again. The other server gets the same credentials. Default: 0, which
    /// makes it an error.
    pub fn max_redirects(mut self, hops: u32) -> Self {
        self.options.max_redirects = hops;
        self
    }

    /// Whether a broker that refuses 5.0 at the first contact is spoken to in 3.1.1, from then on. What that version can't
    /// say fails then, with its reason. A broker that closes the connection instead of refusing can't be told from one that
    /// is broken. Default: no.
    pub fn fall_back(mut self, fall_back: bool) -> Self {
        self.chosen.fall_back = fall_back;
        self
    }

    /// Whether publish, subscribe, unsubscribe and request wait for a connection when there is none at the moment of the call;
    /// otherwise they fail at once with [`Offline::NotConnected`](crate::Offline::NotConnected). What was taken before stays.
    /// Default: they wait.
    pub fn wait_for_connection(mut self, wait: bool) -> Self {
        self.options.wait_for_connection = wait;
        self
    }

    /// The protocol version. Default: 5.0.
    pub fn version(mut self, version: Version) -> Self {
        self.options.version = version;
        self
    }

    /// The client id, which names the session at the broker; at most 65,535 bytes, and every broker takes up to 23 letters
    /// and digits. Default: `mqtt` and 13 random letters and digits. An empty one asks the broker to choose;
    /// in 5.0 it says what it chose, which is the client id from then on.
    pub fn client_id(mut self, client_id: &str) -> Self {
        match Text::try_from(client_id) {
            Ok(client_id) => {
                self.options.client_id = Some(client_id);
                self
            }
            Err(error) => self.refuse("client_id", error.to_string()),
        }
    }

    /// What a generated client id begins with, before its 13 random letters and digits: up to 10 letters and digits keep it one
    /// that every broker takes. Default: `mqtt`.
    pub fn client_id_prefix(mut self, prefix: &str) -> Self {
        match Text::try_from(prefix) {
            Ok(prefix) if prefix.as_str().len() <= usize::from(u16::MAX) - RANDOM_PART => {
                self.options.client_id_prefix = prefix;
                self
            }
            Ok(_) => self.refuse("client_id_prefix", "too long".into()),
            Err(error) => self.refuse("client_id_prefix", error.to_string()),
        }
    }

    /// Whether the first connection throws away a session that the broker may hold (Clean Start). Later ones, after a lost
    /// link, always resume. In 3.1.1 this must be the case exactly when the session expiry is zero. Default: yes.
    pub fn clean_start(mut self, clean_start: bool) -> Self {
        self.options.clean_start = clean_start;
        self
    }

    /// How long the broker keeps the session after the connection ended, in whole seconds. Zero: not at all. In 3.1.1 it is
    /// zero or [`SESSION_NEVER_EXPIRES`](crate::SESSION_NEVER_EXPIRES). Default: zero.
    pub fn session_expiry(mut self, expiry: Duration) -> Self {
        self.options.session_expiry = u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX);
        self
    }

    /// The longest silence on the connection, in whole seconds, 1 to 65,535; zero turns pings off. Default: 60 s.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        match u16::try_from(keep_alive.as_secs()) {
            Ok(0) if !keep_alive.is_zero() => self.refuse("keep_alive", "less than a second".into()),
            Ok(seconds) => {
                self.options.keep_alive = seconds;
                self
            }
            Err(_) => self.refuse("keep_alive", "more than 65535 seconds".into()),
        }
    }

    /// How long before the keep alive expires a PINGREQ leaves, at most half of the keep alive. Default: 1 s.
    pub fn ping_delay(mut self, delay: Duration) -> Self {
        self.options.session.ping_delay = delay;
        self
    }

    /// How long a PINGRESP may take before the link counts as dead. Default: 10 s.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.options.session.ping_timeout = timeout;
        self
    }

    /// User name and password. In 5.0 the password may be a token. Default: none.
    pub fn credentials(mut self, username: &str, password: Option<&[u8]>) -> Self {
        match Credentials::new(username, password) {
            Ok(credentials) => {
                self.options.credentials = credentials;
                self
            }
            Err(error) => self.fail(error),
        }
    }

    /// What the broker publishes when this client is gone without having said goodbye. Default: nothing.
    pub fn will(mut self, topic: &str, payload: impl Into<Vec<u8>>, qos: QoS, retain: bool) -> Self {
        let topic = match TopicName::try_from(topic) {
            Ok(topic) => topic,
            Err(error) => return self.refuse("will", format!("topic: {error}")),
        };
        match Binary::try_from(payload.into()) {
            Ok(payload) => {
                self.options.will =
                    Some(Will { topic, payload, qos, retain, properties: Default::default() });
                self
            }
            Err(error) => self.refuse("will", format!("payload: {error}")),
        }
    }

    /// How `mqtts://` and `wss://` are encrypted, and whom the client believes. Refused if an endpoint is not encrypted.
    /// Default: see [`TlsOptions`](crate::TlsOptions).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::TlsOptions) -> Self {
        self.options.transport.tls = Some(tls);
        self.options.transport.last_tls = crate::transport::LastTls::default();
        self
    }

    /// Goes through a proxy, which resolves the broker's name. Refused if an endpoint is a Unix socket. Default: none.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.options.transport.proxy = Some(proxy);
        self
    }

    /// Goes through the proxy that the environment names now: `http_proxy` for `ws://`, `https_proxy` for `wss://`, `all_proxy`
    /// for the other schemes and where those two are not set, none for the hosts in `no_proxy` and the names under them. Upper
    /// case serves too. [`proxy`](Self::proxy) counts more. Default: the environment is not looked at.
    pub fn proxy_from_environment(mut self) -> Self {
        match Environment::read(|name| std::env::var(name).ok()) {
            Ok(environment) => {
                self.options.transport.environment = environment;
                self
            }
            Err(error) => self.refuse("proxy_from_environment", error.to_string()),
        }
    }

    /// How TCP sockets are set up. Default: see [`TcpOptions`].
    pub fn tcp(mut self, tcp: TcpOptions) -> Self {
        self.options.transport.tcp = tcp;
        self
    }

    /// The will's properties: its delay, its expiry, what it is made of, user properties. Not in 3.1.1. Default: none.
    pub fn will_properties(mut self, properties: WillProperties) -> Self {
        self.options.will_properties = properties;
        self
    }

    /// A user property that the broker is told with CONNECT; they add up. Not in 3.1.1. Default: none.
    pub fn user_property(mut self, name: &str, value: &str) -> Self {
        match (Text::try_from(name), Text::try_from(value)) {
            (Ok(name), Ok(value)) => {
                self.options.connect_properties.add_user_property(&name, &value);
                self
            }
            (Err(error), _) | (_, Err(error)) => self.refuse("user_property", error.to_string()),
        }
    }

    /// Whether the broker is asked for Response Information, which `connect` then gives with the CONNACK. Not in 3.1.1.
    /// Default: no.
    pub fn request_response_information(mut self, ask: bool) -> Self {
        self.options.connect_properties.set_request_response_information(ask);
        self
    }

    /// Whether the broker may say more about a failure than its reason code: reason strings and user properties. Not in
    /// 3.1.1. Default: it may.
    pub fn request_problem_information(mut self, wanted: bool) -> Self {
        self.options.connect_properties.set_request_problem_information(wanted);
        self
    }

    /// The time from the name look-up to the CONNACK. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.connect_timeout = timeout;
        self
    }

    /// How long the transport may refuse to take data. Default: 30 s.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.options.session.write_timeout = timeout;
        self
    }

    /// How long `disconnect`, and the drop of the last handle, wait for what is on its way. Default: 5 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.options.drain_timeout = timeout;
        self
    }

    /// How long a message that no subscription stream matches is kept for one that may still come, before it is
    /// acknowledged and counted as unclaimed. Default: 10 s.
    pub fn unclaimed_grace(mut self, grace: Duration) -> Self {
        self.options.unclaimed_grace = grace;
        self
    }

    /// When to try again. Default: see [`Reconnect`].
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.options.reconnect = reconnect;
        self
    }

    /// Publishes on their way at once, queued and unacknowledged together, in messages and bytes; what becomes of further
    /// ones says [`overflow`](Self::overflow). One message always passes. Default: 10,000 messages, 64 MiB.
    pub fn max_queued(mut self, messages: usize, bytes: usize) -> Self {
        self.options.bounds = Bounds { messages, bytes };
        self
    }

    /// What happens to a publish for which the queue has no room. Default: the call waits.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.options.overflow = overflow;
        self
    }

    /// Whether QoS 1 publishes that were sent in a session which the broker has lost are published anew. The broker may
    /// have got them, so that they arrive twice, as QoS 1 may. Otherwise they end as indeterminate. Default: yes.
    pub fn republish_qos1(mut self, republish: bool) -> Self {
        self.options.republish.qos1 = republish;
        self
    }

    /// The same for QoS 2: a second copy breaks exactly-once, but nothing is missing. Default: no; they end as
    /// indeterminate.
    pub fn republish_qos2(mut self, republish: bool) -> Self {
        self.options.republish.qos2 = republish;
        self
    }

    /// Unacknowledged QoS 1 and 2 publishes at once, at least 1. In 5.0 the broker's Receive Maximum holds as well; default
    /// there: that of [`Config`].
    ///
    /// A 3.1.1 broker can't say how many it takes, and some end the connection of a client that sends more: mosquitto, by
    /// default, at the 21st QoS 2 message. Default in 3.1.1: 20. For a broker that takes more, more is faster.
    pub fn max_in_flight(mut self, max: u16) -> Self {
        self.chosen.max_in_flight = Some(max);
        self
    }

    /// Inbound QoS 1 and 2 messages that may be unacknowledged, at least 1; told to a 5.0 broker as Receive Maximum. It
    /// bounds what waits unread. A broker that sends more is cut off. Default in 5.0: that of [`Config`] is told.
    ///
    /// A 3.1.1 broker can't be told. Under load mosquitto 2.0.11 sends past its own window, and in 5.0 past the one that it was
    /// told: after a restart, where each new connection would end likewise, and to a slow reader, because with PUBREC it takes
    /// a message of QoS 2 for done. So unless this is set, a broker is cut off only past 65,535, as many as there are packet
    /// ids; what waits is bounded by [`max_unread_bytes`](Self::max_unread_bytes).
    pub fn receive_maximum(mut self, max: u16) -> Self {
        self.chosen.receive_maximum = Some(max);
        self
    }

    /// Inbound QoS 2 messages that may be between PUBREC and PUBREL, at least 1. Default: 20 when the session is kept, else as
    /// many as there may be.
    ///
    /// For brokers that remember only so many of them when they restart: mosquitto 2.0.11 remembers 20 by default, and
    /// delivers the others once more. More is faster where the way to the broker is long.
    pub fn max_unreleased(mut self, max: u16) -> Self {
        self.chosen.max_unreleased = Some(max);
        self
    }

    /// Topic aliases that the broker may set, told to it in CONNECT: it sends three bytes instead of a topic that it has
    /// sent before. Messages come with their full topics all the same. Zero: none. Not in 3.1.1. Default in 5.0: 16,
    /// which is enough for the topics that most messages come with; each may keep a name of 64 KiB in memory.
    pub fn topic_alias_maximum(mut self, max: u16) -> Self {
        self.chosen.topic_alias_maximum = Some(max);
        self
    }

    /// Topic aliases that this client sets for the topics of its publishes, as far as the broker takes them. Zero: none.
    /// Not in 3.1.1. Default in 5.0: 16. Mosquitto takes 10; a broker that takes hundreds makes more of them worth it for a
    /// client that publishes to as many topics by turns.
    pub fn max_outbound_aliases(mut self, max: u16) -> Self {
        self.chosen.max_outbound_aliases = Some(max);
        self
    }

    /// The longest packet accepted, in bytes; told to a 5.0 broker. Default: that of [`Config`].
    pub fn max_packet_size(mut self, bytes: u32) -> Self {
        self.options.session.max_packet_size = bytes;
        self
    }

    /// QoS 0 messages that a subscription stream keeps unread; what happens when it is full says
    /// [`qos0_overflow`](crate::SubscribeBuilder::qos0_overflow). A reader takes what is unread out at once, up
    /// to this number; where the oldest or the newest go, a quarter of it and 1,024 messages at most. Default: 4,096.
    pub fn stream_capacity(mut self, messages: usize) -> Self {
        self.options.stream_capacity = messages.max(1);
        self
    }

    /// Bytes of received messages that may wait unread on all streams together, or for a stream, with 128 bytes for each
    /// message. Those of one stream keep at most 64 of the receive buffers alive that they came in, of 128 KiB or so; further small ones are
    /// copied out. Past the budget the client disconnects ([`Event::Backlogged`](crate::Event::Backlogged)), and connects
    /// again when half has been read: a broker that keeps the session delivers the rest then. Default: 256 MiB.
    pub fn max_unread_bytes(mut self, bytes: usize) -> Self {
        self.options.max_unread_bytes = bytes;
        self
    }

    /// How long the messages of a stream may wait without any being read, before
    /// [`Event::ConsumerStalled`](crate::Event::ConsumerStalled) tells so; it may take twice as long. Default: 30 s.
    pub fn stall_after(mut self, time: Duration) -> Self {
        self.options.stall_after = time;
        self
    }

    /// Where the session is kept while no process runs, so that QoS 1 arrives at least once and QoS 2 exactly once even if the
    /// process is killed: messages on their way in either direction, those that wait in the queue (QoS 1 and 2, also before
    /// the first connection), and subscriptions. The next client with this store goes on with them. It needs a client id, and
    /// a session that is kept: `clean_start(false)` and a session expiry. Default: none.
    pub fn store(mut self, storage: impl Storage) -> Self {
        self.options.store = Some(Place(Arc::new(storage)));
        self
    }

    /// What stored changes outlive besides the process. Default: a power cut ([`Durability::EachBatch`]).
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// A function that sees every packet sent and received, in their order. What it is given shows itself as the line of a log;
    /// [`PacketLine`] has an example of such lines. Of a payload there is as much as [`packet_payload`](Self::packet_payload)
    /// says, of passwords and other secrets nothing.
    ///
    /// It runs on the driver, outside every lock, and must not block: what it waits for, everybody waits for. Its panic ends
    /// the client. Without it, and without a `tracing` subscriber for packets when the client is made, nothing is recorded.
    /// Default: none.
    ///
    /// ```
    /// use mqtt_client_core::Options;
    ///
    /// let options = Options::builder().packet_payload(32).on_packet(|line| eprintln!("{line}")).build()?;
    /// # Ok::<(), mqtt_client_core::InvalidOptions>(())
    /// ```
    pub fn on_packet(mut self, hook: impl Fn(PacketLine<'_>) + Send + Sync + 'static) -> Self {
        self.options.packet_hook = Some(Hook(Arc::new(hook)));
        self
    }

    /// How many bytes of a PUBLISH's payload are shown to [`on_packet`](Self::on_packet) and in the packet lines for `tracing`;
    /// each packet's are copied. Zero: nothing of any payload. Default: 0.
    pub fn packet_payload(mut self, bytes: usize) -> Self {
        self.options.session.trace_payload = bytes;
        self
    }

    /// The options, if each value, and all of them together, make sense.
    pub fn build(self) -> Result<Options, InvalidOptions> {
        let OptionsBuilder { mut options, chosen, error } = self;
        if let Some(error) = error {
            return Err(error);
        }
        options.endpoints.iter().try_for_each(|endpoint| options.transport.check(endpoint))?;
        let fault = |option, problem: &str| Err(InvalidOptions::Option { option, problem: problem.into() });
        if options.version == Version::V311 {
            match options.session_expiry {
                0 if !options.clean_start => {
                    return fault(
                        "clean_start",
                        "3.1.1 resumes a session only if it is kept (session_expiry)",
                    );
                }
                u32::MAX if options.clean_start => {
                    return fault(
                        "clean_start",
                        "3.1.1 has one flag for clean start and for keeping the session",
                    );
                }
                0 | u32::MAX => {}
                _ => return fault("session_expiry", "3.1.1 keeps a session for ever or not at all"),
            }
            let (connect, will) = (&options.connect_properties, &options.will_properties);
            for (option, chosen) in [
                ("user_property", connect.user_properties().next().is_some()),
                ("request_response_information", connect.request_response_information().is_some()),
                ("request_problem_information", connect.request_problem_information().is_some()),
                ("will_properties", !will.is_empty()),
            ] {
                if chosen {
                    return fault(option, "3.1.1 has no properties");
                }
            }
            if options.authenticator.is_some() {
                return fault("authenticator", "3.1.1 has no enhanced authentication");
            }
            for (option, chosen) in [
                ("topic_alias_maximum", chosen.topic_alias_maximum),
                ("max_outbound_aliases", chosen.max_outbound_aliases),
            ] {
                if chosen.is_some_and(|max| max > 0) {
                    return fault(option, "3.1.1 has no topic aliases");
                }
            }
        }
        if options.client_id.as_ref().is_some_and(Text::is_empty) && options.session_expiry > 0 {
            return fault("client_id", "a session that is kept needs a client id");
        }
        if chosen.fall_back && options.version == Version::V5 {
            let v311 = Options { version: Version::V311, ..options.clone() };
            let chosen = Chosen {
                fall_back: false,
                topic_alias_maximum: None,
                max_outbound_aliases: None,
                ..chosen.clone()
            };
            match (OptionsBuilder { options: v311, chosen, error: None }).build() {
                Ok(v311) => options.fall_back = Some(v311.session),
                Err(error) => return fault("fall_back", &error.to_string()),
            }
        }
        chosen.complete(&mut options.session, options.version, options.session_expiry > 0);
        if options.session.max_in_flight == 0 {
            return fault("max_in_flight", "must be at least 1");
        }
        if options.session.max_inbound == 0 {
            return fault("receive_maximum", "must be at least 1");
        }
        if options.session.max_unreleased == 0 {
            return fault("max_unreleased", "must be at least 1");
        }
        if options.session.max_packet_size == 0 {
            return fault("max_packet_size", "must be at least 1");
        }
        if options.bounds.messages == 0 {
            return fault("max_queued", "must allow at least one message");
        }
        if options.store.is_some() {
            if options.client_id.as_ref().is_none_or(Text::is_empty) {
                return fault("store", "needs a client id");
            }
            if options.clean_start || options.session_expiry == 0 {
                return fault("store", "needs a session that is kept (clean_start, session_expiry)");
            }
            if options.fall_back.is_some() {
                return fault("store", "keeps a session of one version (fall_back)");
            }
        }
        options.session.durable = options.store.is_some();
        options.session.version = options.version;
        options.session.trace = options.packet_hook.is_some();
        Ok(options)
    }

    fn refuse(self, option: &'static str, problem: String) -> Self {
        self.fail(InvalidOptions::Option { option, problem })
    }

    /// The first error is the one that is told.
    pub(crate) fn fail(mut self, error: InvalidOptions) -> Self {
        self.error.get_or_insert(error);
        self
    }
}
