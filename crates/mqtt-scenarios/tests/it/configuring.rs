//! From options to a connection: what is configured is what the broker is told.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Configuration, Endpoint, Options, Reconnect};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Subscription};

scenarios!(
    a_generated_client_id_begins_with_its_prefix,
    host_port_and_keep_alive_are_enough,
    a_file_says_how_to_connect,
    a_websocket_is_asked_for_with_its_headers,
);

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
        let client = case.connect_with(options.keep_alive(Duration::from_secs(20)));
        client.ping().unwrap();
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
