//! [`Configuration`]: options from a file, in TOML, YAML, JSON or whatever else serde reads.

mod connection;
mod limits;
mod values;
mod will;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use self::connection::Connection;
use self::limits::Limits;
use self::values::{Set, fault, given, in_range, optional, optional_seconds, qos, seconds};
use self::will::Will;
use crate::codec::Version;
use crate::secret::Secret;
use crate::{InvalidOptions, Options, OptionsBuilder, Reconnect, SESSION_NEVER_EXPIRES, TopicDefaults};

/// Options as a configuration file has them, to be read from any format that serde knows (feature `serde`).
///
/// Every key may be left out. One that is unknown, or of the wrong type, is an error of the format, which names it; a value
/// out of its range is an [`InvalidOptions::Key`], which names its path, `topics.room/state.qos`. Times are whole seconds.
///
/// ```
/// use mqtt_client_core::{Configuration, Options};
///
/// let configuration: Configuration = toml::from_str(r#"
///     client_id = "sensor-7"
///     keep_alive = 30
///     connection.uri = "mqtt://broker.example"
///     will = { topic = "sensor-7/state", payload = "gone", qos = 1, retain = true }
///     topics."sensor-7/state" = { qos = 1, retain = true }
/// "#)?;
/// let options = Options::try_from(configuration)?;
/// assert_eq!(options.endpoint().host(), "broker.example");
///
/// let error = toml::from_str::<Configuration>("keepalive = 30").expect_err("it has an underscore");
/// assert!(error.to_string().contains("unknown field `keepalive`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What a file can't hold is added in code: [`builder`](Self::builder) gives the [`OptionsBuilder`] with all that the file says.
///
/// # Keys
///
/// The defaults are those of the asyncio client whose files this form takes over, so that such a file means what it meant;
/// where the builder's differ, that is the reason. Keys of which the table says *builder* have the default of the
/// [`OptionsBuilder`]'s method of that name, and its reason. *Theirs* are the names in the asyncio client's file (A), and of
/// the corresponding arguments of the callback client (Z) and the queueing wrapper (Q); A's are accepted beside ours.
///
/// | key | default, and why | range | theirs |
/// | --- | --- | --- | --- |
/// | `client_id` | random: two clients with one id push each other out | at most 65,535 bytes | client id (A Z) |
/// | `client_id_prefix` | `"mqtt"`: a generated id is then one that every broker takes | up to 10 letters and digits for every broker | client id prefix (A Q) |
/// | `version` | `"5.0"`: what every current broker speaks, with reasons for its refusals | `"5.0"`, `"3.1.1"` | – |
/// | `fall_back` | false: a refusal should show, not change what the session can do | | – |
/// | `clean_start` | true: nothing is left behind at the broker unasked; false keeps the session | | `cleansession` (A), clean session (Z) |
/// | `session_expiry` | 0 with a clean start, else for ever: what a session that is kept meant in 3.1.1 | 0 to 4,294,967,295, which is for ever; 3.1.1 knows only these two | – |
/// | `keep_alive` | 10 s: a dead link shows within 20 s (builder: 60 s, which is kinder to batteries) | 0 to 65,535; 0: no pings | `keep_alive` (A), keep alive (Z Q) |
/// | `ping_delay` | 1 s: time for the PINGREQ to arrive before the broker's patience ends | 0 to `keep_alive` | `ping_delay` (A) |
/// | `ping_timeout` | builder | from 1 | – |
/// | `connection_timeout` | 60 s: slow names and handshakes on poor links (builder: 10 s) | from 1 | `connection_timeout` (A) |
/// | `write_timeout` | builder | from 1 | – |
/// | `drain_timeout` | builder | from 0 | – |
/// | `username`, `password` | none | a password needs a user name | user name, password (Z) |
/// | `user_properties` | none | pairs, `[["name", "value"]]`; not in 3.1.1 | – |
/// | `request_response_information`, `request_problem_information` | builder | not in 3.1.1 | – |
/// | `auto_reconnect` | true: links break | | `auto_reconnect` (A Q) |
/// | `reconnect_retries` | 2: a file's client should not try for ever at a wrong address (builder: for ever) | negative: for ever | `reconnect_retries` (A) |
/// | `reconnect_max_interval` | 10 s (builder: 30 s; Q: 256 s) | from 1 | `reconnect_max_interval` (A), reconnect interval (Q) |
/// | `reconnect_first_interval`, `reconnect_stable_after`, `reconnect_permanent` | those of [`Reconnect`]: `first_wait`, `stable_after`, `retry_permanent` | from 1, from 0 | – |
/// | `max_redirects`, `wait_for_connection` | builder | | – |
/// | `default_qos` | 0: as the protocol | 0 to 2 | `default_qos` (A) |
/// | `default_retain` | false: a retained message stays until it is replaced | | `default_retain` (A) |
/// | `topics.<name>.qos`, `.retain` | those of all topics | 0 to 2 | `topics` (A) |
/// | `republish_qos1`, `republish_qos2` | builder | | – |
/// | `unclaimed_grace`, `stall_after` | builder | from 0, from 1 | – |
/// | `packet_payload` | builder: no payload in any log unasked | from 0, bytes | – |
///
/// In the table `connection`, which may also be called `broker`, as theirs is. Its keys from `cafile` to `pinned_public_keys`, and
/// the two checks behind them, need the feature `tls`, and URLs that are encrypted.
///
/// | key | default, and why | range | theirs |
/// | --- | --- | --- | --- |
/// | `connection.uri` | `mqtt://localhost` | a URL | `broker.uri` (A), host and port (Z Q) |
/// | `connection.alternatives` | none: brokers to be tried next have to share their sessions | a list of URLs, the credentials are those of `uri` | – |
/// | `connection.headers` | none | `{ Name = "value" }`; for `ws` and `wss` alone | extra headers (A) |
/// | `connection.proxy` | none: the environment does not decide unasked | a URL, `http://` or `socks5://`; `"environment"` | – |
/// | `connection.tcp_no_delay` | true: what is gathered is gathered before it is written | | – |
/// | `connection.tcp_bind` | the system chooses | an address and a port, which may be 0 | – |
/// | `connection.tcp_keep_alive` | none: MQTT's own notices more | `{ idle, interval, count }`, at least 1 | TCP keep-alive (Z) |
/// | `connection.cafile`, `.capath`, `.cadata` | the system's authorities; any of these takes their place | PEM | the same (A) |
/// | `connection.system_roots` | false: who names an authority means that one | | – |
/// | `connection.certfile`, `.keyfile` | none | both or neither | `certfile` or `certificate`, `keyfile` or `key` (A) |
/// | `connection.keyfile_password` | none: keys are not encrypted | needs the feature `encrypted-keys` | – |
/// | `connection.alpn` | none | a list of names, such as `["x-amzn-mqtt-ca"]` | ALPN protocols (Q) |
/// | `connection.server_name` | the URL's host | | – |
/// | `connection.tls_version` | both | `"1.2"`, `"1.3"` | – |
/// | `connection.tls_resumption`, `.tls_key_log` | true, false: see `TlsOptions` | | – |
/// | `connection.pinned_public_keys` | none | SHA-256 of each key, 64 hexadecimal digits | – |
/// | `check_hostname` | true: a certificate for another host proves nothing | | `check_hostname` (A) |
/// | `verify_cert` | true: without it anybody can pass for the broker | not off while `check_hostname` is on | `verify_cert` (A) |
///
/// In the table `limits`, of which each key has the default of the builder's method of that name:
///
/// | key | range |
/// | --- | --- |
/// | `limits.max_queued_messages`, `.max_queued_bytes` (`max_queued`) | from 1, from 0 |
/// | `limits.overflow` | `"block"`, `"refuse"`, `"drop_newest"`, `"drop_oldest"`, `"keep_latest"` |
/// | `limits.max_in_flight`, `.receive_maximum`, `.max_unreleased` | 1 to 65,535 |
/// | `limits.topic_alias_maximum`, `.max_outbound_aliases` | 0 to 65,535; not in 3.1.1 |
/// | `limits.max_packet_size` | 1 to 4,294,967,295 |
/// | `limits.stream_capacity`, `.max_unread_bytes` | from 1 |
///
/// In the table `will`:
///
/// | key | default | range | theirs |
/// | --- | --- | --- | --- |
/// | `will.topic` | none; an empty one means no will | a topic name | will (A Z Q) |
/// | `will.payload` | empty | at most 65,535 bytes | `will.message` (A) |
/// | `will.qos`, `will.retain` | 0, false | 0 to 2 | `will.qos`, `will.retain` (A) |
/// | `will.delay`, `.expiry` | at once, never | seconds; not in 3.1.1, as those below | – |
/// | `will.content_type`, `.is_text`, `.response_topic`, `.correlation_data`, `.user_properties` | none | | – |
///
/// What is code stays out of files: the [store](OptionsBuilder::store) and its durability, the functions
/// [`before_attempt`](OptionsBuilder::before_attempt) and [`on_packet`](OptionsBuilder::on_packet), a TLS configuration of one's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    client_id: Option<String>,
    client_id_prefix: Option<String>,
    version: String,
    fall_back: bool,
    #[serde(alias = "cleansession")]
    clean_start: bool,
    session_expiry: Option<i64>,
    keep_alive: i64,
    ping_delay: i64,
    ping_timeout: Option<i64>,
    connection_timeout: i64,
    write_timeout: Option<i64>,
    drain_timeout: Option<i64>,
    #[serde(alias = "broker")]
    connection: Connection,
    #[cfg(feature = "tls")]
    check_hostname: bool,
    #[cfg(feature = "tls")]
    verify_cert: bool,
    username: Option<String>,
    password: Option<Secret>,
    user_properties: Vec<(String, String)>,
    request_response_information: Option<bool>,
    request_problem_information: Option<bool>,
    auto_reconnect: bool,
    reconnect_retries: i64,
    reconnect_max_interval: i64,
    reconnect_first_interval: Option<i64>,
    reconnect_stable_after: Option<i64>,
    reconnect_permanent: bool,
    max_redirects: Option<i64>,
    wait_for_connection: Option<bool>,
    default_qos: i64,
    default_retain: bool,
    topics: BTreeMap<String, Topic>,
    republish_qos1: Option<bool>,
    republish_qos2: Option<bool>,
    unclaimed_grace: Option<i64>,
    stall_after: Option<i64>,
    packet_payload: Option<i64>,
    limits: Limits,
    will: Will,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Topic {
    qos: Option<i64>,
    retain: Option<bool>,
}

