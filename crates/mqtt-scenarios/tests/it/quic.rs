//! QUIC, which `mqtt-tokio` alone has: the same client over one stream of it.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use mqtt_client_core::codec::{QoS, Version};
use mqtt_client_core::{Failure, InvalidOptions, OptionsBuilder, TlsError, TlsOptions, TlsVersion};
use mqtt_scenarios::secrets::watch;
use mqtt_scenarios::{Adapter, Authority, Blocking, Case, Client, Events, QuicServer, Tokio};
use mqtt_testkit::{BrokerConfig, Server};

use crate::transports::carries_everything;

/// A broker behind QUIC that speaks these application protocols, and whom to trust for that.
struct Bed {
    authority: Authority,
    server: QuicServer,
    broker: Server,
}

impl Bed {
    fn start(protocols: &[&str]) -> Self {
        watch();
        let authority = Authority::new();
        let broker = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
        let tls = authority.certify(&["localhost", "127.0.0.1"]).server(protocols);
        Bed { server: QuicServer::start(tls, broker.addr()), authority, broker }
    }

    fn options<A: Adapter>(&self, case: &Case<A>, host: &str) -> OptionsBuilder {
        let url = format!("quic://{host}:{}", self.server.port());
        case.options(&url).tls(TlsOptions::new().ca(self.authority.pem()))
    }
}

fn everything_is_carried_before_and_after_a_cut(version: Version) {
    let (bed, case) = (Bed::start(&["mqtt"]), Case::<Tokio>::start(version));
    // The other addresses of the name have nobody who listens.
    let client = case.connect_with(bed.options(&case, "localhost"));
    let mut events = client.events();
    let mut messages = client.subscribe_with("a/#", |builder| builder.qos(QoS::ExactlyOnce)).unwrap();
    carries_everything(&client, &mut messages, "before");
    bed.server.cut();
    events.failure();
    events.connected();
    carries_everything(&client, &mut messages, "after");
    // What is sent last arrives, the goodbye too.
    drop(client.publish("a/last", "x").qos(QoS::AtMostOnce));
    client.disconnect();
    assert_eq!(bed.broker.with_broker(|broker| broker.violations().to_vec()), []);
}

#[test]
fn everything_is_carried_in_3_1_1() {
    everything_is_carried_before_and_after_a_cut(Version::V311);
}

#[test]
fn everything_is_carried_in_5_0() {
    everything_is_carried_before_and_after_a_cut(Version::V5);
}

#[test]
fn whom_the_client_does_not_believe_is_told_as_over_tcp() {
    let case = Case::<Tokio>::start(Version::V5);
    let bed = Bed::start(&["mqtt"]);
    let tls_error = |options| match case.failure(options) {
        Failure::Tls(error) => *error,
        other => panic!("{other}"),
    };
    let stranger = TlsOptions::new().ca(Authority::new().pem());
    assert_eq!(tls_error(bed.options(&case, "127.0.0.1").tls(stranger)), TlsError::UnknownAuthority);
    let other_name = TlsOptions::new().ca(bed.authority.pem()).server_name("elsewhere");
    assert!(matches!(tls_error(bed.options(&case, "127.0.0.1").tls(other_name)), TlsError::Other(_)));
    let other_protocol = TlsOptions::new().ca(bed.authority.pem()).alpn(["h3"]);
    let error = tls_error(bed.options(&case, "127.0.0.1").tls(other_protocol));
    assert!(matches!(&error, TlsError::Incompatible(what) if what.contains("ALPN")), "{error}");
    let own_protocol = Bed::start(&["site"]);
    let tls = TlsOptions::new().ca(own_protocol.authority.pem()).alpn(["site"]);
    assert!(case.connect_with(own_protocol.options(&case, "127.0.0.1").tls(tls)).is_connected());
}

#[test]
fn a_server_that_is_silent_is_left_at_the_deadline() {
    let (bed, case) = (Bed::start(&["mqtt"]), Case::<Tokio>::start(Version::V5));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("quic://{}", silent.local_addr().unwrap());
    let options = bed.options(&case, "127.0.0.1").url(&url).connect_timeout(Duration::from_millis(200));
    let began = Instant::now();
    let failure = case.failure(options);
    assert!(matches!(failure, Failure::ConnectTimeout(_)), "{failure}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn what_can_not_be_is_refused() {
    let bed = Bed::start(&["mqtt"]);
    let case = Case::<Blocking>::start(Version::V5);
    let failed = case.failure(bed.options(&case, "127.0.0.1"));
    assert!(failed.to_string().contains("mqtt-blocking has no QUIC"), "{failed}");

    let case = Case::<Tokio>::start(Version::V5);
    let proxied = bed.options(&case, "127.0.0.1").proxy("http://127.0.0.1:9".parse().unwrap()).build();
    assert!(matches!(proxied, Err(InvalidOptions::Option { option: "proxy", .. })));
    // QUIC is sealed with TLS 1.3.
    let old = TlsOptions::new().ca(bed.authority.pem()).only(TlsVersion::Tls12);
    let failed = case.failure(bed.options(&case, "127.0.0.1").tls(old));
    assert!(matches!(failed, Failure::Tls(_)) && failed.to_string().contains("1.3"), "{failed}");
}
