//! Enhanced authentication (5.0 section 4.12): what a method is to a client, and the exchange of one connection.

mod progress;
mod renewal;
#[cfg(feature = "scram")]
mod scram;
mod step;

use std::fmt;
use std::sync::Arc;

pub(crate) use progress::Authentication;
pub use renewal::{ReauthenticateError, Reauthenticating};
#[cfg(feature = "scram")]
pub use scram::Scram;
pub(crate) use step::SharedExchange;
pub use step::{AuthOutcome, AuthStep};

use crate::codec::Text;
use crate::error_texts::error_texts;
use crate::{Endpoint, Entropy, InvalidOptions, OptionsBuilder};

/// A method of enhanced authentication: it makes the client's side of each exchange. See [`OptionsBuilder::authenticator`].
#[cfg_attr(feature = "scram", doc = "[`Scram`] is one.")]
///
/// What it and its exchanges do runs beside the client's driver, without any lock, where it may block: in `mqtt-tokio` on a
/// thread for blocking work, in `mqtt-blocking` on one of its own. Nobody waits for it longer than the connect timeout. Its
/// panic counts as a failure ([`AuthError::NoResult`]).
///
/// ```
/// use mqtt_client_core::{AuthError, AuthExchange, AuthOccasion, Authenticator, Options};
///
/// /// Shows a token, and has nothing else to say.
/// struct Token(String);
///
/// impl Authenticator for Token {
///     fn method(&self) -> &str {
///         "token"
///     }
///
///     fn begin(&self, _occasion: &AuthOccasion) -> Result<Box<dyn AuthExchange>, AuthError> {
///         Ok(Box::new(Shown(self.0.clone())))
///     }
/// }
///
/// struct Shown(String);
///
/// impl AuthExchange for Shown {
///     fn initial(&mut self) -> Result<Option<Vec<u8>>, AuthError> {
///         Ok(Some(self.0.clone().into_bytes()))
///     }
///
///     fn answer(&mut self, _challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, AuthError> {
///         Err(AuthError::Protocol("there is nothing to ask".into()))
///     }
///
///     fn finish(&mut self, _last: Option<&[u8]>) -> Result<(), AuthError> {
///         Ok(())
///     }
/// }
///
/// let options = Options::builder().url("mqtts://broker.example").authenticator(Token("t".into()));
/// # options.build()?;
/// # Ok::<(), mqtt_client_core::InvalidOptions>(())
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// The Authentication Method that CONNECT names. It is asked for once.
    fn method(&self) -> &str;

    /// Begins an exchange, with nothing left of an earlier one: before each attempt at a connection, and each time that the
    /// client authenticates anew.
    ///
    /// # Errors
    /// There is nothing to authenticate with; the attempt ends.
    fn begin(&self, occasion: &AuthOccasion) -> Result<Box<dyn AuthExchange>, AuthError>;
}

/// The client's side of one exchange. Data is at most 65,535 bytes. An error ends the attempt, or the connection.
pub trait AuthExchange: Send + 'static {
    /// The data that goes out first, with CONNECT or, anew, with AUTH. `None`, the default: there is none.
    ///
    /// # Errors
    /// There is nothing to authenticate with.
    fn initial(&mut self) -> Result<Option<Vec<u8>>, AuthError> {
        Ok(None)
    }

    /// The answer to the server's challenge, the data of its AUTH.
    ///
    /// # Errors
    /// The challenge makes no sense, or there is no answer to it.
    fn answer(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, AuthError>;

    /// The server is convinced; its last data is here to be checked. Until this says that all is well, the server counts as
    /// not connected.
    ///
    /// # Errors
    /// The client is not convinced of the server.
    fn finish(&mut self, last: Option<&[u8]>) -> Result<(), AuthError>;
}

/// What an exchange is for.
#[derive(Clone, Debug)]
pub struct AuthOccasion {
    endpoint: Endpoint,
    renewal: bool,
    entropy: Entropy,
}

