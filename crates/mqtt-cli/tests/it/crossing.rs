//! Ours and mosquitto's programs hear each other, through either broker.

use crate::programs::{Broker, Program};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Whose {
    Ours,
    Theirs,
}
use Whose::{Ours, Theirs};

fn publisher(whose: Whose, args: &[&str]) -> Program {
    match whose {
        Ours => Program::mqtt(&[&["pub"], args].concat()),
        Theirs => Program::start("mosquitto_pub", args),
    }
}

fn subscriber(whose: Whose, args: &[&str]) -> Program {
    match whose {
        Ours => Program::mqtt(&[&["sub"], args].concat()),
        Theirs => Program::start("mosquitto_sub", args),
    }
}

/// A subscriber of ours whose subscription the broker has granted.
fn granted(args: &[&str]) -> Program {
    let mut program = subscriber(Ours, &[&["-d"], args].concat());
    program.until_error_with("SUBACK");
    program
}

/// Each pair that one of ours is part of, at each QoS: three messages, once each and in order.
fn check(broker: &Broker, version: &str) {
    let port = &broker.port.to_string();
    for (from, to) in [(Ours, Theirs), (Theirs, Ours), (Ours, Ours)] {
        for qos in ["0", "1", "2"] {
            let topic = &format!("crossing/{from:?}/{to:?}/{qos}");
            let common = ["-p", port, "-V", version, "-q", qos];
            let publisher = |args: &[&str]| publisher(from, &[&common[..], args].concat());
            // A retained message comes as soon as there is a subscription.
            publisher(&["-t", &format!("{topic}/state"), "-r", "-m", "ready"]).succeed();
            let filter = &format!("{topic}/#");
            let mut hears =
                subscriber(to, &[&common[..], &["-t", filter, "-C", "4", "-F", "%t %q %r %p"]].concat());
            assert_eq!(hears.line(), format!("{topic}/state {qos} 1 ready"));
            let mut says = publisher(&["-t", topic, "-l"]);
            says.write(b"one\ntwo with spaces\nthree \xc3\xa4\n");
            says.succeed();
            for payload in ["one", "two with spaces", "three ä"] {
                assert_eq!(hears.line(), format!("{topic} {qos} 0 {payload}"));
            }
            hears.succeed();
        }
    }
}

#[test]
fn through_our_broker_in_3_1_1() {
    check(&Broker::ours(&[]), "311");
}

#[test]
fn through_our_broker_in_5_0() {
    check(&Broker::ours(&[]), "5");
}

// [3.1.1 MQTT-7.0.0-2]: this broker and its programs have nothing but the standard in common with ours, and no option of
// either asks for more.
#[test]
fn through_mosquitto_in_3_1_1() {
    check(&Broker::mosquitto(), "311");
}

#[test]
fn through_mosquitto_in_5_0() {
    check(&Broker::mosquitto(), "5");
}

#[test]
fn ten_thousand_messages_of_qos_2_arrive_once_and_in_order() {
    let all: String = (0..10_000).map(|number| format!("{number}\n")).collect();
    for broker in [Broker::ours(&[]), Broker::mosquitto()] {
        let port = &broker.port.to_string();
        for version in ["311", "5"] {
            let common = ["-p", port, "-V", version, "-q", "2", "-t", "all"];
            let hears = granted(&[&common[..], &["-C", "10000"]].concat());
            let mut says = publisher(Ours, &[&common[..], &["-l"]].concat());
            says.write(all.as_bytes());
            says.succeed();
            assert!(hears.succeed() == all.as_bytes());
        }
    }
}

/// Every byte there is, line ends, and what looks like a format.
fn binary() -> Vec<u8> {
    let all = (0..=255).cycle().take(70_000);
    all.chain(*b"%t\\n\r\n\n").collect()
}

#[test]
fn payloads_are_bytes_in_both_directions() {
    for broker in [Broker::ours(&[]), Broker::mosquitto()] {
        let port = &broker.port.to_string();
        for (from, to) in [(Ours, Theirs), (Theirs, Ours), (Ours, Ours)] {
            let topic = &format!("binary/{from:?}/{to:?}");
            let mut says = publisher(from, &["-p", port, "-t", topic, "-q", "1", "-r", "-s"]);
            says.write(&binary());
            says.succeed();
            // Retained, so that it does not matter who comes first.
            let args = ["-p", port, "-t", topic, "-C", "1", "-N"];
            let heard = subscriber(to, &args).succeed();
            assert!(heard == binary(), "{from:?} to {to:?}: {} bytes", heard.len());
        }
    }
}

#[test]
fn a_file_an_empty_payload_and_a_word_are_payloads() {
    let broker = Broker::ours(&[]);
    let port = &broker.port.to_string();
    let file = std::env::temp_dir().join(format!("mqtt-cli-payload-{}", std::process::id()));
    std::fs::write(&file, "from\na file").unwrap();
    let mut hears = granted(&["-p", port, "-t", "#", "-v", "-q", "2"]);
    let path = file.to_str().unwrap();
    for (payload, expected) in [
        (&["-m", "-5"][..], &["t -5"][..]),
        (&["-n"], &["t (null)"]),
        (&["-f", path], &["t from", "a file"]),
        (&["-m", "again", "--repeat", "3", "--repeat-delay", "0.01"], &["t again", "t again", "t again"]),
        (&["-m", "", "-r", "-q", "2"], &["t (null)"]),
    ] {
        publisher(Ours, &[&["-p", port, "-t", "t"], payload].concat()).succeed();
        for line in expected {
            assert_eq!(hears.line(), *line);
        }
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_url_says_where_who_and_which_topic() {
    let broker = Broker::ours(&["--user", "ann:se@cret"]);
    let at = format!("mqtt://ann:se%40cret@127.0.0.1:{}", broker.port);
    let mut hears = granted(&["-L", &format!("{at}/plant/#"), "-t", "also", "-v"]);
    publisher(Ours, &["-L", &format!("{at}/plant/pump"), "-m", "on"]).succeed();
    assert_eq!(hears.line(), "plant/pump on");
    publisher(Ours, &["-L", &at, "-t", "also", "-m", "this"]).succeed();
    assert_eq!(hears.line(), "also this");
}

#[test]
fn retained_messages_are_told_apart_and_left_out() {
    let broker = Broker::mosquitto();
    let port = &broker.port.to_string();
    publisher(Ours, &["-p", port, "-t", "state", "-m", "old", "-r", "-q", "1"]).succeed();
    let mut all = granted(&["-p", port, "-t", "state", "-F", "%r %p"]);
    assert_eq!(all.line(), "1 old");
    let mut new = granted(&["-p", port, "-t", "state", "-F", "%r %p", "-R"]);
    publisher(Ours, &["-p", port, "-t", "state", "-m", "new", "-q", "1"]).succeed();
    assert_eq!((all.line().as_str(), new.line().as_str()), ("0 new", "0 new"));
}
