//! Our clients and mosquitto's, through mosquitto.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use mqtt_client_core::codec::QoS;
use mqtt_scenarios::{Adapter, Case, Client, Mosquitto, PATIENCE, Subscription};

scenarios!(we_hear_mosquitto_pub, mosquitto_sub_hears_us);

const LEVELS: [(QoS, &str); 3] = [(QoS::AtMostOnce, "0"), (QoS::AtLeastOnce, "1"), (QoS::ExactlyOnce, "2")];
const VERSIONS: [&str; 2] = ["311", "5"];

/// A program that is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of mosquitto's clients, with `-V`, the port and these arguments.
fn run(program: &str, mosquitto: &Mosquitto, version: &str, args: &[&str]) -> Running {
    let port = mosquitto.addr().port().to_string();
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &port, "-V", version]).args(args);
    match command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn() {
        Ok(child) => Running(child),
        Err(error) => panic!(
            "{program}: {error}; install it with: apt-get update && apt-get install -y --no-install-recommends \
             mosquitto-clients"
        ),
    }
}

fn we_hear_mosquitto_pub<A: Adapter>(case: &Case<A>) {
    let mosquitto = Mosquitto::start();
    let mut messages = case.connect(&mosquitto.url()).subscribe("interop/#").unwrap();
    for version in VERSIONS {
        for (qos, level) in LEVELS {
            let args = ["-t", "interop/in", "-q", level, "-m", "hello"];
            let mut publisher = run("mosquitto_pub", &mosquitto, version, &args);
            let message = messages.message();
            assert_eq!((message.topic(), &*message.text(), message.qos()), ("interop/in", "hello", qos));
            assert!(publisher.0.wait().unwrap().success());
        }
    }
}

fn mosquitto_sub_hears_us<A: Adapter>(case: &Case<A>) {
    let mosquitto = Mosquitto::start();
    let client = case.connect(&mosquitto.url());
    let announce = |text: &'static str| {
        client.wait(client.publish("interop/out", text).qos(QoS::AtLeastOnce).retain(true)).unwrap();
    };
    for version in VERSIONS {
        announce("");
        let args = ["-t", "interop/out", "-q", "2", "-F", "%t %q %p", "-C", "4"];
        let mut subscriber = run("mosquitto_sub", &mosquitto, version, &args);
        let lines = BufReader::new(subscriber.0.stdout.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        // A retained message shows when it has subscribed.
        announce("ready");
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), "interop/out 1 ready");
        for (qos, level) in LEVELS {
            client.send("interop/out", "hello", qos).unwrap();
            assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), format!("interop/out {level} hello"));
        }
    }
}
