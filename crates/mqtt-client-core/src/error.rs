//! What can go wrong at the client's boundary, each with whose fault it was.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "tls")]
use crate::TlsError;
#[cfg(feature = "websocket")]
use crate::WebSocketError;
use crate::answer::FilterAnswer;
use crate::bad_filter::BadFilter;
use crate::codec::{Connack, Disconnect, ReasonCode, TopicFilter};
use crate::error_texts::{error_conversions, error_texts};
use crate::session::{ProtocolError, Refusal};
use crate::store::StoreError;
use crate::{AuthFailure, Endpoint, InvalidUrl, ProviderError, ProxyError, PublishError};

/// Why one connection, or one attempt at it, ended. Shared by events and errors, so it is cheap to clone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The transport failed: the name did not resolve, nobody listens, the link broke.
    Io {
        /// What was being done: `resolving`, `connecting`, `reading`, `writing`.
        doing: &'static str,
        /// The system's own word.
        error: Arc<io::Error>,
    },
    /// The function that says what an attempt uses had no answer
    /// ([`before_attempt`](crate::OptionsBuilder::before_attempt)).
    Provider(ProviderError),
    /// The proxy made no way to the broker.
    Proxy(ProxyError),
    /// The connection could not be encrypted, or its encryption was broken.
    #[cfg(feature = "tls")]
    Tls(Box<TlsError>),
    /// The WebSocket could not be opened, or was closed.
    #[cfg(feature = "websocket")]
    WebSocket(Box<WebSocketError>),
    /// The broker answered a plain connection in TLS.
    TlsExpected,
    /// From the name look-up, or the provider, to the CONNACK it took longer than the connect timeout.
    ConnectTimeout(Duration),
    /// The broker said no in its CONNACK.
    Refused(Box<Connack>),
    /// The client's side of an enhanced authentication ended it (5.0): above all, the broker is not who it should be.
    Authentication(Box<AuthFailure>),
    /// The broker closed the connection, or reset it, in place of a CONNACK. In 3.1.1 that may be its way of saying no.
    HungUp {
        /// Whether the connection was plain TCP: then the port may be one for TLS.
        plain: bool,
    },
    /// The broker closed the connection without a word. In 3.1.1 that is also all that a client learns of another one that has
    /// connected with its client id.
    Closed,
    /// The broker sent a DISCONNECT (5.0).
    Disconnected(Box<Disconnect>),
    /// The broker broke the protocol.
    Protocol(Box<ProtocolError>),
    /// Another client has connected with the same client id (5.0, where the broker says so). The next attempt comes late, so that
    /// the two do not push each other out for ever.
    TakenOver {
        /// The client id that both use.
        client_id: Box<str>,
        /// The broker's DISCONNECT.
        disconnect: Box<Disconnect>,
    },
    /// No PINGRESP came in time: the link is dead though it looks open.
    PingTimeout,
    /// The transport took no byte for the write timeout.
    WriteTimeout,
    /// The CONNECT could not be sent as the options ask.
    Invalid(Box<Refusal>),
    /// The driver ended: its runtime was shut down, or it panicked.
    DriverEnded,
}

/// What a failure means for the next attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FailureClass {
    /// Comes and goes: try again.
    Network,
    /// Will not change by trying again: credentials, permissions, a peer that speaks something else.
    Permanent,
    /// Another client with this client id took the session over: try again late, or the two fight for ever.
    TakenOver,
}

impl Failure {
    /// A transport that knows more than the system says it in the reason of its error.
    pub(crate) fn io(doing: &'static str, error: io::Error) -> Self {
        if let Some(error) = reason_of::<ProxyError>(&error) {
            return Failure::Proxy(error);
        }
        #[cfg(feature = "tls")]
        if let Some(error) = reason_of::<TlsError>(&error) {
            return Failure::Tls(Box::new(error));
        }
        #[cfg(feature = "websocket")]
        if let Some(error) = reason_of::<WebSocketError>(&error) {
            return Failure::WebSocket(Box::new(error));
        }
        Failure::Io { doing, error: Arc::new(error) }
    }

