//! What a client is told before it starts.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::Method;
use crate::backoff::SplitMix64;
use crate::builder::{OptionsBuilder, RANDOM_PART};
use crate::codec::{Connect, ConnectProperties, Text, Version, Will, WillProperties};
use crate::credentials::Credentials;
use crate::defaults::PublishDefaults;
use crate::outbox::Bounds;
use crate::provider::Provider;
use crate::publishing::Republish;
use crate::session::{Config, PacketLine};
use crate::store::{Durability, Opened, Owner, Storage, StoreError};
use crate::{ClientError, Endpoint, InvalidOptions, Overflow, Reconnect, TransportOptions};

/// A session that the broker keeps for as long as the protocol can say: the greatest Session Expiry Interval.
pub const SESSION_NEVER_EXPIRES: Duration = Duration::from_secs(u32::MAX as u64);

/// Sees every packet sent and received; see [`OptionsBuilder::on_packet`].
pub(crate) type PacketHook = Arc<dyn Fn(PacketLine<'_>) + Send + Sync>;

/// A client's settings, checked as a whole. Made by [`Options::builder`], or from a URL.
///
/// ```
/// use std::time::Duration;
/// use mqtt_client_core::{Options, codec::Version};
///
/// let options = Options::builder()
///     .url("mqtt://ann:secret@broker.example")
///     .version(Version::V5)
///     .client_id("sensor-7")
///     .clean_start(false)
///     .session_expiry(Duration::from_secs(3600))
///     .keep_alive(Duration::from_secs(30))
///     .build()?;
/// assert_eq!(options.client_id(), Some("sensor-7"));
/// assert!(!format!("{options:?}").contains("secret"));
///
/// let defaults: Options = "mqtt://localhost".parse()?;
/// assert_eq!(defaults.endpoint().port(), 1883);
/// # Ok::<(), mqtt_client_core::InvalidOptions>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// In order of preference; never empty.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) version: Version,
    pub(crate) client_id: Option<Text>,
    /// What a generated client id begins with.
    pub(crate) client_id_prefix: Text,
    pub(crate) clean_start: bool,
    /// Seconds, as in CONNECT.
    pub(crate) session_expiry: u32,
    pub(crate) keep_alive: u16,
    pub(crate) credentials: Credentials,
    /// Besides them (5.0).
    pub(crate) authenticator: Option<Method>,
    /// Asked before each attempt what it uses.
    pub(crate) before_attempt: Option<Provider>,
    pub(crate) will: Option<Will>,
    /// Of 5.0 alone, as are the next ones.
    pub(crate) will_properties: WillProperties,
    pub(crate) connect_properties: ConnectProperties,
    pub(crate) connect_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) unclaimed_grace: Duration,
    pub(crate) reconnect: Reconnect,
    pub(crate) max_redirects: u32,
    pub(crate) wait_for_connection: bool,
    /// The session's settings in 3.1.1, if that is spoken to a broker that refuses 5.0.
    pub(crate) fall_back: Option<Config>,
    pub(crate) bounds: Bounds,
    pub(crate) overflow: Overflow,
    pub(crate) publish_defaults: PublishDefaults,
    pub(crate) republish: Republish,
    pub(crate) stream_capacity: usize,
    pub(crate) max_unread_bytes: usize,
    pub(crate) stall_after: Duration,
    pub(crate) transport: TransportOptions,
    pub(crate) session: Config,
    pub(crate) packet_hook: Option<Hook>,
    pub(crate) store: Option<Place>,
    pub(crate) durability: Durability,
}

/// A store that can stand in a `Debug` struct.
#[derive(Clone)]
pub(crate) struct Place(pub(crate) Arc<dyn Storage>);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dyn Storage")
    }
}

/// A closure that can stand in a `Debug` struct.
#[derive(Clone)]
pub(crate) struct Hook(pub(crate) PacketHook);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fn(PacketLine)")
    }
}

impl Options {
    /// Starts with the defaults, which [`OptionsBuilder`]'s methods name.
    pub fn builder() -> OptionsBuilder {
        OptionsBuilder::default()
    }

    /// Where the broker is; of several, the one to be tried first.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoints[0]
    }

    /// Where the brokers are, in order of preference; at least one.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The protocol version that is spoken.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The client id, when one was given.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_ref().map(Text::as_str)
    }

    /// The CONNECT of an attempt. `clean`: whether it throws away what the broker holds (5.0).
    pub(crate) fn connect(&self, client_id: &Text, clean: bool, credentials: Credentials) -> Connect {
        let mut connect = Connect::new(self.version, client_id.clone());
        connect.clean_start = match self.version {
            // Clean Session is 1 exactly when nothing is to be kept; there it asks for both ends of the session at once.
            Version::V311 => self.session_expiry == 0,
            Version::V5 => clean,
        };
        connect.keep_alive = self.keep_alive;
        Credentials { username: connect.username, password: connect.password } = credentials;
        connect.will = self.will.clone();
        if self.version == Version::V5 {
            connect.properties = self.connect_properties.clone();
            if self.session_expiry > 0 {
                connect.properties.set_session_expiry_interval(self.session_expiry);
            }
            if let Some(will) = &mut connect.will {
                will.properties = self.will_properties.clone();
            }
        }
        connect
    }

    /// Opens the store, if there is one.
    pub(crate) fn open_store(&self) -> Option<Result<Opened, StoreError>> {
        let Place(storage) = self.store.as_ref()?;
        let client_id = self.client_id().unwrap_or_default().to_owned();
        let owner = Owner { client_id, endpoint: self.endpoint().to_string() };
        Some(storage.open(&owner, self.durability))
    }

    /// The client id to use: the one given, or the prefix and 13 random letters and digits.
    pub(crate) fn effective_client_id(&self, random: &mut SplitMix64) -> Text {
        self.client_id.clone().unwrap_or_else(|| {
            let mut bits = random.next();
            let mut id = self.client_id_prefix.as_str().to_owned();
            for _ in 0..RANDOM_PART {
                id.extend(char::from_digit((bits % 36) as u32, 36));
                bits /= 36;
            }
            Text::try_from(id).unwrap_or_default()
        })
    }
}

impl Default for Options {
    /// `mqtt://localhost:1883`, MQTT 5.0, a random client id.
    fn default() -> Self {
        OptionsBuilder::default().options
    }
}

impl FromStr for Options {
    type Err = InvalidOptions;

    /// Defaults for everything but what the URL says: endpoint, user name, password.
    fn from_str(url: &str) -> Result<Self, InvalidOptions> {
        Options::builder().url(url).build()
    }
}

impl TryFrom<&str> for Options {
    type Error = InvalidOptions;

    fn try_from(url: &str) -> Result<Self, InvalidOptions> {
        url.parse()
    }
}

impl TryFrom<&String> for Options {
    type Error = InvalidOptions;

    fn try_from(url: &String) -> Result<Self, InvalidOptions> {
        url.parse()
    }
}

/// What a client can be made of: [`Options`], a URL as text, and whatever else becomes options.
pub trait IntoOptions {
    /// The options.
    ///
    /// # Errors
    /// They make no sense.
    fn into_options(self) -> Result<Options, ClientError>;
}

impl<O: TryInto<Options>> IntoOptions for O
where
    ClientError: From<O::Error>,
{
    fn into_options(self) -> Result<Options, ClientError> {
        Ok(self.try_into()?)
    }
}
