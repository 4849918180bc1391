//! Options from files: what their keys do, and how wrong ones are told.

use std::time::Duration;

use mqtt_client_core::codec::{Binary, PacketKind, QoS, Text, TopicName, Version, WillProperties};
use mqtt_client_core::{
    Configuration, Endpoint, InvalidOptions, Options, Overflow, Reconnect, TcpKeepAlive, TcpOptions,
    TlsOptions, TlsVersion,
};
use mqtt_testkit::Fault;

use crate::rig::{Dial, Rig};

fn toml(text: &str) -> Configuration {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn check_fault(text: &str, expected: &str) {
    let error = Options::try_from(toml(text)).expect_err(text);
    assert_eq!(error.to_string(), expected, "{text}");
}

#[test]
fn the_same_in_toml_yaml_and_json() {
    let toml: Configuration = toml(
        r#"
        client_id = "c"
        keep_alive = 7
        connection.uri = "mqtt://ann:secret@h:2"
        topics."a/b" = { qos = 2, retain = true }
        "#,
    );
    let yaml: Configuration = serde_yaml_ng::from_str(
        "client_id: c\nkeep_alive: 7\nconnection:\n  uri: mqtt://ann:secret@h:2\ntopics:\n  a/b: {qos: 2, retain: true}\n",
    )
    .expect("valid");
    let json: Configuration = serde_json::from_str(
        r#"{"client_id": "c", "keep_alive": 7, "connection": {"uri": "mqtt://ann:secret@h:2"},
            "topics": {"a/b": {"qos": 2, "retain": true}}}"#,
    )
    .expect("valid");
    let [toml, yaml, json] = [toml, yaml, json].map(|read| {
        assert!(!format!("{read:?}").contains("secret"), "{read:?}");
        format!("{:?}", Options::try_from(read).expect("valid"))
    });
    assert_eq!(toml, yaml);
    assert_eq!(toml, json);
    assert!(toml.contains("keep_alive: 7"), "{toml}");
}

#[test]
fn a_file_of_the_asyncio_client_is_understood() {
    let read: Configuration = serde_yaml_ng::from_str(
        "
keep_alive: 20
ping_delay: 2
default_qos: 1
default_retain: false
auto_reconnect: true
reconnect_max_interval: 5
reconnect_retries: 10
cleansession: false
connection_timeout: 30
client_id: c
broker:
  uri: mqtt://h
topics:
  test:
    qos: 1
  some_topic:
    qos: 2
    retain: true
will:
  topic: w
  message: gone
  qos: 1
  retain: true
",
    )
    .expect("valid");
    let options = Options::try_from(read).expect("valid");
    assert_eq!((options.endpoint().host(), options.client_id()), ("h", Some("c")));
}

