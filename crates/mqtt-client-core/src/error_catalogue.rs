//! Every error that the client gives, a value of each variant, and what its text has to say: what was tried, where, why, and what
//! comes of it.
//!
//! A variant that is missing here does not compile.

use std::fmt::{Debug, Display};
use std::io;
use std::time::Duration;

use crate::codec::{
    Ack, AckKind, AckProperties, Connack, ConnackProperties, Disconnect, DisconnectProperties, InvalidFilter,
    InvalidTopic, PacketId, PacketKind, ReasonCode, SubackProperties, Text, TopicFilter, TopicName,
};
use crate::session::{Fault, Key, ProtocolError, Refusal, RestoreError, Violation};
use crate::{
    AuthError, AuthFailure, BadFilter, ClientError, ConnectError, Endpoint, Event, Failure, FilterAnswer,
    FilterRefused, Indeterminate, InvalidOptions, InvalidUrl, NoResponseTopic, NotSent, Offline,
    OneShotError, Owner, PingError, ProviderError, ProxyError, PublishError, PublishFailure,
    ReauthenticateError, RecvError, RequestError, Scheme, StoreError, SubscribeError,
};

/// Checks a value of each variant: that it is one, and what its text has to say.
macro_rules! each {
    ($error:ident { $($(#[$feature:meta])? $variant:pat = $value:expr => $parts:expr;)+ }) => {{
        $($(#[$feature])? {
            let value: $error = $value;
            assert!(matches!(&value, $variant), "{value:?} is no {}", stringify!($variant));
            check(&value, &$parts);
        })+
        // Only the compiler looks at this.
        let _ = |error: &$error| match error {
            $($(#[$feature])? $variant => {})+
        };
    }};
}

#[track_caller]
fn check(error: &(impl Display + Debug), parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{error:?} does not say {part:?}: {text:?}");
    }
    let is_one_line =
        text.lines().count() == 1 && text.trim() == text && !text.ends_with(['.', ':', ';', ',']);
    assert!(is_one_line, "{text:?}");
}

fn text(text: &str) -> Text {
    Text::new(text).unwrap()
}

fn filter(filter: &str) -> TopicFilter {
    TopicFilter::new(filter).unwrap()
}

fn system() -> io::Error {
    io::Error::other("out of sockets")
}

fn refusal() -> Refusal {
    Refusal::PacketTooLarge { size: 51, limit: 50 }
}

fn gave_up() -> Offline {
    let endpoint = Endpoint::tls("broker.example", 8883);
    Offline::GaveUp(ConnectError { endpoint, attempts: 3, failure: Failure::PingTimeout })
}

fn answer() -> FilterAnswer {
    let properties = SubackProperties::new().with_reason_string(&text("not before noon"));
    FilterAnswer { reason: ReasonCode::NotAuthorized, properties }
}

fn auth_failure() -> AuthFailure {
    AuthFailure { method: "SCRAM-SHA-256".into(), error: AuthError::ServerNotProven }
}

fn not_published(failure: impl Into<PublishFailure>) -> PublishError {
    PublishError::new(&TopicName::new("room/\"lamp\"").unwrap(), failure)
}

fn bad_topic() -> PublishError {
    PublishError::invalid_topic("room/#", InvalidTopic::Wildcard { at: 5 })
}

fn bad_filter() -> BadFilter {
    BadFilter::new("room/#/lamp", InvalidFilter::MisplacedHash { at: 5 })
}

#[test]
fn why_a_connection_failed() {
    each!(Failure {
        Failure::Io { .. } = Failure::io("connecting", system()) => ["connecting", "out of sockets"];
        Failure::Provider(_) = Failure::Provider(ProviderError::temporary("no token")) =>
            ["preparing to connect", "no token"];
        Failure::Proxy(_) = Failure::Proxy(ProxyError::Status(407)) => ["proxy", "407"];
        #[cfg(feature = "tls")]
        Failure::Tls(_) = Failure::Tls(Box::new(crate::TlsError::Expired)) => ["certificate", "expired"];
        #[cfg(feature = "websocket")]
        Failure::WebSocket(_) = Failure::WebSocket(Box::new(crate::WebSocketError::Status(404))) =>
            ["WebSocket", "404"];
        Failure::TlsExpected = Failure::TlsExpected => ["TLS", "mqtts://"];
        Failure::ConnectTimeout(_) = Failure::ConnectTimeout(Duration::from_secs(7)) => ["CONNACK", "7s"];
        Failure::Refused(_) = {
            let properties = ConnackProperties::new().with_reason_string(&text("you again"));
            Failure::Refused(Box::new(Connack { properties, ..Connack::new(false, ReasonCode::Banned) }))
        } => ["refused by the broker", "Banned", "0x8A", "you again"];
        Failure::Authentication(_) = Failure::Authentication(Box::new(auth_failure())) =>
            ["authentication", "SCRAM-SHA-256", "did not prove"];
        Failure::HungUp { .. } = Failure::HungUp { plain: true } =>
            ["the broker closed the connection", "CONNACK", "mqtts://"];
        Failure::Closed = Failure::Closed => ["the broker closed the connection"];
        Failure::Disconnected(_) = {
            let properties = DisconnectProperties::new().with_reason_string(&text("bedtime"));
            Failure::Disconnected(Box::new(Disconnect {
                properties,
                ..Disconnect::new(ReasonCode::ServerShuttingDown)
            }))
        } => ["disconnected by the broker", "Server shutting down", "0x8B", "bedtime"];
        Failure::Protocol(_) = {
            let (violation, packet) = (Violation::SecondConnack, Some(PacketKind::Connack));
            Failure::Protocol(Box::new(ProtocolError { violation, packet }))
        } => ["the broker broke the protocol", "CONNACK", "a second one", "3.2.0-2"];
        Failure::TakenOver { .. } = {
            let disconnect = Box::new(Disconnect::new(ReasonCode::SessionTakenOver));
            Failure::TakenOver { client_id: "sensor".into(), disconnect }
        } => ["another client", "\"sensor\"", "Session taken over", "0x8E"];
        Failure::PingTimeout = Failure::PingTimeout => ["link", "no PINGRESP in time"];
        Failure::WriteTimeout = Failure::WriteTimeout => ["link", "took no data in time"];
        Failure::Invalid(_) = Failure::Invalid(Box::new(refusal())) => ["CONNECT", "51 bytes", "50"];
        Failure::DriverEnded = Failure::DriverEnded => ["driver", "ended"];
    });
    // Where, and what comes of it, says the event, or the error that gives up over it.
    let (endpoint, failure) = (Endpoint::tcp("broker.example", 1883), Failure::PingTimeout);
    let event = Event::Failed { endpoint, failure, retry_in: Duration::from_secs(5) };
    check(&event, &["mqtt://broker.example:1883", "no PINGRESP in time", "next attempt in 5s"]);
}

/// What was given is told, but not all of what may be of any length, and nothing that a terminal would obey.
#[test]
fn what_is_no_topic_or_filter_is_told_up_to_its_hundredth_character() {
    let long = "ä".repeat(70_000);
    let bad = PublishError::invalid_topic(&long, TopicName::new(&long).unwrap_err());
    check(&bad, &["topic name", "140000 bytes", "äää\""]);
    assert_eq!(bad.topic().chars().count(), 100);
    let bad = BadFilter::new("\u{1b}[2J\0", TopicFilter::new("\u{1b}[2J\0").unwrap_err());
    check(&bad, &["topic filter", "U+0000", "\\u{1b}[2J\\0"]);
}

#[test]
fn why_there_is_no_connection() {
    let endpoint: Endpoint = "mqtt://user:secret@broker.example".parse().unwrap();
    let failure = || Failure::io("connecting", system());
    let once = ConnectError { endpoint: endpoint.clone(), attempts: 1, failure: failure() };
    check(&once, &["mqtt://broker.example:1883", "connecting", "out of sockets"]);
    let thrice = ConnectError { endpoint, attempts: 3, failure: failure() };
    check(&thrice, &["mqtt://broker.example:1883", "connecting", "out of sockets", "3 attempts"]);
    each!(Offline {
        Offline::NotConnected = Offline::NotConnected => ["not connected at the moment"];
        Offline::Disconnected = Offline::Disconnected => ["was disconnected", "does not connect by itself"];
        Offline::GaveUp(_) = gave_up() => ["gave up", "mqtts://broker.example:8883", "PINGRESP", "3 attempts"];
    });
    each!(ClientError {
        ClientError::Options(_) = InvalidOptions::from(InvalidUrl::NoHost).into() => ["url", "no host"];
        ClientError::Start(_) = system().into() => ["can't start", "out of sockets"];
        ClientError::Store(_) = StoreError::Locked.into() => ["store", "in use"];
        ClientError::Offline(_) = gave_up().into() => ["gave up", "mqtts://broker.example:8883"];
    });
    each!(PingError {
        PingError::NotConnected = PingError::NotConnected => ["not connected at the moment"];
        PingError::LinkLost = PingError::LinkLost => ["the connection ended", "before the answer"];
    });
}

#[test]
fn why_a_message_was_not_delivered() {
    each!(PublishFailure {
        PublishFailure::Rejected(_) = {
            let properties = AckProperties::new().with_reason_string(&text("no such room"));
            let ack = Ack::new(AckKind::Puback, PacketId::MIN).with_reason(ReasonCode::NotAuthorized);
            PublishFailure::Rejected(Ack { properties, ..ack })
        } => ["the broker rejected the message", "not sent again", "Not authorized", "0x87", "no such room"];
        PublishFailure::Indeterminate(_) = Indeterminate::SessionLost.into() =>
            ["not known whether the message arrived", "lost the session"];
        PublishFailure::NotSent(_) = NotSent::QueueFull.into() =>
            ["the message was not sent", "queue is full"];
    });
    check(
        &not_published(Indeterminate::TimedOut),
        &["publishing to \"room/\\\"lamp\\\"\"", "not known whether the message arrived", "time limit"],
    );
    check(&bad_topic(), &["publishing to \"room/#\"", "the message was not sent", "wildcard", "byte 5"]);
    each!(Indeterminate {
        Indeterminate::SessionLost = Indeterminate::SessionLost => ["lost the session", "not sent again"];
        Indeterminate::LinkLost = Indeterminate::LinkLost => ["link broke", "not sent again"];
        Indeterminate::TimedOut = Indeterminate::TimedOut => ["time limit", "goes on its way"];
        Indeterminate::Forbidden(_) = Indeterminate::Forbidden(refusal()) =>
            ["can't be sent again", "51 bytes", "50"];
        Indeterminate::Offline(_) = Indeterminate::Offline(gave_up()) =>
            ["acknowledgement", "gave up", "broker.example"];
        Indeterminate::Kept(_) = Indeterminate::Kept(Offline::Disconnected) =>
            ["kept in the store", "goes on with the next connection", "was disconnected"];
        Indeterminate::Store(_) = Indeterminate::Store(system_store()) =>
            ["may be in the store", "the next client", "out of sockets"];
    });
    each!(NotSent {
        NotSent::InvalidTopic(_) = NotSent::InvalidTopic(InvalidTopic::Wildcard { at: 5 }) =>
            ["wildcard", "byte 5"];
        NotSent::Refused(_) = NotSent::Refused(refusal()) => ["51 bytes", "50"];
        NotSent::LinkLost = NotSent::LinkLost => ["link was lost", "QoS 0"];
        NotSent::QueueFull = NotSent::QueueFull => ["queue is full", "does not wait"];
        NotSent::Dropped = NotSent::Dropped => ["queue was full", "overflow policy"];
        NotSent::Superseded = NotSent::Superseded => ["newer message", "same topic"];
        NotSent::Expired = NotSent::Expired => ["Message Expiry Interval"];
        NotSent::TimedOut = NotSent::TimedOut => ["time limit"];
        NotSent::Store(_) = NotSent::Store(system_store()) => ["store", "out of sockets"];
        NotSent::Offline(_) = NotSent::Offline(gave_up()) => ["gave up", "broker.example"];
    });
    check(&NoResponseTopic, &["message", "response"]);
}

fn system_store() -> StoreError {
    system().into()
}

#[test]
fn why_nothing_is_received() {
    let both = vec![
        (filter("room/#"), FilterRefused::ByBroker(answer())),
        (filter("$share/g/x"), FilterRefused::BeforeSending(Refusal::SharedNotSupported)),
    ];
    each!(SubscribeError {
        SubscribeError::InvalidFilter(_) = SubscribeError::InvalidFilter(bad_filter()) =>
            ["\"room/#/lamp\"", "#", "byte 5"];
        SubscribeError::NoFilter = SubscribeError::NoFilter => ["no topic filter"];
        SubscribeError::Refused(_) = SubscribeError::Refused(both) =>
            ["no subscription was granted", "room/#: ", "0x87", "noon", "$share/g/x: ", "shared subscriptions"];
        SubscribeError::Offline(_) = SubscribeError::Offline(gave_up()) =>
            ["the broker has not answered", "gave up", "broker.example"];
    });
    each!(FilterRefused {
        FilterRefused::ByBroker(_) = FilterRefused::ByBroker(answer()) =>
            ["by the broker", "Not authorized", "0x87", "not before noon"];
        FilterRefused::BeforeSending(_) = FilterRefused::BeforeSending(Refusal::WildcardNotSupported) =>
            ["not sent", "wildcard"];
    });
    each!(RecvError {
        RecvError::Timeout = RecvError::Timeout => ["nothing came in time", "may come later"];
        RecvError::Offline(_) = RecvError::Offline(gave_up()) => ["nothing came", "gave up", "broker.example"];
        RecvError::Ended = RecvError::Ended => ["nothing can come any more", "unsubscribed"];
    });
    each!(RequestError {
        RequestError::TimedOut { .. } = RequestError::TimedOut { topic: "room".into() } =>
            ["no response", "\"room\"", "time limit", "dropped"];
        RequestError::Publish(_) = RequestError::Publish(not_published(NotSent::Expired)) =>
            ["no response", "publishing to \"room", "was not sent", "Message Expiry Interval"];
        RequestError::NoResponses { .. } = RequestError::NoResponses {
            topic: "room".into(), error: SubscribeError::InvalidFilter(bad_filter())
        } => ["request to \"room\" was not sent", "responses can't arrive", "\"room/#/lamp\""];
        RequestError::Offline { .. } = RequestError::Offline { topic: "room".into(), error: gave_up() } =>
            ["no response to \"room\"", "gave up", "broker.example"];
    });
    each!(OneShotError {
        OneShotError::Client(_) = gave_up().into() => ["gave up", "broker.example"];
        OneShotError::Publish(_) = bad_topic().into() => ["was not sent", "publishing to \"room/#\""];
        OneShotError::Subscribe(_) = SubscribeError::NoFilter.into() => ["no topic filter"];
        OneShotError::Receive(_) = RecvError::Timeout.into() => ["nothing came in time"];
    });
}

#[test]
fn why_options_make_no_sense() {
    each!(InvalidOptions {
        InvalidOptions::Url(_) = InvalidUrl::NoHost.into() => ["url", "no host"];
        InvalidOptions::Option { .. } =
            InvalidOptions::Option { option: "keep_alive", problem: "70000 s are too many".into() } =>
            ["keep_alive", "70000 s"];
        InvalidOptions::Key { .. } =
            InvalidOptions::Key { key: "topics.a.qos".into(), problem: "3 is none".into() } =>
            ["topics.a.qos", "3 is none"];
    });
    each!(InvalidUrl {
        InvalidUrl::Syntax { .. } = InvalidUrl::Syntax { at: 4 } => ["URL", "byte 4", "expected"];
        InvalidUrl::NotAvailable { .. } = InvalidUrl::NotAvailable { scheme: Scheme::Quic } =>
            ["quic://", "not available", "feature"];
        InvalidUrl::UnknownScheme { .. } = InvalidUrl::UnknownScheme { scheme: "ftp".into() } =>
            ["ftp://", "expected", "mqtts"];
        InvalidUrl::NoHost = InvalidUrl::NoHost => ["URL", "no host"];
        InvalidUrl::BadHost = InvalidUrl::BadHost => ["URL", "host", "neither"];
        InvalidUrl::BadPort = InvalidUrl::BadPort => ["URL", "port", "65535"];
        InvalidUrl::BadUserName = InvalidUrl::BadUserName => ["URL", "user name", "UTF-8"];
        InvalidUrl::PathNotAllowed { .. } = InvalidUrl::PathNotAllowed { scheme: Scheme::Mqtt } =>
            ["mqtt://", "path"];
        InvalidUrl::NoProxy { .. } = InvalidUrl::NoProxy { scheme: "ftp".into() } =>
            ["ftp://", "proxy", "socks5"];
        InvalidUrl::NoSocket = InvalidUrl::NoSocket => ["expected", "unix:///"];
    });
}

#[test]
fn why_a_store_can_not_be_relied_on() {
    let owner = |client_id: &str| {
        let endpoint = "mqtt://broker.example:1883".to_owned();
        Box::new(Owner { client_id: client_id.into(), endpoint })
    };
    each!(StoreError {
        StoreError::Io(_) = system_store() => ["store", "out of sockets"];
        StoreError::Locked = StoreError::Locked => ["store", "in use", "another client"];
        StoreError::Owner { .. } = StoreError::Owner { stored: owner("one"), wanted: owner("two") } =>
            ["store", "one at mqtt://broker.example:1883", "not of two"];
        StoreError::Format(_) = StoreError::Format(9) => ["store", "format 9", "newer"];
        StoreError::Damaged(_) = StoreError::Damaged("page 3".into()) => ["store", "damaged", "page 3"];
        StoreError::Session(_) = {
            let (key, fault) = (Key::Publish(PacketId::MIN), Fault::Short);
            StoreError::Session(RestoreError::Record { key, fault })
        } => ["stored", "publish 1"];
        StoreError::Ended = StoreError::Ended => ["store", "ended"];
    });
}

#[test]
fn why_an_authentication_failed() {
    check(&auth_failure(), &["authentication", "SCRAM-SHA-256", "did not prove"]);
    check(&ProviderError::permanent("no such vault"), &["no such vault"]);
    each!(AuthError {
        AuthError::ServerNotProven = AuthError::ServerNotProven => ["the server", "did not prove"];
        AuthError::Protocol(_) = AuthError::Protocol("no nonce".into()) => ["the server", "no nonce"];
        AuthError::Refused(_) = AuthError::Refused("invalid-proof".into()) => ["the server", "invalid-proof"];
        AuthError::Failed { .. } = AuthError::temporary("no entropy") => ["no entropy"];
        AuthError::NoResult = AuthError::NoResult => ["authenticator", "no result"];
        AuthError::TimedOut = AuthError::TimedOut => ["the server", "in time"];
    });
    each!(ReauthenticateError {
        ReauthenticateError::Version = ReauthenticateError::Version => ["3.1.1", "authentication"];
        ReauthenticateError::NoAuthenticator = ReauthenticateError::NoAuthenticator => ["no authenticator"];
        ReauthenticateError::NotConnected = ReauthenticateError::NotConnected =>
            ["not connected", "next connection authenticates"];
        ReauthenticateError::UnderWay = ReauthenticateError::UnderWay => ["another authentication"];
        ReauthenticateError::NotBegun(_) = ReauthenticateError::NotBegun(auth_failure()) =>
            ["SCRAM-SHA-256", "nothing was sent", "connection goes on"];
        ReauthenticateError::Failed(_) = ReauthenticateError::Failed(Failure::Closed) =>
            ["the connection ended", "the broker closed"];
        ReauthenticateError::Left = ReauthenticateError::Left => ["disconnected first"];
    });
}

#[test]
fn why_there_is_no_way_to_the_broker() {
    each!(ProxyError {
        ProxyError::Credentials = ProxyError::Credentials => ["proxy", "user name", "password"];
        ProxyError::Status(_) = ProxyError::Status(502) => ["proxy", "502"];
        ProxyError::Socks(_) = ProxyError::Socks(4) => ["proxy", "host unreachable"];
        ProxyError::HostTooLong = ProxyError::HostTooLong => ["host name", "SOCKS5"];
        ProxyError::Protocol(_) = ProxyError::Protocol("no version") => ["proxy", "no version"];
        ProxyError::Hangup = ProxyError::Hangup => ["proxy", "closed the connection"];
    });
    #[cfg(feature = "websocket")]
    {
        use crate::WebSocketError;
        each!(WebSocketError {
            WebSocketError::Status(_) = WebSocketError::Status(404) => ["WebSocket request", "HTTP", "404"];
            WebSocketError::NotHttp = WebSocketError::NotHttp => ["HTTP", "port"];
            WebSocketError::Answer(_) = WebSocketError::Answer("no Upgrade") =>
                ["WebSocket request", "no Upgrade"];
            WebSocketError::Hangup = WebSocketError::Hangup => ["closed the connection", "WebSocket handshake"];
            WebSocketError::Text = WebSocketError::Text => ["WebSocket", "text frame", "binary"];
            WebSocketError::Protocol(_) = WebSocketError::Protocol("masked") => ["WebSocket", "masked"];
            WebSocketError::Closed { .. } =
                WebSocketError::Closed { code: 1001, reason: "going away".into() } =>
                ["closed the WebSocket", "1001", "going away"];
        });
        let silent = WebSocketError::Closed { code: 1005, reason: String::new() };
        check(&silent, &["closed the WebSocket", "1005"]);
    }
    #[cfg(feature = "tls")]
    tls();
}

#[cfg(feature = "tls")]
fn tls() {
    use crate::TlsError;
    use rustls::{AlertDescription, CertificateError, Error};

    each!(TlsError {
        TlsError::File { .. } =
            TlsError::File { path: "/etc/ca.pem".into(), problem: "no such file".into() } =>
            ["/etc/ca.pem", "no such file"];
        TlsError::Unusable { .. } =
            TlsError::Unusable { what: "client key", problem: "no PEM".into() } => ["client key", "no PEM"];
        TlsError::KeyPasswordMissing = TlsError::KeyPasswordMissing => ["client key", "no password"];
        TlsError::KeyPasswordWrong = TlsError::KeyPasswordWrong => ["client key", "another password"];
        TlsError::KeyDecryptionOff = TlsError::KeyDecryptionOff => ["client key", "`encrypted-keys`"];
        TlsError::KeyEncryptedTraditionally = TlsError::KeyEncryptedTraditionally =>
            ["client key", "openssl pkcs8"];
        TlsError::NoAuthorities = TlsError::NoAuthorities => ["no certificate authorities", "name one"];
        TlsError::NoProvider = TlsError::NoProvider => ["crypto provider", "`ring`"];
        TlsError::ServerName(_) = TlsError::ServerName("a b".into()) => ["\"a b\"", "host name"];
        TlsError::UnknownAuthority = TlsError::UnknownAuthority => ["server's certificate", "trusted authority"];
        TlsError::Expired = TlsError::Expired => ["server's certificate", "expired"];
        TlsError::NotYetValid = TlsError::NotYetValid => ["server's certificate", "not valid yet"];
        TlsError::WrongHost { .. } = TlsError::WrongHost {
            expected: "broker.example".into(),
            presented: vec!["other.example".into(), "third.example".into()],
        } => ["server's certificate", "not made out to broker.example", "other.example, third.example"];
        TlsError::WrongKey = TlsError::WrongKey => ["server's key", "pinned"];
        TlsError::Certificate(_) = TlsError::Certificate(CertificateError::Revoked) =>
            ["server's certificate", "not acceptable"];
        TlsError::ClientCertificateRequired = TlsError::ClientCertificateRequired =>
            ["server", "requires a client certificate"];
        TlsError::Refused(_) = TlsError::Refused(AlertDescription::AccessDenied) =>
            ["server refused", "AccessDenied"];
        TlsError::Incompatible(_) = TlsError::Incompatible("version".into()) => ["no common ground", "version"];
        TlsError::NotTls = TlsError::NotTls => ["does not speak TLS", "port"];
        TlsError::Closed = TlsError::Closed => ["closed the connection", "TLS handshake", "port"];
        TlsError::Other(_) = TlsError::Other(Error::EncryptError) => ["TLS", "encrypt"];
    });
}
