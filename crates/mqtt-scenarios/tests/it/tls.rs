//! Whom a client believes over TLS, and what it says when it does not.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{env, thread};

use mqtt_client_core::{
    Endpoint, Failure, InvalidOptions, Options, OptionsBuilder, TlsError, TlsOptions, TlsVersion,
};
use mqtt_scenarios::{Adapter, Authority, Case, Certified, Client, PATIENCE, Way, Ways};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

scenarios!(
    each_fault_is_told_for_what_it_is,
    application_protocols_are_offered,
    an_encrypted_key_is_opened_with_its_password,
    what_is_pinned_or_dangerously_accepted,
    certificates_are_read_again_for_each_attempt,
    the_callers_own_configuration_is_used,
    a_later_connection_resumes_the_session_of_an_earlier_one,
    keys_are_logged_on_request_alone,
);

#[track_caller]
fn tls_error<A: Adapter>(case: &Case<A>, options: OptionsBuilder) -> TlsError {
    match case.failure(options) {
        Failure::Tls(error) => *error,
        other => panic!("{other}"),
    }
}

/// A server that accepts every CONNECT it gets over TLS, until the test ends. Returns its port.
fn accepting(config: Arc<ServerConfig>) -> u16 {
    accepting_and_telling(config, |_| {})
}

/// The same, which tells whether the TLS sessions are new.
fn accepting_and_telling(
    config: Arc<ServerConfig>,
    tell: impl Fn(HandshakeKind) + Send + Clone + 'static,
) -> u16 {
    accepting_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), config, tell)
}

/// The same there. A client that has not agreed to its application protocol, if it has one, is left.
fn accepting_on(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    tell: impl Fn(HandshakeKind) + Send + Clone + 'static,
) -> u16 {
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let (config, tell) = (Arc::clone(&config), tell.clone());
            thread::spawn(move || {
                let mut stream =
                    StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
                let mut connect = [0; 256];
                let count = stream.read(&mut connect)?;
                stream.conn.handshake_kind().into_iter().for_each(tell);
                if stream.conn.alpn_protocol() != config.alpn_protocols.first().map(Vec::as_slice) {
                    return Ok(());
                }
                // The protocol level stands behind the name.
                let connack: &[u8] = if connect[8] == 5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
                stream.write_all(&connack[..if count > 0 { connack.len() } else { 0 }])?;
                while stream.read(&mut connect)? > 0 {}
                std::io::Result::Ok(())
            });
        }
    });
    port
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

    let expired = accepting(ways.authority().certify_expired(&["localhost"]).server(&[]));
    let error = tls_error(case, case.options(&format!("mqtts://localhost:{expired}")).tls(trusting()));
    assert_eq!(error, TlsError::Expired);

    let plain = ways.url(Way::Tcp).replace("mqtt:", "mqtts:").replace("127.0.0.1", "localhost");
    let error = tls_error(case, case.options(&plain).tls(trusting()));
    assert!(matches!(error, TlsError::NotTls | TlsError::Closed), "{error}");

    let error = tls_error(case, case.options(&url).tls(TlsOptions::new().ca_file("/nowhere/ca.pem")));
    assert!(matches!(&error, TlsError::File { .. }), "{error}");

    match case.failure(case.options(&url.replace("mqtts:", "mqtt:"))) {
        // OpenSSL of mosquitto 2.0.11 hangs up without a word; rustls sends an alert.
        told @ Failure::HungUp { plain: true } => assert!(told.to_string().contains("mqtts://"), "{told}"),
        other => panic!("{other}"),
    }
    let port = accepting(ways.authority().certify(&["localhost"]).server(&[]));
    assert!(matches!(case.failure(case.options(&format!("mqtt://localhost:{port}"))), Failure::TlsExpected));
}

/// The scheme decides, and nothing contradicts it.
#[test]
fn encryption_that_was_asked_for_is_not_left_out() {
    for scheme in ["mqtt", "ws"] {
        let mismatch =
            Options::builder().url(&format!("{scheme}://localhost")).tls(TlsOptions::new()).build();
        assert!(matches!(mismatch, Err(InvalidOptions::Option { option: "tls", .. })), "{scheme}");
    }
    for scheme in ["mqtts", "wss"] {
        let endpoint: Endpoint = format!("{scheme}://localhost").parse().unwrap();
        assert!(endpoint.scheme().is_tls(), "{scheme}");
    }
}