    /// Whether the peer has closed the connection, in whatever way the system says so.
    fn is_hang_up(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match self {
            Failure::Io { doing: "reading" | "writing", error } => {
                matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
            }
            other => matches!(other, Failure::Closed),
        }
    }

    /// What it means before the CONNACK that the connection ended like this.
    pub(crate) fn before_connack(self, plain: bool) -> Self {
        if self.is_hang_up() { Failure::HungUp { plain } } else { self }
    }

    /// The class decides what the reconnect policy does. `was_ready`: the failure ended a link that had worked; there a
    /// protocol error is more likely damage than another protocol.
    pub(crate) fn class(&self, was_ready: bool) -> FailureClass {
        match self {
            Failure::Proxy(ProxyError::Credentials) | Failure::TlsExpected => FailureClass::Permanent,
            // Certificates are replaced while the client tries.
            #[cfg(feature = "tls")]
            Failure::Tls(_) => FailureClass::Network,
            // Credentials that are refused, a path that is not there. 408 and 429 ask for patience.
            #[cfg(feature = "websocket")]
            Failure::WebSocket(error) => match **error {
                WebSocketError::Status(408 | 429) => FailureClass::Network,
                WebSocketError::Status(400..=499) => FailureClass::Permanent,
                _ => FailureClass::Network,
            },
            Failure::Io { .. }
            | Failure::Proxy(_)
            | Failure::ConnectTimeout(_)
            | Failure::HungUp { .. }
            | Failure::Closed
            | Failure::PingTimeout
            | Failure::WriteTimeout => FailureClass::Network,
            Failure::Provider(error) if !error.is_permanent() => FailureClass::Network,
            Failure::Protocol(_) | Failure::Authentication(_) if was_ready => FailureClass::Network,
            Failure::Authentication(failure) if !failure.error.is_permanent() => FailureClass::Network,
            Failure::Provider(_)
            | Failure::Protocol(_)
            | Failure::Authentication(_)
            | Failure::Invalid(_)
            | Failure::DriverEnded => FailureClass::Permanent,
            Failure::Refused(connack) => class_of(connack.reason),
            Failure::Disconnected(disconnect) => class_of(disconnect.reason),
            Failure::TakenOver { .. } => FailureClass::TakenOver,
        }
    }

    /// The reason code that the broker gave, in its CONNACK or (5.0) its DISCONNECT.
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            Failure::Refused(connack) => Some(connack.reason),
            Failure::Disconnected(disconnect) | Failure::TakenOver { disconnect, .. } => {
                Some(disconnect.reason)
            }
            _ => None,
        }
    }

    /// Whether the broker found fault with who the client is.
    pub(crate) fn is_about_credentials(&self) -> bool {
        matches!(self.reason(), Some(ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized))
    }
}

fn reason_of<E: std::error::Error + Clone + 'static>(error: &io::Error) -> Option<E> {
    error.get_ref()?.downcast_ref::<E>().cloned()
}

