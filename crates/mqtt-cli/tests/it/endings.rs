//! Signals, closed pipes, and links that break: the program ends in good order, or goes on.

use mqtt_testkit::{BrokerConfig, Fault, Server};
use mqtt_tokio::PacketKind;

use crate::programs::{Broker, Program};

fn publish(broker: &Broker, topic: &str, payload: &str) {
    let port = &broker.port.to_string();
    Program::mqtt(&["pub", "-p", port, "-q", "1", "-t", topic, "-m", payload]).succeed();
}

fn subscriber(broker: &Broker, args: &[&str]) -> Program {
    let mut program = Program::mqtt(&[&["sub", "-d", "-p", &broker.port.to_string()], args].concat());
    program.until_error_with("SUBACK");
    program
}

#[test]
fn an_interrupted_subscriber_says_goodbye_and_a_killed_one_has_a_will() {
    for broker in [Broker::ours(&[]), Broker::mosquitto()] {
        for version in ["311", "5"] {
            let mut witness = subscriber(&broker, &["-t", "gone"]);
            let with_will = || {
                subscriber(
                    &broker,
                    &["-V", version, "-t", "a", "--will-topic", "gone", "--will-payload", "will"],
                )
            };
            for signal in ["INT", "TERM"] {
                let sub = with_will();
                sub.signal(signal);
                let ended = sub.end();
                assert_eq!(ended.code, Some(0), "{}", ended.stderr);
                assert!(ended.stderr.contains("DISCONNECT"), "{}", ended.stderr);
                publish(&broker, "gone", "no will");
                assert_eq!(witness.line(), "no will");
            }
            with_will().signal("KILL");
            assert_eq!(witness.line(), "will");
        }
    }
}

#[test]
fn an_interrupted_publisher_brings_out_what_it_has_read() {
    let broker = Broker::ours(&[]);
    let mut witness = subscriber(&broker, &["-t", "a", "-q", "2"]);
    let mut says = Program::mqtt(&["pub", "-p", &broker.port.to_string(), "-q", "2", "-t", "a", "-l"]);
    says.write(b"one\ntwo\n");
    assert_eq!((witness.line().as_str(), witness.line().as_str()), ("one", "two"));
    says.signal("INT");
    says.succeed();
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_without_a_word() {
    let broker = Broker::ours(&[]);
    let port = &broker.port.to_string();
    let mut sub = Program::mqtt(&["sub", "-p", port, "-t", "tick"]);
    let ticks = Program::mqtt(&[
        "pub",
        "-p",
        port,
        "-t",
        "tick",
        "-m",
        "x",
        "--repeat",
        "100000",
        "--repeat-delay",
        "0.02",
    ]);
    sub.line();
    sub.close_output();
    let ended = sub.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    drop(ticks);

    let mut demo = Program::mqtt(&["demo"]);
    demo.line();
    demo.close_output();
    let ended = demo.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
}

#[test]
fn a_broker_that_comes_back_is_found_again_and_nothing_is_lost() {
    let broker = Broker::ours(&[]);
    let port = broker.port;
    let mut sub = subscriber(&broker, &["-q", "1", "-t", "a"]);
    let mut says = Program::mqtt(&["pub", "-p", &port.to_string(), "-q", "1", "-t", "a", "-l"]);
    says.write(b"before\n");
    assert_eq!(sub.line(), "before");

    broker.interrupt();
    let lost = sub.until_error_with("next attempt in");
    assert!(lost.starts_with(&format!("mqtt: mqtt://localhost:{port}: ")), "{lost}");
    says.until_error_with("next attempt in");
    let broker = Broker::ours_at(port, &[]);
    // It says so only when the lost subscription is restored: now there is somebody to publish for.
    sub.until_error_with("connected again");
    says.write(b"after\n");
    assert_eq!(sub.line(), "after");
    says.succeed();
    drop(broker);
}

#[test]
fn a_broker_ends_on_request_and_sums_up() {
    let broker = Broker::ours(&[]);
    let mut sub = subscriber(&broker, &["-t", "#"]);
    publish(&broker, "a", "x");
    sub.line();
    let said = String::from_utf8(broker.interrupt()).unwrap();
    assert!(said.contains("never for production"), "{said}");
    assert!(said.contains("ended after 2 connections: 1 message received, 1 delivered"), "{said}");
}

#[test]
fn a_second_interruption_ends_at_once() {
    // Nobody will ever answer: the first interruption waits for the outcome as long as it may take.
    let faults = vec![Fault::received(PacketKind::Publish).always().lose()];
    let broker = Server::bind("127.0.0.1:0", BrokerConfig { faults, ..BrokerConfig::default() }).unwrap();
    let port = &broker.addr().port().to_string();
    let mut says = Program::mqtt(&["pub", "-p", port, "-q", "1", "-t", "a", "-l", "-d"]);
    says.until_error_with("CONNACK");
    says.write(b"never\n");
    says.until_error_with("PUBLISH");
    says.signal("INT");
    says.until_error_with("interrupted; 1 message still on the way");
    says.signal("INT");
    assert_eq!(says.end().code, Some(130));
}

#[test]
fn an_interrupted_publisher_that_can_not_deliver_says_so() {
    let broker = Broker::ours(&[]);
    let port = &broker.port.to_string();
    let mut says = Program::mqtt(&["pub", "-p", port, "-q", "2", "-t", "a", "-l", "-d"]);
    // Of a link that is lost before it has noticed that it is connected, it says nothing.
    says.write(b"first\n");
    says.until_error_with("PUBCOMP");
    drop(broker);
    says.until_error_with("next attempt in");
    // Far more than a pipe and the lines that it reads ahead: once this is written, it has taken some for messages.
    says.write(&[&b"never ".repeat(700)[..], b"\n"].concat().repeat(500));
    says.signal("TERM");
    let ended = says.end();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("message 2 to a: the message was not sent: "), "{}", ended.stderr);
}