impl Default for Configuration {
    fn default() -> Self {
        Configuration {
            client_id: None,
            client_id_prefix: None,
            version: "5.0".into(),
            fall_back: false,
            clean_start: true,
            session_expiry: None,
            keep_alive: 10,
            ping_delay: 1,
            ping_timeout: None,
            connection_timeout: 60,
            write_timeout: None,
            drain_timeout: None,
            connection: Connection::default(),
            #[cfg(feature = "tls")]
            check_hostname: true,
            #[cfg(feature = "tls")]
            verify_cert: true,
            username: None,
            password: None,
            user_properties: Vec::new(),
            request_response_information: None,
            request_problem_information: None,
            auto_reconnect: true,
            reconnect_retries: 2,
            reconnect_max_interval: 10,
            reconnect_first_interval: None,
            reconnect_stable_after: None,
            reconnect_permanent: false,
            max_redirects: None,
            wait_for_connection: None,
            default_qos: 0,
            default_retain: false,
            topics: BTreeMap::new(),
            republish_qos1: None,
            republish_qos2: None,
            unclaimed_grace: None,
            stall_after: None,
            packet_payload: None,
            limits: Limits::default(),
            will: Will::default(),
        }
    }
}

impl Configuration {
    /// A builder with all that the file says, to which code can add.
    ///
    /// # Errors
    /// A value is out of its range: [`InvalidOptions::Key`]. What goes with what is checked by the builder.
    pub fn builder(&self) -> Result<OptionsBuilder, InvalidOptions> {
        let mut options = Options::builder()
            .version(self.version()?)
            .fall_back(self.fall_back)
            .clean_start(self.clean_start)
            .session_expiry(self.session_expiry()?)
            .keep_alive(seconds("keep_alive", self.keep_alive, 0, u16::MAX.into())?)
            .ping_delay(self.ping_delay()?)
            .connect_timeout(seconds("connection_timeout", self.connection_timeout, 1, u32::MAX.into())?)
            .reconnect(self.reconnect()?)
            .default_qos(qos("default_qos", self.default_qos)?)
            .default_retain(self.default_retain);
        options = given(options, self.client_id.as_deref(), OptionsBuilder::client_id);
        options = given(options, self.client_id_prefix.as_deref(), OptionsBuilder::client_id_prefix);
        options = self.connection.apply(options)?;
        #[cfg(feature = "tls")]
        {
            let tls = self.connection.tls(self.check_hostname, self.verify_cert)?;
            options = given(options, tls, OptionsBuilder::tls);
        }
        match (&self.username, &self.password) {
            (Some(username), password) => {
                options = options.credentials(username, password.as_deref());
            }
            (None, Some(_)) => return Err(fault("password", "needs a username")),
            (None, None) => {}
        }
        for (name, value) in &self.user_properties {
            options = options.user_property(name, value);
        }
        for (topic, Topic { qos: level, retain }) in &self.topics {
            let level = level.map(|level| qos(&format!("topics.{topic}.qos"), level)).transpose()?;
            options = options.topic_defaults(topic, TopicDefaults { qos: level, retain: *retain });
        }
        options = self.with_times(options)?;
        options = self.with_choices(options)?;
        self.will.apply(self.limits.apply(options)?)
    }

