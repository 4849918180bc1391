//! [`Configuration`]: options from a file, in TOML, YAML, JSON or whatever else serde reads.

use std::collections::BTreeMap;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

#[cfg(feature = "tls")]
use crate::TlsOptions;
use crate::codec::{QoS, Version};
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
/// where the builder's differ, that is the reason. *Theirs* are the names in the asyncio client's file (A), and of the
/// corresponding arguments of the callback client (Z) and the queueing wrapper (Q); A's are accepted beside ours.
///
/// `cafile` to `verify_cert` need the feature `tls`, and a URI that is encrypted.
///
/// | key | default, and why | range | theirs |
/// | --- | --- | --- | --- |
/// | `client_id` | random: two clients with one id push each other out | at most 65,535 bytes | client id, client id prefix (A Q) |
/// | `version` | `"5.0"`: what every current broker speaks, with reasons for its refusals | `"5.0"`, `"3.1.1"` | – |
/// | `fall_back` | false: a refusal should show, not change what the session can do | | – |
/// | `clean_start` | true: nothing is left behind at the broker unasked; false keeps the session for ever | | `cleansession` (A), clean session (Z) |
/// | `keep_alive` | 10 s: a dead link shows within 15 s (builder: 60 s, which is kinder to batteries) | 0 to 65,535; 0: no pings | `keep_alive` (A), keep alive (Z Q) |
/// | `ping_delay` | 1 s: time for the PINGREQ to arrive before the broker's patience ends | 0 to `keep_alive` | `ping_delay` (A) |
/// | `connection_timeout` | 60 s: slow names and handshakes on poor links (builder: 10 s) | from 1 | `connection_timeout` (A) |
/// | `connection.uri` | `mqtt://localhost` | a URL | `broker.uri` (A), host and port (Z Q) |
/// | `connection.cafile`, `.capath`, `.cadata` | the system's authorities; any of these takes their place | PEM | the same (A) |
/// | `connection.certfile`, `.keyfile` | none | both or neither | `certfile` or `certificate`, `keyfile` or `key` (A) |
/// | `check_hostname` | true: a certificate for another host proves nothing | | `check_hostname` (A) |
/// | `verify_cert` | true: without it anybody can pass for the broker | not off while `check_hostname` is on | `verify_cert` (A) |
/// | `username`, `password` | none | a password needs a user name | user name, password (Z) |
/// | `auto_reconnect` | true: links break | | `auto_reconnect` (A Q) |
/// | `reconnect_retries` | 2: a file's client should not try for ever at a wrong address (builder: for ever) | negative: for ever | `reconnect_retries` (A) |
/// | `reconnect_max_interval` | 10 s (builder: 30 s; Q: 256 s) | from 1 | `reconnect_max_interval` (A) |
/// | `default_qos` | 0: as the protocol | 0 to 2 | `default_qos` (A) |
/// | `default_retain` | false: a retained message stays until it is replaced | | `default_retain` (A) |
/// | `topics.<name>.qos`, `.retain` | those of all topics | 0 to 2 | `topics` (A) |
/// | `will.topic` | none; an empty one means no will | a topic name | will (A Z Q) |
/// | `will.payload` | empty | at most 65,535 bytes | `will.message` (A) |
/// | `will.qos`, `will.retain` | 0, false | 0 to 2 | `will.qos`, `will.retain` (A) |
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    client_id: Option<String>,
    version: String,
    fall_back: bool,
    #[serde(alias = "cleansession")]
    clean_start: bool,
    keep_alive: i64,
    ping_delay: i64,
    connection_timeout: i64,
    #[serde(alias = "broker")]
    connection: Connection,
    #[cfg(feature = "tls")]
    check_hostname: bool,
    #[cfg(feature = "tls")]
    verify_cert: bool,
    username: Option<String>,
    password: Option<Secret>,
    auto_reconnect: bool,
    reconnect_retries: i64,
    reconnect_max_interval: i64,
    default_qos: i64,
    default_retain: bool,
    topics: BTreeMap<String, Topic>,
    will: Will,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Connection {
    /// It may hold a password.
    uri: Option<Secret>,
    #[cfg(feature = "tls")]
    cafile: Option<PathBuf>,
    #[cfg(feature = "tls")]
    capath: Option<PathBuf>,
    #[cfg(feature = "tls")]
    cadata: Option<String>,
    #[cfg(feature = "tls")]
    #[serde(alias = "certificate")]
    certfile: Option<PathBuf>,
    #[cfg(feature = "tls")]
    #[serde(alias = "key")]
    keyfile: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Topic {
    qos: Option<i64>,
    retain: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Will {
    topic: String,
    #[serde(alias = "message")]
    payload: String,
    qos: i64,
    retain: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Configuration {
            client_id: None,
            version: "5.0".into(),
            fall_back: false,
            clean_start: true,
            keep_alive: 10,
            ping_delay: 1,
            connection_timeout: 60,
            connection: Connection::default(),
            #[cfg(feature = "tls")]
            check_hostname: true,
            #[cfg(feature = "tls")]
            verify_cert: true,
            username: None,
            password: None,
            auto_reconnect: true,
            reconnect_retries: 2,
            reconnect_max_interval: 10,
            default_qos: 0,
            default_retain: false,
            topics: BTreeMap::new(),
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
            .keep_alive(seconds("keep_alive", self.keep_alive, 0, u16::MAX.into())?)
            .ping_delay(self.ping_delay()?)
            .connect_timeout(seconds("connection_timeout", self.connection_timeout, 1, u32::MAX.into())?)
            .reconnect(self.reconnect()?)
            .default_qos(qos("default_qos", self.default_qos)?)
            .default_retain(self.default_retain);
        if !self.clean_start {
            options = options.session_expiry(SESSION_NEVER_EXPIRES);
        }
        if let Some(client_id) = &self.client_id {
            options = options.client_id(client_id);
        }
        if let Some(uri) = &self.connection.uri {
            options = options.url(&String::from_utf8_lossy(uri));
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls()? {
            options = options.tls(tls);
        }
        match (&self.username, &self.password) {
            (Some(username), password) => {
                options = options.credentials(username, password.as_deref());
            }
            (None, Some(_)) => return Err(fault("password", "needs a username")),
            (None, None) => {}
        }
        for (topic, Topic { qos: level, retain }) in &self.topics {
            let level = level.map(|level| qos(&format!("topics.{topic}.qos"), level)).transpose()?;
            options = options.topic_defaults(topic, TopicDefaults { qos: level, retain: *retain });
        }
        let Will { topic, payload, qos: level, retain } = &self.will;
        let level = qos("will.qos", *level)?;
        if !topic.is_empty() {
            options = options.will(topic, payload.as_bytes(), level, *retain);
        }
        Ok(options)
    }

    /// How the connection is encrypted, where the file says anything of that.
    #[cfg(feature = "tls")]
    fn tls(&self) -> Result<Option<TlsOptions>, InvalidOptions> {
        let Connection { cafile, capath, cadata, certfile, keyfile, .. } = &self.connection;
        let named = cafile.is_some() || capath.is_some() || cadata.is_some() || certfile.is_some();
        if !named && keyfile.is_none() && self.check_hostname && self.verify_cert {
            return Ok(None);
        }
        let mut tls = TlsOptions::new();
        if let Some(path) = cafile {
            tls = tls.ca_file(path);
        }
        if let Some(path) = capath {
            tls = tls.ca_directory(path);
        }
        if let Some(pem) = cadata {
            tls = tls.ca(pem.as_bytes());
        }
        tls = match (certfile, keyfile) {
            (Some(certificates), Some(key)) => tls.client_auth_files(certificates, key),
            (Some(_), None) => return Err(fault("connection.certfile", "needs a keyfile")),
            (None, Some(_)) => return Err(fault("connection.keyfile", "needs a certfile")),
            (None, None) => tls,
        };
        match (self.check_hostname, self.verify_cert) {
            (true, true) => Ok(Some(tls)),
            (false, true) => Ok(Some(tls.dangerously_accept_any_host_name())),
            (false, false) => Ok(Some(tls.dangerously_accept_any_certificate())),
            (true, false) => Err(fault("verify_cert", "can't be off while check_hostname is on")),
        }
    }

    fn version(&self) -> Result<Version, InvalidOptions> {
        match self.version.as_str() {
            "5.0" | "5" => Ok(Version::V5),
            "3.1.1" => Ok(Version::V311),
            _ => Err(fault("version", "is \"5.0\" or \"3.1.1\"")),
        }
    }

    /// Pings that leave before the keep alive has begun would be without a pause.
    fn ping_delay(&self) -> Result<Duration, InvalidOptions> {
        let most = if self.keep_alive == 0 { u16::MAX.into() } else { self.keep_alive };
        seconds("ping_delay", self.ping_delay, 0, most)
    }

    fn reconnect(&self) -> Result<Reconnect, InvalidOptions> {
        let max_wait = seconds("reconnect_max_interval", self.reconnect_max_interval, 1, u32::MAX.into())?;
        if !self.auto_reconnect {
            return Ok(Reconnect { max_wait, ..Reconnect::never() });
        }
        let max_retries = match self.reconnect_retries {
            ..0 => None,
            retries => Some(in_range("reconnect_retries", retries, 0, u32::MAX.into())?),
        };
        Ok(Reconnect { max_wait, max_retries, retry_initial: true, ..Reconnect::default() })
    }
}

impl TryFrom<Configuration> for Options {
    type Error = InvalidOptions;

    fn try_from(configuration: Configuration) -> Result<Self, InvalidOptions> {
        configuration.builder()?.build()
    }
}

fn fault(key: &str, problem: impl Into<String>) -> InvalidOptions {
    InvalidOptions::Key { key: key.into(), problem: problem.into() }
}

fn in_range<T: TryFrom<i64>>(key: &str, value: i64, least: i64, most: i64) -> Result<T, InvalidOptions> {
    let checked = Some(value).filter(|value| (least..=most).contains(value));
    checked
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| fault(key, format!("{value} is not in {least} to {most}")))
}

fn seconds(key: &str, value: i64, least: i64, most: i64) -> Result<Duration, InvalidOptions> {
    in_range(key, value, least, most).map(Duration::from_secs)
}

fn qos(key: &str, value: i64) -> Result<QoS, InvalidOptions> {
    let level: u8 = in_range(key, value, 0, 2)?;
    QoS::try_from(level).map_err(|error| fault(key, error.to_string()))
}