impl AuthOccasion {
    /// The server.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether the client authenticates anew, on a connection that goes on.
    pub fn is_renewal(&self) -> bool {
        self.renewal
    }

    /// Fills a buffer with what nobody can foresee, from the system: for nonces.
    ///
    /// # Errors
    /// The system has none.
    pub fn random(&self, bytes: &mut [u8]) -> Result<(), AuthError> {
        (self.entropy)(bytes).map_err(AuthError::temporary)
    }
}

/// Why an exchange came to nothing, on the client's side. What the server thinks of the client is a reason code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// The server accepts the client, but did not prove that it knows the secret: it may be anybody.
    ServerNotProven,
    /// What the server sent is not what the method knows.
    Protocol(String),
    /// The server said why it refuses, within the exchange.
    Refused(String),
    /// The authenticator could not go on, for reasons of its own.
    Failed {
        /// Why. Kept as text: the drop of an error of the application's must not run where the core keeps it.
        text: Arc<str>,
        /// Whether trying again is in vain.
        permanent: bool,
    },
    /// The authenticator came to no result: it panicked, or there was no thread to be had for it.
    NoResult,
    /// The client authenticated anew, and the server did not bring it to an end within the connect timeout.
    TimedOut,
}

error_texts!(AuthError {
    Self::ServerNotProven => "the server did not prove that it knows the secret";
    Self::Protocol(what) => "what the server sent makes no sense: {what}";
    Self::Refused(said) => "the server said: {said}";
    Self::Failed { text, .. } => "{text}";
    Self::NoResult => "the authenticator came to no result";
    Self::TimedOut => "the server did not bring it to an end in time";
});

impl AuthError {
    /// Comes and goes: the next attempt may work.
    pub fn temporary(error: impl fmt::Display) -> Self {
        AuthError::Failed { text: error.to_string().into(), permanent: false }
    }

    /// Will not change by trying again: the client gives up, unless
    /// [`retry_permanent`](crate::Reconnect::retry_permanent) says otherwise.
    pub fn permanent(error: impl fmt::Display) -> Self {
        AuthError::Failed { text: error.to_string().into(), permanent: true }
    }

    /// Whether trying again is in vain.
    pub fn is_permanent(&self) -> bool {
        match self {
            AuthError::ServerNotProven | AuthError::Protocol(_) | AuthError::Refused(_) => true,
            AuthError::Failed { permanent, .. } => *permanent,
            AuthError::NoResult | AuthError::TimedOut => false,
        }
    }
}

/// An exchange that came to nothing, and by which method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthFailure {
    /// The Authentication Method.
    pub method: String,
    /// Why.
    pub error: AuthError,
}

error_texts!(AuthFailure {
    Self { method, error } => source error, "authentication by {method}: {error}";
});

/// The method that the options name, which can stand in a `Debug` struct.
#[derive(Clone)]
pub(crate) struct Method {
    pub(crate) name: Text,
    authenticator: Arc<dyn Authenticator>,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authenticator").field(&self.name.as_str()).finish()
    }
}

impl OptionsBuilder {
    /// How the client authenticates itself, and the server to it, beyond user name and password: before each connection is
    /// accepted, in as many rounds as the server asks for, and again with [`Client::reauthenticate`](crate::Client::reauthenticate).
    /// All of it falls under the connect timeout. A server that refuses the method answers with a reason code
    /// ([`Failure::Refused`](crate::Failure::Refused)). Not in 3.1.1. Default: none.
    ///
    /// User name and password are still what [`credentials`](Self::credentials) says; a method that is to keep a password
    /// from the server has it for itself alone.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        match Text::try_from(authenticator.method()) {
            Ok(name) => {
                self.options.authenticator = Some(Method { name, authenticator: Arc::new(authenticator) });
                self
            }
            Err(error) => self.fail(InvalidOptions::Option {
                option: "authenticator",
                problem: format!("the method's name: {error}"),
            }),
        }
    }
}