    fn with_times(&self, mut options: OptionsBuilder) -> Result<OptionsBuilder, InvalidOptions> {
        let times: [(_, _, _, Set<Duration>); 5] = [
            ("ping_timeout", self.ping_timeout, 1, OptionsBuilder::ping_timeout),
            ("write_timeout", self.write_timeout, 1, OptionsBuilder::write_timeout),
            ("drain_timeout", self.drain_timeout, 0, OptionsBuilder::drain_timeout),
            ("unclaimed_grace", self.unclaimed_grace, 0, OptionsBuilder::unclaimed_grace),
            ("stall_after", self.stall_after, 1, OptionsBuilder::stall_after),
        ];
        for (key, value, least, set) in times {
            options = given(options, optional_seconds(key, value, least)?, set);
        }
        Ok(options)
    }

    fn with_choices(&self, mut options: OptionsBuilder) -> Result<OptionsBuilder, InvalidOptions> {
        let choices: [(_, Set<bool>); 5] = [
            (self.request_response_information, OptionsBuilder::request_response_information),
            (self.request_problem_information, OptionsBuilder::request_problem_information),
            (self.wait_for_connection, OptionsBuilder::wait_for_connection),
            (self.republish_qos1, OptionsBuilder::republish_qos1),
            (self.republish_qos2, OptionsBuilder::republish_qos2),
        ];
        for (value, set) in choices {
            options = given(options, value, set);
        }
        let redirects = optional("max_redirects", self.max_redirects, 0, u32::MAX.into())?;
        options = given(options, redirects, OptionsBuilder::max_redirects);
        let payload = optional("packet_payload", self.packet_payload, 0, i64::MAX)?;
        Ok(given(options, payload, OptionsBuilder::packet_payload))
    }

