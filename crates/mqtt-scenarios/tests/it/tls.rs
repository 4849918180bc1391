//! Whom a client believes over TLS, and what it says when it does not.

use mqtt_client_core::{ClientError, ConnectError, Failure, Offline, OptionsBuilder, TlsError, TlsOptions};
use mqtt_scenarios::{Adapter, Authority, Case, Way, Ways};

scenarios!(each_fault_is_told_for_what_it_is);

/// How a connection with these options fails.
#[track_caller]
fn failure<A: Adapter>(case: &Case<A>, options: OptionsBuilder) -> Failure {
    match case.adapter.connect(options.build().unwrap()) {
        Err(ClientError::Offline(Offline::GaveUp(ConnectError { failure, .. }))) => failure,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it connected"),
    }
}

#[track_caller]
fn tls_error<A: Adapter>(case: &Case<A>, options: OptionsBuilder) -> TlsError {
    match failure(case, options) {
        Failure::Tls(error) => *error,
        other => panic!("{other}"),
    }
}

fn each_fault_is_told_for_what_it_is<A: Adapter>(case: &Case<A>) {
    let ways = Ways::start();
    let url = ways.url(Way::Tls);
    let trusting = || TlsOptions::new().ca_file(ways.file("ca.pem"));

    let other = Authority::new();
    let error = tls_error(case, case.options(&url).tls(TlsOptions::new().ca(other.pem())));
    assert_eq!(error, TlsError::UnknownAuthority);

    let error = tls_error(case, case.options(&url.replace("localhost", "127.0.0.1")).tls(trusting()));
    assert!(matches!(&error, TlsError::WrongHost { expected, .. } if expected == "127.0.0.1"), "{error}");

    let error = tls_error(case, case.options(&ways.url(Way::ClientCertificate)).tls(trusting()));
    assert_eq!(error, TlsError::ClientCertificateRequired);

    let plain = ways.url(Way::Tcp).replace("mqtt:", "mqtts:").replace("127.0.0.1", "localhost");
    let error = tls_error(case, case.options(&plain).tls(trusting()));
    assert!(matches!(error, TlsError::NotTls | TlsError::Closed), "{error}");

    match failure(case, case.options(&url.replace("mqtts:", "mqtt:"))) {
        // OpenSSL of mosquitto 2.0.11 hangs up without a word.
        Failure::TlsExpected | Failure::Closed | Failure::Io { doing: "reading" | "writing", .. } => {}
        other => panic!("{other}"),
    }
}
