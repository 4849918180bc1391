//! Persistent sessions: what a subscriber has not printed waits for it.

use mqtt_testkit::{BrokerConfig, Server};

use crate::programs::{Broker, Program, until};

/// `count` messages for a session that is away, printed by one call after the other.
fn check(broker: &Broker, version: &str, qos: &str) {
    let port = &broker.port.to_string();
    let common = ["-p", port, "-V", version, "-q", qos, "-t", "work/#"];
    let client = format!("worker-{version}-{qos}");
    let session = [&["sub", "-c", "-i", &client], &common[..]].concat();
    Program::mqtt(&[&session[..], &["-E"]].concat()).succeed();

    let mut says = Program::mqtt(&["pub", "-p", port, "-V", version, "-q", qos, "-t", "work/item", "-l"]);
    (0..50).for_each(|number| says.write(format!("{number}\n").as_bytes()));
    says.succeed();

    let mut printed = Vec::new();
    for count in ["1", "19", "30"] {
        printed.extend(Program::mqtt(&[&session[..], &["-C", count]].concat()).succeed());
    }
    let expected: String = (0..50).map(|number| format!("{number}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&printed), expected, "{version}, QoS {qos}");
    let rest = Program::mqtt(&[&session[..], &["-W", "1"]].concat()).end();
    assert_eq!((rest.code, rest.stdout.len()), (Some(27), 0), "{version}, QoS {qos}");
}

#[test]
fn only_what_was_printed_is_acknowledged_at_our_broker() {
    let broker = Broker::ours(&[]);
    for version in ["311", "5"] {
        check(&broker, version, "1");
        check(&broker, version, "2");
    }
}

#[test]
fn only_what_was_printed_is_acknowledged_at_mosquitto() {
    let broker = Broker::mosquitto();
    for version in ["311", "5"] {
        check(&broker, version, "1");
        check(&broker, version, "2");
    }
}

#[test]
fn a_session_with_an_end_ends() {
    let broker = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let port = &broker.addr().port().to_string();
    let session = ["sub", "-p", port, "-c", "-i", "short", "-x", "1", "-q", "1", "-t", "a"];
    Program::mqtt(&[&session[..], &["-E"]].concat()).succeed();
    until("the session has expired", || broker.with_broker(|broker| !broker.has_session("short")));
    Program::mqtt(&["pub", "-p", port, "-t", "a", "-m", "too late", "-q", "1"]).succeed();
    let rest = Program::mqtt(&[&session[..], &["-W", "1"]].concat()).end();
    assert_eq!((rest.code, rest.stdout.len()), (Some(27), 0));
}