fn class_of(reason: ReasonCode) -> FailureClass {
    match reason {
        ReasonCode::UnsupportedProtocolVersion
        | ReasonCode::ClientIdentifierNotValid
        | ReasonCode::BadUserNameOrPassword
        | ReasonCode::NotAuthorized
        | ReasonCode::Banned
        | ReasonCode::BadAuthenticationMethod
        | ReasonCode::TopicNameInvalid
        | ReasonCode::PacketTooLarge
        | ReasonCode::PayloadFormatInvalid
        | ReasonCode::RetainNotSupported
        | ReasonCode::QoSNotSupported
        | ReasonCode::UseAnotherServer
        | ReasonCode::ServerMoved => FailureClass::Permanent,
        _ => FailureClass::Network,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io { doing, error } => write!(f, "{doing}: {error}"),
            Failure::Provider(error) => write!(f, "preparing to connect: {error}"),
            Failure::Proxy(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Failure::Tls(error) => error.fmt(f),
            #[cfg(feature = "websocket")]
            Failure::WebSocket(error) => error.fmt(f),
            Failure::TlsExpected => f.write_str("the broker speaks TLS on this port; use mqtts:// or wss://"),
            Failure::ConnectTimeout(after) => write!(f, "no CONNACK within {after:?}"),
            Failure::Refused(connack) => {
                write!(
                    f,
                    "refused by the broker: {}",
                    Said(connack.reason, connack.properties.reason_string())
                )
            }
            Failure::Authentication(failure) => failure.fmt(f),
            Failure::HungUp { plain: true } => f.write_str(
                "the broker closed the connection before its CONNACK; is the port one for TLS (mqtts://, wss://)?",
            ),
            Failure::HungUp { plain: false } => {
                f.write_str("the broker closed the connection before its CONNACK")
            }
            Failure::Closed => f.write_str("the broker closed the connection"),
            Failure::Disconnected(disconnect) => {
                let reason = Said(disconnect.reason, disconnect.properties.reason_string());
                write!(f, "disconnected by the broker: {reason}")
            }
            Failure::TakenOver { client_id, disconnect } => {
                let reason = Said(disconnect.reason, disconnect.properties.reason_string());
                write!(f, "another client has connected with the client id {client_id:?}: {reason}")
            }
            Failure::Protocol(error) => write!(f, "the broker broke the protocol: {error}"),
            Failure::PingTimeout => f.write_str("the link is dead: no PINGRESP in time"),
            Failure::WriteTimeout => f.write_str("the link is stuck: it took no data in time"),
            Failure::Invalid(refusal) => write!(f, "the CONNECT can't be sent: {refusal}"),
            Failure::DriverEnded => f.write_str("the client's driver has ended"),
        }
    }
}

/// A reason code, and the reason string that came with it.
pub(crate) struct Said<'a>(pub(crate) ReasonCode, pub(crate) Option<crate::codec::TextRef<'a>>);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.0, self.0 as u8)?;
        match self.1 {
            Some(text) => write!(f, ": {}", text.as_str().escape_debug()),
            None => Ok(()),
        }
    }
}

/// The client is not connected and does not try (any more).
#[derive(Clone, Debug)]
pub struct ConnectError {
    /// Which broker.
    pub endpoint: Endpoint,
    /// Attempts since the link was last stable.
    pub attempts: u32,
    /// How the last one ended.
    pub failure: Failure,
}

error_texts!(ConnectError {
    Self { endpoint, attempts: ..=1, failure } => "{endpoint}: {failure}";
    Self { endpoint, attempts, failure } => "{endpoint}: {failure} (after {attempts} attempts)";
});

/// Why a call can't be carried out: the client is offline for good, until it is told to connect again, or not connected at
/// the moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Offline {
    /// There is no connection now, and the options say not to wait for one
    /// ([`wait_for_connection`](crate::OptionsBuilder::wait_for_connection)).
    NotConnected,
    /// `disconnect` was called.
    Disconnected,
    /// The reconnect policy has given up.
    GaveUp(ConnectError),
}

error_texts!(Offline {
    Self::NotConnected => "the client is not connected at the moment";
    Self::Disconnected => "the client was disconnected, and does not connect by itself";
    Self::GaveUp(error) => source error, "the client gave up: {error}";
});

impl Offline {
    /// How the last attempt, or the connection, failed, if the client gave up over that.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Offline::GaveUp(error) => Some(&error.failure),
            Offline::NotConnected | Offline::Disconnected => None,
        }
    }
}

/// No client was made, or it did not connect: what the adapters' `connect` and `Client::new` fail with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL, or the options, make no sense.
    Options(InvalidOptions),
    /// The system gave no thread, no runtime or no randomness to start with.
    Start(Arc<io::Error>),
    /// Its store can't be opened, or what it holds can't be gone on with.
    Store(StoreError),
    /// There is no connection.
    Offline(Offline),
}

error_texts!(ClientError {
    Self::Options(error) => source error, "{error}";
    Self::Start(error) => source error, "the client can't start: {error}";
    Self::Store(error) => source error, "{error}";
    Self::Offline(error) => source error, "{error}";
});

error_conversions!(ClientError { Options(InvalidOptions), Store(StoreError), Offline(Offline) });

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        ClientError::Start(Arc::new(error))
    }
}

