//! A broker for the scenarios that any broker has to play along with.

use std::{env, thread};

use mqtt_testkit::{BrokerConfig, Server};

use crate::Mosquitto;

/// Names a broker that runs already: the part of its URL between `//` and `/`.
const ELSEWHERE: &str = "MQTT_TEST_BROKER";

/// A broker that runs while this lives. In-process, it is held against a client at the end if it did what a client may not.
#[derive(Debug)]
pub struct Bed {
    name: &'static str,
    url: String,
    broker: Broker,
}

#[derive(Debug)]
enum Broker {
    InProcess(Server),
    Mosquitto { _running: Mosquitto },
    Elsewhere,
}

impl Bed {
    /// Every broker there is, one after the other: ours, mosquitto, and the one that `MQTT_TEST_BROKER` names.
    pub fn each() -> impl Iterator<Item = Bed> {
        let kinds: [fn() -> Option<Bed>; 3] =
            [|| Some(Bed::in_process()), || Some(Bed::mosquitto()), Bed::elsewhere];
        kinds.into_iter().filter_map(|make| make())
    }

    /// A new broker of ours.
    ///
    /// # Panics
    /// When no port is free.
    pub fn in_process() -> Self {
        let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a loopback port is free");
        Bed { name: "in-process", url: server.url(), broker: Broker::InProcess(server) }
    }

    /// A new mosquitto.
    ///
    /// # Panics
    /// When it does not start.
    pub fn mosquitto() -> Self {
        let mosquitto = Mosquitto::start();
        Bed { name: "mosquitto", url: mosquitto.url(), broker: Broker::Mosquitto { _running: mosquitto } }
    }

    fn elsewhere() -> Option<Self> {
        let url = format!("mqtt://{}", env::var(ELSEWHERE).ok()?);
        Some(Bed { name: ELSEWHERE, url, broker: Broker::Elsewhere })
    }

    /// Whether it is ours.
    pub fn is_in_process(&self) -> bool {
        matches!(self.broker, Broker::InProcess(_))
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if thread::panicking() {
            #[expect(
                clippy::print_stderr,
                reason = "says where a scenario failed that runs against several brokers"
            )]
            {
                eprintln!("against the broker: {}", self.name);
            }
        } else if let Broker::InProcess(server) = &self.broker {
            let violations = server.with_broker(|broker| broker.violations().to_vec());
            assert_eq!(violations, [], "a client did what it may not");
        }
    }
}