/// As AWS IoT has it: port 443, where this system lets us have it, an application protocol, a certificate of the client's.
fn application_protocols_are_offered<A: Adapter>(case: &Case<A>) {
    let authority = Authority::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 443));
    let listener = listener.or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let server = authority.certify(&["localhost"]);
    let port = accepting_on(listener, authority.server_for_clients(&server, &["x-amzn-mqtt-ca"]), |_| {});
    let client = authority.certify(&["device"]);
    let tls = TlsOptions::new().ca(authority.pem()).client_auth(client.certificate.clone(), client.key);
    let url = format!("mqtts://localhost:{port}");
    let connected = case.connect_with(case.options(&url).tls(tls.clone().alpn(["x-amzn-mqtt-ca"])));
    assert!(connected.is_connected());
    let error = tls_error(case, case.options(&url).tls(tls.clone().alpn(["http/1.1"])));
    assert!(matches!(&error, TlsError::Incompatible(what) if what.contains("ALPN")), "{error}");
    // The server does check: without the protocol, or the certificate, there is no way in.
    assert!(case.adapter.connect(case.options(&url).tls(tls).build().unwrap()).is_err());
    let unknown = TlsOptions::new().ca(authority.pem()).alpn(["x-amzn-mqtt-ca"]);
    assert_eq!(tls_error(case, case.options(&url).tls(unknown)), TlsError::ClientCertificateRequired);
    // A key that is not the certificate's is refused before anything is sent.
    let tls = TlsOptions::new().ca(authority.pem());
    let tls = tls.client_auth(client.certificate, authority.certify(&["device"]).key);
    let error = tls_error(case, case.options(&url).tls(tls));
    assert!(matches!(&error, TlsError::Unusable { what: "client certificate", .. }), "{error}");
}

fn an_encrypted_key_is_opened_with_its_password<A: Adapter>(case: &Case<A>) {
    let ways = Ways::start();
    let device = ways.authority().certify(&["device"]);
    let file = std::env::temp_dir().join(case.unique("mqtt-key-"));
    let certificate = file.with_extension("pem");
    fs::write(&certificate, &device.certificate).unwrap();
    fs::write(&file, device.encrypted_key("hunter2")).unwrap();
    let tls = TlsOptions::new().ca_file(ways.file("ca.pem")).client_auth_files(&certificate, &file);
    let options = |tls| case.options(&ways.url(Way::ClientCertificate)).tls(tls);

    assert!(case.connect_with(options(tls.clone().client_key_password("hunter2"))).is_connected());
    let wrong = tls_error(case, options(tls.clone().client_key_password("hunter3")));
    assert_eq!(wrong, TlsError::KeyPasswordWrong);
    assert_eq!(tls_error(case, options(tls.clone())), TlsError::KeyPasswordMissing);
    // The key is read anew: now it is not encrypted any more.
    fs::write(&file, &device.key).unwrap();
    assert!(case.connect_with(options(tls)).is_connected());
    [certificate, file].iter().for_each(|file| fs::remove_file(file).unwrap());
}

/// A password without a key, or beside a configuration that brings its own, would do nothing.
#[test]
fn a_password_needs_its_key() {
    let password = TlsOptions::new().client_key_password("hunter2");
    assert!(!format!("{password:?}").contains("hunter2"));
    let options = Options::builder().url("mqtts://localhost").tls(password).build();
    assert!(matches!(options, Err(InvalidOptions::Option { option: "tls", .. })));
}

/// The SHA-256 of a public key.
fn digest(certified: &Certified) -> [u8; 32] {
    use rustls::pki_types::SubjectPublicKeyInfoDer;
    let key = SubjectPublicKeyInfoDer::from_pem_slice(certified.public_key.as_bytes()).unwrap();
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    suite.common.hash_provider.hash(&key).as_ref().try_into().unwrap()
}

fn what_is_pinned_or_dangerously_accepted<A: Adapter>(case: &Case<A>) {
    let authority = Authority::new();
    let certified = authority.certify(&["somewhere.else"]);
    let port = accepting(certified.server(&[]));
    let options = |tls| case.options(&format!("mqtts://localhost:{port}")).tls(tls);
    let trusting = || TlsOptions::new().ca(authority.pem());

    assert!(matches!(tls_error(case, options(trusting())), TlsError::WrongHost { .. }));
    case.connect_with(options(trusting().server_name("somewhere.else")));
    case.connect_with(options(trusting().dangerously_accept_any_host_name()));
    case.connect_with(options(TlsOptions::new().dangerously_accept_any_certificate()));
    let stranger = TlsOptions::new().ca(Authority::new().pem()).dangerously_accept_any_host_name();
    assert_eq!(tls_error(case, options(stranger)), TlsError::UnknownAuthority);

    let pinned = |digest| trusting().server_name("somewhere.else").pin_public_key_sha256(digest);
    case.connect_with(options(pinned([0; 32]).pin_public_key_sha256(digest(&certified))));
    assert_eq!(tls_error(case, options(pinned([0; 32]))), TlsError::WrongKey);
    let blind = TlsOptions::new().dangerously_accept_any_certificate().pin_public_key_sha256([0; 32]);
    assert_eq!(tls_error(case, options(blind)), TlsError::WrongKey);
}