    fn version(&self) -> Result<Version, InvalidOptions> {
        match self.version.as_str() {
            "5.0" | "5" => Ok(Version::V5),
            "3.1.1" => Ok(Version::V311),
            _ => Err(fault("version", "is \"5.0\" or \"3.1.1\"")),
        }
    }

    fn session_expiry(&self) -> Result<Duration, InvalidOptions> {
        match self.session_expiry {
            Some(expiry) => seconds("session_expiry", expiry, 0, u32::MAX.into()),
            None if self.clean_start => Ok(Duration::ZERO),
            None => Ok(SESSION_NEVER_EXPIRES),
        }
    }

    /// Pings that leave before the keep alive has begun would be without a pause.
    fn ping_delay(&self) -> Result<Duration, InvalidOptions> {
        let most = if self.keep_alive == 0 { u16::MAX.into() } else { self.keep_alive };
        seconds("ping_delay", self.ping_delay, 0, most)
    }

    fn reconnect(&self) -> Result<Reconnect, InvalidOptions> {
        let max_wait = seconds("reconnect_max_interval", self.reconnect_max_interval, 1, u32::MAX.into())?;
        let first_wait = optional_seconds("reconnect_first_interval", self.reconnect_first_interval, 1)?;
        let stable_after = optional_seconds("reconnect_stable_after", self.reconnect_stable_after, 0)?;
        if !self.auto_reconnect {
            return Ok(Reconnect { max_wait, ..Reconnect::never() });
        }
        let max_retries = match self.reconnect_retries {
            ..0 => None,
            retries => Some(in_range("reconnect_retries", retries, 0, u32::MAX.into())?),
        };
        let default = Reconnect::default();
        Ok(Reconnect {
            first_wait: first_wait.unwrap_or(default.first_wait),
            max_wait,
            max_retries,
            stable_after: stable_after.unwrap_or(default.stable_after),
            retry_initial: true,
            retry_permanent: self.reconnect_permanent,
        })
    }
}

impl TryFrom<Configuration> for Options {
    type Error = InvalidOptions;

    fn try_from(configuration: Configuration) -> Result<Self, InvalidOptions> {
        configuration.builder()?.build()
    }
}
