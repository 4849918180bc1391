//! From options to a connection: what is configured is what the broker is told.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use mqtt_client_core::codec::{Connack, Connect, Packet, QoS, ReasonCode, Text, Version};
use mqtt_client_core::{Configuration, DEFAULT_PORT, Endpoint, Options, OptionsBuilder, Reconnect};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Peer, Subscription, until};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(
    a_generated_client_id_begins_with_its_prefix,
    host_port_and_keep_alive_are_enough,
    connect_says_what_was_configured,
    a_file_says_how_to_connect,
    a_websocket_is_asked_for_with_its_headers,
);

scenarios!(only 5.0: without_arguments_it_is_localhost_1883);

fn a_generated_client_id_begins_with_its_prefix<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let [one, other] =
            [(); 2].map(|()| case.connect_with(case.options(bed.url()).client_id_prefix("plant")));
        let (id, another) = (one.client_id(), other.client_id());
        assert!(id.starts_with("plant") && id.len() == 18 && id != another, "{id} {another}");
    }
}

fn host_port_and_keep_alive_are_enough<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let port = bed.url().parse::<Endpoint>().unwrap().port();
        let options = Options::builder().version(case.version).endpoint(Endpoint::tcp("127.0.0.1", port));
        // Not every broker lets anybody in.
        let options = match login(bed.url()) {
            Some((user, password)) => options.credentials(user, Some(password.as_bytes())),
            None => options,
        };
        let client = case.connect_with(options.keep_alive(Duration::from_secs(20)));
        client.ping().unwrap();
    }
}

/// The user and the password that a URL names.
fn login(url: &str) -> Option<(&str, &str)> {
    url.split_once("://")?.1.split_once('@')?.0.split_once(':')
}

/// The CONNECT of a client with these options.
fn connect_of<A: Adapter>(case: &Case<A>, peer: &Peer, options: OptionsBuilder) -> Connect {
    let client = case.client(options);
    let (connect, link) = thread::scope(|scope| {
        let connecting = scope.spawn(|| client.connect().map(drop));
        let mut link = peer.accept(case.version);
        let Packet::Connect(connect) = link.packet() else { panic!("the first packet is CONNECT") };
        link.send(&Connack::new(false, ReasonCode::Success).into());
        connecting.join().unwrap().unwrap();
        (*connect, link)
    });
    // In this order: a client that loses its link comes again, and would be taken for the next one.
    drop(client);
    drop(link);
    connect
}

fn connect_says_what_was_configured<A: Adapter>(case: &Case<A>) {
    let peer = Peer::listen();
    let text = |text: &str| Some(Text::try_from(text).unwrap());
    let endpoint = Endpoint::tcp("127.0.0.1", peer.addr().port());
    let plain =
        Options::builder().version(case.version).endpoint(endpoint).keep_alive(Duration::from_secs(20));
    let plain = connect_of(case, &peer, plain);
    assert_eq!((plain.keep_alive, plain.clean_start), (20, true));
    assert_eq!((plain.username, plain.password, plain.will), (None, None, None));

    let lasting = case.persistent(&peer.url(), "me").credentials("ann", None);
    let lasting = lasting.will("state", "gone", QoS::ExactlyOnce, true).keep_alive(Duration::ZERO);
    let lasting = connect_of(case, &peer, lasting);
    assert_eq!((lasting.client_id, lasting.keep_alive), (text("me").unwrap(), 0));
    assert_eq!((lasting.clean_start, lasting.username, lasting.password), (false, text("ann"), None));
    let will = lasting.will.unwrap();
    assert_eq!((will.topic.as_str(), will.payload.as_ref()), ("state", &b"gone"[..]));
    assert_eq!((will.qos, will.retain), (QoS::ExactlyOnce, true));

    let short = case.options(&peer.url()).credentials("ann", Some(b"k"));
    let short = if case.version == Version::V5 {
        short.session_expiry(Duration::from_secs(90)).user_property("site", "north")
    } else {
        short
    };
    let short = connect_of(case, &peer, short);
    assert_eq!(short.password.as_ref().map(AsRef::as_ref), Some(&b"k"[..]));
    if case.version == Version::V5 {
        let expiry = |connect: &Connect| connect.properties.session_expiry_interval();
        assert_eq!(expiry(&short), Some(90));
        let site = short.properties.user_properties().map(|(name, value)| format!("{name}={value}"));
        assert_eq!(site.collect::<Vec<_>>(), ["site=north"]);
    }
}

/// There is one such port. (`.config/nextest.toml` says so too, for tests in processes of their own.)
static LOCALHOST_1883: Mutex<()> = Mutex::new(());

fn without_arguments_it_is_localhost_1883<A: Adapter>(case: &Case<A>) {
    let _turn = LOCALHOST_1883.lock();
    let address = ("127.0.0.1", DEFAULT_PORT);
    // Where a broker listens already, that one has to do.
    let mut server = None;
    until("a broker listens on 1883", || {
        server = Server::bind(address, BrokerConfig::default()).ok();
        server.is_some() || TcpStream::connect(address).is_ok()
    });
    let later = case.adapter.client(Options::default());
    assert!(!later.is_connected());
    later.connect().unwrap();
    let at_once = case.adapter.connect(Options::default()).unwrap();
    assert!(at_once.client_id().starts_with("mqtt") && at_once.client_id() != later.client_id());
    for client in [later, at_once] {
        client.ping().unwrap();
        client.disconnect();
    }
    if let Some(server) = server {
        assert_eq!(server.with_broker(|broker| broker.stats().connections), 2);
    }
}

fn a_file_says_how_to_connect<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let topic = case.unique("file");
        let file = format!(
            r#"{{"version": "{}", "connection": {{"uri": "{}"}}, "client_id_prefix": "file",
                 "topics": {{"{topic}": {{"qos": 2}}}}, "limits": {{"max_in_flight": 5}}}}"#,
            case.version,
            bed.url()
        );
        let configuration: Configuration = serde_json::from_str(&file).unwrap();
        let client = case.connect_with(configuration.builder().unwrap());
        assert!(client.client_id().starts_with("file"));
        let mut stream = client.subscribe(&topic).unwrap();
        client.wait(client.publish(&topic, "x")).unwrap();
        assert_eq!(stream.message().qos(), QoS::ExactlyOnce, "as the file says of the topic");
    }
}

fn a_websocket_is_asked_for_with_its_headers<A: Adapter>(case: &Case<A>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The head of the first request; then the connection is closed.
    let server = thread::spawn(move || {
        let reader = BufReader::new(listener.accept().unwrap().0);
        let lines = reader.lines().map(Result::unwrap).take_while(|line| !line.is_empty());
        lines.collect::<Vec<String>>()
    });
    let endpoint: Endpoint = format!("ws://{address}/mqtt?plant=7").parse().unwrap();
    let endpoint = endpoint.with_header("Authorization", "Bearer t0ken").with_header("X-Plant", "7");
    let options = case.options("mqtt://h").endpoint(endpoint).reconnect(Reconnect::never());
    let error = case.adapter.connect(options.build().unwrap()).map(drop).unwrap_err();
    assert!(!error.to_string().contains("t0ken"), "{error}");
    let request = server.join().unwrap();
    assert_eq!(request[0], "GET /mqtt?plant=7 HTTP/1.1");
    for line in ["Authorization: Bearer t0ken", "X-Plant: 7", "Sec-WebSocket-Protocol: mqtt"] {
        assert!(request.iter().any(|header| header == line), "{line}: {request:?}");
    }
}