/// So that `Options` can stand where something is accepted that can become `Options`.
impl From<Infallible> for ClientError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// No filter of a SUBSCRIBE was granted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SubscribeError {
    /// A filter is not valid.
    InvalidFilter(BadFilter),
    /// There was no filter.
    NoFilter,
    /// Nothing was granted; each filter with its reason.
    Refused(Vec<(TopicFilter, FilterRefused)>),
    /// The client is, or went, offline.
    Offline(Offline),
}

error_texts!(SubscribeError {
    Self::InvalidFilter(error) => source error, "{error}";
    Self::NoFilter => "the call names no topic filter";
    Self::Refused(filters) => "no subscription was granted: {}", list(filters);
    Self::Offline(error) => source error, "the broker has not answered: {error}";
});

/// Why one filter of a SUBSCRIBE or UNSUBSCRIBE failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FilterRefused {
    /// By the broker, with a reason code of 0x80 or above.
    ByBroker(FilterAnswer),
    /// Before it was sent: the broker has said that it can't do this.
    BeforeSending(Refusal),
}

error_texts!(FilterRefused {
    Self::ByBroker(answer) => "refused by the broker: {}", Said(answer.reason, answer.properties.reason_string());
    Self::BeforeSending(error) => "not sent: {error}";
});

/// A request without a response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// No response came within the time limit. Whether the request was received is unknown.
    TimedOut {
        /// That of the request.
        topic: Box<str>,
    },
    /// The request was not sent, or the broker rejected it.
    Publish(PublishError),
    /// Responses can't arrive: the broker does not let this client subscribe to where they would come.
    NoResponses {
        /// That of the request.
        topic: Box<str>,
        /// Why there is no subscription.
        error: SubscribeError,
    },
    /// The client is, or went, offline.
    Offline {
        /// That of the request.
        topic: Box<str>,
        /// Why there is no connection.
        error: Offline,
    },
}

error_texts!(RequestError {
    Self::TimedOut { topic } =>
        "no response to {topic:?} came within the time limit; one that comes later is dropped";
    Self::Publish(error) => source error, "there is no response: {error}";
    Self::NoResponses { topic, error } =>
        source error, "the request to {topic:?} was not sent, for responses can't arrive: {error}";
    Self::Offline { topic, error } => source error, "there is no response to {topic:?}: {error}";
});

/// A message that does not say where a response would go: in 5.0 it has no Response Topic, in 3.1.1 its topic does not end
/// like that of a request; see [`RequestBuilder`](crate::RequestBuilder).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoResponseTopic;

error_texts!(NoResponseTopic {
    Self => "the message does not say where a response would go";
});

/// Why nothing was received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// Nothing came in time, though the client is connected; something may come later.
    Timeout,
    /// Nothing came, and there is no connection: for the moment ([`Offline::NotConnected`]), so that something may come
    /// later, or for good.
    Offline(Offline),
    /// Nothing can come any more: the filters were unsubscribed, or the client's driver has ended.
    Ended,
}

error_texts!(RecvError {
    Self::Timeout => "nothing came in time; something may come later";
    Self::Offline(error) => source error, "nothing came: {error}";
    Self::Ended => "nothing can come any more: the filters were unsubscribed, or the client has ended";
});

error_conversions!(RecvError { Offline(Offline) });

/// A PINGREQ that got no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PingError {
    /// There is no connection now.
    NotConnected,
    /// The connection ended first.
    LinkLost,
}

error_texts!(PingError {
    Self::NotConnected => "the client is not connected at the moment";
    Self::LinkLost => "the connection ended before the answer came";
});

/// Options that contradict each other or the version.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InvalidOptions {
    /// The broker's URL.
    Url(InvalidUrl),
    /// One option, by name.
    Option {
        /// Its name in the builder.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A key of a configuration file, by its path.
    Key {
        /// Its path, `topics.room/state.qos`.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
}

error_texts!(InvalidOptions {
    Self::Url(error) => source error, "url: {error}";
    Self::Option { option, problem } => "{option}: {problem}";
    Self::Key { key, problem } => "{key}: {problem}";
});

error_conversions!(InvalidOptions { Url(InvalidUrl) });

fn list(refused: &[(TopicFilter, FilterRefused)]) -> String {
    let each: Vec<String> =
        refused.iter().map(|(filter, why)| format!("{}: {why}", filter.as_str())).collect();
    each.join("; ")
}