#[test]
fn the_keys_of_tls_are_those_of_the_asyncio_client() {
    let read = toml(
        "
        check_hostname = false
        verify_cert = false
        [broker]
        uri = 'mqtts://h'
        cafile = '/ca.pem'
        capath = '/certs'
        certificate = '/c.pem'
        key = '/k.pem'
        ",
    );
    let options = Options::try_from(read).expect("valid");
    assert_eq!(options.endpoint().port(), 8883);
    let told = format!("{options:?}");
    for part in ["/ca.pem", "/certs", "/c.pem"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn unknown_keys_are_refused_by_name() {
    for (text, key) in [
        ("keepalive = 3", "keepalive"),
        ("connection.url = \"mqtt://h\"", "url"),
        ("topics.a.quos = 1", "quos"),
        ("will.text = \"x\"", "text"),
        ("limits.max_queued = 1", "max_queued"),
        ("connection.tcp_keep_alive.probes = 1", "probes"),
    ] {
        let error = toml::from_str::<Configuration>(text).expect_err(text).to_string();
        assert!(error.contains(&format!("unknown field `{key}`")), "{text}: {error}");
        let error = error.lines().next().expect("a place").to_owned();
        assert!(error.contains("line 1"), "{text}: {error}");
    }
}

#[test]
fn values_out_of_range_are_told_with_their_path() {
    for (text, expected) in [
        ("keep_alive = 65536", "keep_alive: 65536 is not in 0 to 65535"),
        ("keep_alive = -1", "keep_alive: -1 is not in 0 to 65535"),
        ("ping_delay = 11", "ping_delay: 11 is not in 0 to 10"),
        ("connection_timeout = 0", "connection_timeout: 0 is not in 1 to 4294967295"),
        ("reconnect_max_interval = 0", "reconnect_max_interval: 0 is not in 1 to 4294967295"),
        ("default_qos = 3", "default_qos: 3 is not in 0 to 2"),
        ("topics.'room/state'.qos = 257", "topics.room/state.qos: 257 is not in 0 to 2"),
        ("will.qos = -1", "will.qos: -1 is not in 0 to 2"),
        ("session_expiry = -1", "session_expiry: -1 is not in 0 to 4294967295"),
        ("drain_timeout = -1", "drain_timeout: -1 is not in 0 to 4294967295"),
        ("reconnect_first_interval = 0", "reconnect_first_interval: 0 is not in 1 to 4294967295"),
        ("packet_payload = -1", "packet_payload: -1 is less than 0"),
        ("limits.max_queued_messages = 0", "limits.max_queued_messages: 0 is less than 1"),
        ("limits.receive_maximum = 65536", "limits.receive_maximum: 65536 is not in 1 to 65535"),
        ("limits.max_packet_size = 0", "limits.max_packet_size: 0 is not in 1 to 4294967295"),
        ("will = { topic = 'w', delay = -1 }", "will.delay: -1 is not in 0 to 4294967295"),
        ("connection.tcp_keep_alive.count = 0", "connection.tcp_keep_alive.count: 0 is not in 1 to 127"),
        (
            "connection.pinned_public_keys = ['abc']",
            "connection.pinned_public_keys: 64 hexadecimal digits, the SHA-256 of a SubjectPublicKeyInfo",
        ),
        (
            "connection.alternatives = ['http://h']",
            "connection.alternatives: unknown scheme http://; expected mqtt, mqtts, ws, wss, unix or quic",
        ),
        (
            "connection.headers.A = 'b'",
            "endpoint: mqtt://localhost:1883: only a WebSocket takes HTTP headers",
        ),
        ("version = '4'", "version: is \"5.0\" or \"3.1.1\""),
        ("password = 'p'", "password: needs a username"),
        ("connection.certfile = 'c'", "connection.certfile: needs a keyfile"),
        ("connection.keyfile = 'k'", "connection.keyfile: needs a certfile"),
        ("connection.keyfile_password = 'hunter2'", "connection.keyfile_password: needs a keyfile"),
        ("verify_cert = false", "verify_cert: can't be off while check_hostname is on"),
        ("check_hostname = false", "tls: mqtt://localhost:1883 is not encrypted; use mqtts:// or wss://"),
    ] {
        check_fault(text, expected);
    }
    for (text, option) in [("will.topic = '#'", "will"), ("topics.'#' = {}", "topic_defaults")] {
        let error = Options::try_from(toml(text)).expect_err(text);
        assert!(matches!(error, InvalidOptions::Option { option: named, .. } if named == option), "{error}");
    }
}

#[test]
fn an_empty_file_has_the_defaults_that_its_page_names() {
    let mut rig = Rig::new(toml("").builder().expect("valid"));
    rig.dial = Dial::Fails;
    let client = rig.client.clone();
    rig.run(client.connect()).expect_err("nobody there");
    assert_eq!(rig.dials.len(), 3, "one attempt and two retries");
    let waits = rig.dials.windows(2).map(|pair| pair[1].saturating_since(pair[0]));
    assert!(waits.max() <= Some(Duration::from_secs(10)));
}

#[test]
fn retries_are_as_many_as_the_file_says() {
    for (text, dials) in [("auto_reconnect = false", 1), ("reconnect_retries = 5", 6)] {
        let mut rig = Rig::new(toml(text).builder().expect("valid"));
        rig.dial = Dial::Fails;
        let client = rig.client.clone();
        rig.run(client.connect()).expect_err("nobody there");
        assert_eq!(rig.dials.len(), dials, "{text}");
    }
    let mut rig = Rig::new(toml("reconnect_retries = -1").builder().expect("valid"));
    rig.dial = Dial::Fails;
    let connecting = rig.client.connect();
    rig.run_for(Duration::from_secs(3600));
    assert!(rig.dials.len() > 300, "for ever, every 10 s at most: {}", rig.dials.len());
    drop(connecting);
}

#[test]
fn the_ping_leaves_its_delay_before_the_keep_alive_ends() {
    let mut rig = Rig::connected(toml("keep_alive = 20\nping_delay = 3").builder().expect("valid"));
    rig.broker.inject(Fault::sent(PacketKind::Pingresp).withhold());
    assert_eq!(rig.deadline(), Some(rig.now + Duration::from_secs(17)));
}

/// Retain and QoS of what a file's client publishes, its will included.
#[test]
fn topics_and_will_are_as_the_file_says() {
    let text = "
        version = '3.1.1'
        default_qos = 1
        topics.'kept' = { retain = true }
        will = { topic = 'w', message = 'gone', qos = 2, retain = true }
        connection.uri = 'mqtt://ann:secret@h'
    ";
    let options = Options::try_from(toml(text)).expect("valid");
    assert_eq!(options.version(), Version::V311);
    let mut rig = Rig::connected(toml(text).builder().expect("valid"));
    let client = rig.client.clone();
    rig.run(client.publish("kept", "x")).expect("delivered");
    let mut stream = rig.subscribe("kept");
    let kept = rig.next(&mut stream).expect("the retained one");
    assert_eq!((kept.qos(), kept.retain()), (QoS::AtLeastOnce, true));
    rig.cut();
    rig.run(client.connect()).expect("again");
    let mut wills = rig.subscribe("w");
    let will = rig.next(&mut wills).expect("retained");
    assert_eq!((will.payload(), will.qos()), (&b"gone"[..], QoS::ExactlyOnce));

    let silent = toml("will = { topic = '', message = 'x', qos = 1 }").builder().expect("valid");
    assert!(format!("{silent:?}").contains("will: None"), "an empty topic means no will");
}

/// Whatever a file can say is what the builder makes of it.
#[test]
fn every_key_sets_the_option_that_is_named_like_it() {
    let file = r#"
        client_id_prefix = "sensor"
        clean_start = false
        session_expiry = 600
        keep_alive = 30
        ping_delay = 2
        ping_timeout = 3
        connection_timeout = 4
        write_timeout = 5
        drain_timeout = 6
        username = "ann"
        password = "hunter2"
        user_properties = [["a", "1"], ["a", "2"]]
        request_response_information = true
        request_problem_information = false
        reconnect_retries = -1
        reconnect_max_interval = 256
        reconnect_first_interval = 7
        reconnect_stable_after = 8
        reconnect_permanent = true
        max_redirects = 9
        wait_for_connection = false
        default_qos = 1
        republish_qos1 = false
        republish_qos2 = true
        unclaimed_grace = 10
        stall_after = 11
        packet_payload = 12
        check_hostname = false

        [connection]
        uri = "wss://h/mqtt"
        alternatives = ["wss://other"]
        headers = { Authorization = "Bearer t0ken" }
        proxy = "socks5://proxy"
        tcp_no_delay = false
        tcp_bind = "127.0.0.1:0"
        tcp_keep_alive = { idle = 20, count = 5 }
        cafile = "/ca.pem"
        system_roots = true
        alpn = ["mqtt", "x-amzn-mqtt-ca"]
        server_name = "broker.example"
        tls_version = "1.3"
        tls_resumption = false
        tls_key_log = true
        pinned_public_keys = ["00ff000000000000000000000000000000000000000000000000000000000001"]

        [limits]
        max_queued_messages = 13
        max_queued_bytes = 14
        overflow = "keep_latest"
        max_in_flight = 15
        receive_maximum = 16
        max_unreleased = 17
        topic_alias_maximum = 18
        max_outbound_aliases = 19
        max_packet_size = 2000
        stream_capacity = 21
        max_unread_bytes = 22

        [will]
        topic = "w"
        payload = "gone"
        qos = 1
        retain = true
        delay = 23
        expiry = 24
        content_type = "text/plain"
        is_text = true
        response_topic = "r"
        correlation_data = "c"
        user_properties = [["b", "3"]]
    "#;
    let seconds = Duration::from_secs;
    let text = |text: &str| Text::try_from(text).expect("text");
    let mut will = WillProperties::default();
    will.set_will_delay_interval(23);
    will.set_message_expiry_interval(24);
    will.set_content_type(&text("text/plain"));
    will.set_payload_format_indicator(true);
    will.set_response_topic(&TopicName::try_from("r").expect("a topic"));
    will.set_correlation_data(&Binary::try_from(b"c".to_vec()).expect("short"));
    will.add_user_property(&text("b"), &text("3"));
    let mut pin = [0; 32];
    (pin[1], pin[31]) = (255, 1);
    let with_header =
        |url: &str| url.parse::<Endpoint>().expect("a URL").with_header("Authorization", "Bearer t0ken");
    let expected = Options::builder()
        .client_id_prefix("sensor")
        .clean_start(false)
        .session_expiry(seconds(600))
        .keep_alive(seconds(30))
        .ping_delay(seconds(2))
        .ping_timeout(seconds(3))
        .connect_timeout(seconds(4))
        .write_timeout(seconds(5))
        .drain_timeout(seconds(6))
        .credentials("ann", Some(b"hunter2"))
        .user_property("a", "1")
        .user_property("a", "2")
        .request_response_information(true)
        .request_problem_information(false)
        .reconnect(Reconnect {
            first_wait: seconds(7),
            max_wait: seconds(256),
            max_retries: None,
            stable_after: seconds(8),
            retry_initial: true,
            retry_permanent: true,
        })
        .max_redirects(9)
        .wait_for_connection(false)
        .default_qos(QoS::AtLeastOnce)
        .republish_qos1(false)
        .republish_qos2(true)
        .unclaimed_grace(seconds(10))
        .stall_after(seconds(11))
        .packet_payload(12)
        .endpoint(with_header("wss://h/mqtt"))
        .or_endpoint(with_header("wss://other"))
        .proxy("socks5://proxy".parse().expect("a proxy"))
        .tcp(TcpOptions {
            no_delay: false,
            bind: Some(([127, 0, 0, 1], 0).into()),
            keep_alive: Some(TcpKeepAlive { idle: seconds(20), count: 5, ..TcpKeepAlive::default() }),
        })
        .tls(
            TlsOptions::new()
                .ca_file("/ca.pem")
                .system_roots()
                .alpn(["mqtt", "x-amzn-mqtt-ca"])
                .server_name("broker.example")
                .only(TlsVersion::Tls13)
                .resumption(false)
                .key_log(true)
                .pin_public_key_sha256(pin)
                .dangerously_accept_any_host_name(),
        )
        .max_queued(13, 14)
        .overflow(Overflow::KeepLatest)
        .max_in_flight(15)
        .receive_maximum(16)
        .max_unreleased(17)
        .topic_alias_maximum(18)
        .max_outbound_aliases(19)
        .max_packet_size(2000)
        .stream_capacity(21)
        .max_unread_bytes(22)
        .will("w", "gone", QoS::AtLeastOnce, true)
        .will_properties(will);
    let read = toml(file);
    assert!(!format!("{read:?}").contains("t0ken"), "{read:?}");
    let options = Options::try_from(read).expect("valid");
    assert_eq!(options.endpoints(), expected.clone().build().expect("valid").endpoints(), "headers, too");
    assert_eq!(format!("{options:#?}"), format!("{:#?}", expected.build().expect("valid")));
}