fn certificates_are_read_again_for_each_attempt<A: Adapter>(case: &Case<A>) {
    let (authority, wrong) = (Authority::new(), Authority::new());
    let port = accepting(authority.certify(&["localhost"]).server(&[]));
    let file = std::env::temp_dir().join(case.unique("mqtt-ca-"));
    fs::write(&file, wrong.pem()).unwrap();
    let reconnect = mqtt_client_core::Reconnect {
        first_wait: Duration::from_millis(10),
        retry_initial: true,
        ..Default::default()
    };
    let options = case.options(&format!("mqtts://localhost:{port}")).reconnect(reconnect);
    let client = case.client(options.tls(TlsOptions::new().ca_file(&file)));
    let mut events = client.events();
    thread::scope(|scope| {
        let connecting = scope.spawn(|| client.connect().map(|_| ()));
        let failure = mqtt_scenarios::Events::failure(&mut events);
        assert!(matches!(failure, Failure::Tls(_)), "{failure}");
        fs::write(&file, authority.pem()).unwrap();
        connecting.join().unwrap().unwrap();
    });
    fs::remove_file(&file).unwrap();
}

fn the_callers_own_configuration_is_used<A: Adapter>(case: &Case<A>) {
    let configuration = |authority: &Authority| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_ref()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        TlsOptions::from_config(builder.unwrap().with_root_certificates(roots).with_no_client_auth())
    };
    let authority = Authority::new();
    let port = accepting(authority.certify(&["localhost"]).server(&[]));
    let options = |tls| case.options(&format!("mqtts://localhost:{port}")).tls(tls);
    assert!(case.connect_with(options(configuration(&authority))).is_connected());
    let error = tls_error(case, options(configuration(&Authority::new())));
    assert_eq!(error, TlsError::UnknownAuthority);
}

fn a_later_connection_resumes_the_session_of_an_earlier_one<A: Adapter>(case: &Case<A>) {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for (resumption, later) in [(true, HandshakeKind::Resumed), (false, HandshakeKind::Full)] {
            let authority = Authority::new();
            let (tell, told) = mpsc::channel();
            let kinds = move |kind| tell.send(kind).unwrap_or_default();
            let port = accepting_and_telling(authority.certify(&["localhost"]).server(&[]), kinds);
            let tls = TlsOptions::new().ca(authority.pem()).only(version).resumption(resumption);
            let client = case.connect_with(case.options(&format!("mqtts://localhost:{port}")).tls(tls));
            assert_eq!(told.recv_timeout(PATIENCE), Ok(HandshakeKind::Full));
            client.reconnect().unwrap();
            assert_eq!(told.recv_timeout(PATIENCE), Ok(later), "{version:?}");
        }
    }
}

/// What names the file is of the environment, so that the test runs itself once more, in a process with another one.
fn keys_are_logged_on_request_alone<A: Adapter>(case: &Case<A>) {
    const FILE: &str = "SSLKEYLOGFILE";
    const CHILD: &str = "MQTT_TEST_LOGS_KEYS";
    if env::var_os(CHILD).is_none() {
        let file = env::temp_dir().join(case.unique("mqtt-keys-"));
        let itself = thread::current().name().unwrap().to_owned();
        let mut command = Command::new(env::current_exe().unwrap());
        let output = command.args(["--exact", &itself]).env(FILE, &file).env(CHILD, "1").output().unwrap();
        let _ = fs::remove_file(&file);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let file = env::var_os(FILE).unwrap();
    let logged = || fs::read_to_string(&file).unwrap_or_default();
    let authority = Authority::new();
    let port = accepting(authority.certify(&["localhost"]).server(&[]));
    let options = |tls| case.options(&format!("mqtts://localhost:{port}")).tls(tls);
    case.connect_with(options(TlsOptions::new().ca(authority.pem())));
    assert_eq!(logged(), "");
    case.connect_with(options(TlsOptions::new().ca(authority.pem()).key_log(true)));
    assert!(logged().contains("CLIENT_TRAFFIC_SECRET_0 "), "{}", logged().len());
}
