//! What an attempt at a connection uses, decided anew before each one.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use crate::credentials::Credentials;
use crate::{Endpoint, Failure, InvalidOptions, OptionsBuilder};

/// What the next attempt at a connection uses; see [`OptionsBuilder::before_attempt`](crate::OptionsBuilder::before_attempt).
///
/// It starts with what the options say, and counts for this attempt alone: the next one starts from the options again.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub(crate) endpoint: Endpoint,
    pub(crate) number: u32,
    pub(crate) failure: Option<Failure>,
    pub(crate) credentials: Credentials,
}

impl Attempt {
    /// Where it is to go: the options' turn, or where a server has sent the client.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Counted from 1 since the link was last stable.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How the connection before, or the attempt at one, ended; `None` for the first since `connect`.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The same, going elsewhere.
    #[must_use]
    pub fn with_endpoint(self, endpoint: Endpoint) -> Self {
        Attempt { endpoint, ..self }
    }

    /// The same with another user name and password; in 5.0 the password may be a token.
    ///
    /// # Errors
    /// One of them is longer than 65,535 bytes, or the user name holds what MQTT's text may not.
    pub fn with_credentials(self, username: &str, password: Option<&[u8]>) -> Result<Self, InvalidOptions> {
        Ok(Attempt { credentials: Credentials::new(username, password)?, ..self })
    }
}

/// What a provider could not provide. It ends the attempt as [`Failure::Provider`], and counts as one that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError {
    /// Kept as text: the drop of an error of the application's must not run where the core keeps it.
    text: Arc<str>,
    permanent: bool,
}

impl ProviderError {
    /// Comes and goes: the next attempt asks again, after its wait.
    pub fn temporary(error: impl fmt::Display) -> Self {
        ProviderError { text: error.to_string().into(), permanent: false }
    }

    /// Will not change by asking again: the client gives up, unless
    /// [`retry_permanent`](crate::Reconnect::retry_permanent) says otherwise.
    pub fn permanent(error: impl fmt::Display) -> Self {
        ProviderError { text: error.to_string().into(), permanent: true }
    }

    /// Whether asking again is in vain.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}

impl From<InvalidOptions> for ProviderError {
    /// What can't be said in MQTT can't be said at the next attempt either.
    fn from(error: InvalidOptions) -> Self {
        ProviderError::permanent(error)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ProviderError {}

impl OptionsBuilder {
    /// A function that is asked before each attempt at a connection what it uses: for tokens that expire, and brokers that are
    /// looked up. It is given what the options say, and why the last connection ended, and gives it back as it is or with a
    /// change. Its time counts as that of connecting ([`connect_timeout`](Self::connect_timeout)).
    ///
    /// In `mqtt-tokio` it is a task of its own, which must not block; in `mqtt-blocking` it has a thread of its own, and may.
    /// Dropping it gives it up. Where there is one, a broker that ends an established connection over credentials or a
    /// missing permission (5.0) is asked again with fresh ones; one that refuses fresh ones is not.
    ///
    /// ```
    /// use mqtt_client_core::{Options, ProviderError};
    ///
    /// # async fn fresh_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let options = Options::builder().before_attempt(|attempt| async move {
    ///     let token = fresh_token().await.map_err(ProviderError::temporary)?;
    ///     Ok(attempt.with_credentials("device-7", Some(token.as_bytes()))?)
    /// });
    /// # options.build()?;
    /// # Ok::<(), mqtt_client_core::InvalidOptions>(())
    /// ```
    pub fn before_attempt<F, P>(mut self, provider: F) -> Self
    where
        F: Fn(Attempt) -> P + Send + Sync + 'static,
        P: Future<Output = Result<Attempt, ProviderError>> + Send + 'static,
    {
        self.options.before_attempt = Some(Provider::new(provider));
        self
    }
}

/// What comes of asking.
type Answer = Result<Attempt, ProviderError>;

/// The application's function, which can stand in a `Debug` struct.
#[derive(Clone)]
pub(crate) struct Provider(Arc<dyn Fn(Attempt) -> Preparing + Send + Sync>);

impl Provider {
    pub(crate) fn new<F, P>(provider: F) -> Self
    where
        F: Fn(Attempt) -> P + Send + Sync + 'static,
        P: Future<Output = Answer> + Send + 'static,
    {
        Provider(Arc::new(move |attempt| Box::pin(provider(attempt))))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fn(Attempt)")
    }
}

/// A provider that is to be asked for an attempt. Nothing of it runs before it is awaited.
///
/// Both its function and its future are the application's: they may take their time, and they may panic. So the driver
/// awaits it beside its own work, and drops it when the attempt is given up.
#[derive(Clone, Debug)]
pub struct Preparation {
    provider: Provider,
    attempt: Attempt,
}

impl Preparation {
    pub(crate) fn new(provider: &Provider, attempt: Attempt) -> Self {
        Preparation { provider: provider.clone(), attempt }
    }
}

/// A provider at work.
pub type Preparing = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl IntoFuture for Preparation {
    type Output = Answer;
    type IntoFuture = Preparing;

    fn into_future(self) -> Preparing {
        let Preparation { provider: Provider(provider), attempt } = self;
        provider(attempt)
    }
}

impl PartialEq for Preparation {
    /// Whether it is the same one: the same function is asked for the same attempt.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.provider.0, &other.provider.0)
            && self.attempt.endpoint == other.attempt.endpoint
            && self.attempt.number == other.attempt.number
    }
}

impl Eq for Preparation {}
