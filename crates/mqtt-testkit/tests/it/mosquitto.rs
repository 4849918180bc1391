//! mosquitto_pub, mosquitto_sub and mosquitto_rr against our server.

use std::time::Duration;

use mqtt_codec::PacketKind;
use mqtt_testkit::{BrokerConfig, Fault, Server};

use crate::programs::{Program, until};

const INSTALL: &str = "apt-get update && apt-get install -y --no-install-recommends mosquitto-clients";
const VERSIONS: [&str; 2] = ["311", "5"];
const QOS: [&str; 3] = ["0", "1", "2"];

/// A server, and the programs that talk to it.
struct Bed {
    server: Server,
    port: String,
}

impl Bed {
    fn new(config: BrokerConfig) -> Self {
        let server = Server::bind("127.0.0.1:0", config).unwrap();
        let port = server.addr().port().to_string();
        Self { server, port }
    }

    fn start(&self, program: &str, version: &str, args: &[&str]) -> Program {
        let common = ["-h", "127.0.0.1", "-p", &self.port, "-V", version];
        Program::start(program, INSTALL, &[&common[..], args].concat())
    }

    fn publish(&self, version: &str, args: &[&str]) {
        self.start("mosquitto_pub", version, args).finish();
    }

    /// A subscriber that prints topic, QoS, retain and payload, started.
    fn listen(&self, version: &str, id: &str, filter: &str, args: &[&str]) -> Program {
        let common = ["-i", id, "-t", filter, "-F", "%t %q %r %p"];
        self.start("mosquitto_sub", version, &[&common[..], args].concat())
    }

    /// The same, and subscribed.
    fn subscribe(&self, version: &str, id: &str, filter: &str, args: &[&str]) -> Program {
        let program = self.listen(version, id, filter, args);
        until(&self.server, "subscribed", |broker| broker.is_subscribed(id, filter));
        program
    }

    fn until_away(&self, id: &str) {
        until(&self.server, "away", |broker| !broker.is_connected(id));
    }

    /// A well-known client did nothing that it may not do: neither it nor the broker is wrong about that.
    fn end(self) {
        let violations = self.server.with_broker(|broker| broker.violations().to_vec());
        assert_eq!(violations, []);
    }
}

#[test]
fn every_qos_in_every_version() {
    for subscribed in VERSIONS {
        let bed = Bed::new(BrokerConfig::default());
        let mut sub = bed.subscribe(subscribed, "sub", "plant/#", &["-q", "2"]);
        for published in VERSIONS {
            for qos in QOS {
                bed.publish(published, &["-t", "plant/3", "-q", qos, "-m", "hello"]);
                assert_eq!(sub.line(), format!("plant/3 {qos} 0 hello"));
            }
        }
        for granted in QOS {
            let mut lower =
                bed.subscribe(subscribed, &format!("lower-{granted}"), "plant/+", &["-q", granted]);
            bed.publish(subscribed, &["-t", "plant/4", "-q", "1", "-m", "x"]);
            let qos = granted.min("1");
            assert_eq!(lower.line(), format!("plant/4 {qos} 0 x"));
            assert_eq!(sub.line(), "plant/4 1 0 x");
        }
        bed.end();
    }
}

#[test]
fn retained_messages() {
    for version in VERSIONS {
        let bed = Bed::new(BrokerConfig::default());
        let mut early = bed.subscribe(version, "early", "#", &["-q", "1"]);
        bed.publish(version, &["-t", "state/a", "-q", "1", "-r", "-m", "on"]);
        bed.publish(version, &["-t", "state/b", "-r", "-m", "off"]);
        assert_eq!((early.line(), early.line()), ("state/a 1 0 on".to_owned(), "state/b 0 0 off".to_owned()));
        let late = bed.listen(version, "late", "state/+", &["-q", "2", "-C", "2"]);
        assert_eq!(late.finish(), ["state/a 1 1 on", "state/b 0 1 off"]);
        bed.publish(version, &["-t", "state/a", "-r", "-n"]);
        assert_eq!(bed.server.with_broker(|broker| broker.retained_count()), 1);
        bed.end();
    }
}

#[test]
fn a_killed_client_leaves_its_will() {
    for version in VERSIONS {
        let bed = Bed::new(BrokerConfig::default());
        let mut watcher = bed.subscribe(version, "watcher", "wills/+", &["-q", "2"]);
        let will = |payload| {
            ["--will-topic", "wills/a", "--will-payload", payload, "--will-qos", "1", "--will-retain"]
        };
        bed.subscribe(version, "a", "none", &will("killed")).kill();
        assert_eq!(watcher.line(), "wills/a 1 0 killed");
        assert_eq!(bed.server.with_broker(|broker| broker.retained_count()), 1);
        // Who ends well leaves none.
        let polite = bed.subscribe(version, "b", "bye", &[&will("never")[..], &["-C", "1"]].concat());
        bed.publish(version, &["-t", "bye", "-m", "x"]);
        polite.finish();
        bed.publish(version, &["-t", "wills/end", "-m", "x"]);
        assert_eq!(watcher.line(), "wills/end 0 0 x");
        bed.end();
    }
}

#[test]
fn a_share_is_divided() {
    for version in VERSIONS {
        let bed = Bed::new(BrokerConfig::default());
        let subscribe = |id| bed.subscribe(version, id, "$share/group/work/#", &["-q", "1", "-C", "5"]);
        let workers = [subscribe("a"), subscribe("b")];
        for n in 0..10 {
            bed.publish(version, &["-t", "work/x", "-q", "1", "-m", &n.to_string()]);
        }
        let done = workers.map(|worker| worker.finish().concat());
        assert_eq!(done[0], "work/x 1 0 0work/x 1 0 2work/x 1 0 4work/x 1 0 6work/x 1 0 8");
        assert_eq!(done[1], "work/x 1 0 1work/x 1 0 3work/x 1 0 5work/x 1 0 7work/x 1 0 9");
        bed.end();
    }
}

#[test]
fn a_persistent_session_waits_for_its_client() {
    for version in VERSIONS {
        let bed = Bed::new(BrokerConfig::default());
        let expiry: &[&str] = if version == "5" { &["-x", "1000"] } else { &[] };
        let args = |more: &[&'static str]| [&["-c", "-q", "2"], expiry, more].concat();
        bed.subscribe(version, "p", "queue/#", &args(&[])).kill();
        bed.until_away("p");
        for n in 0..100 {
            let qos = QOS[1 + n % 2];
            bed.publish(version, &["-t", "queue/x", "-q", qos, "-m", &n.to_string()]);
        }
        let heard = bed.listen(version, "p", "queue/#", &args(&["-C", "100"])).finish();
        // Order is kept within each QoS.
        for qos in 1..=2 {
            let of_qos = |line: &&String| line.contains(&format!("queue/x {qos} 0"));
            let expected = (qos - 1..100).step_by(2).map(|n| format!("queue/x {qos} 0 {n}"));
            assert!(heard.iter().filter(of_qos).eq(expected.collect::<Vec<_>>().iter()), "{heard:?}");
        }
        until(&bed.server, "acknowledged", |broker| broker.backlog("p") == Some(0));
        bed.end();
    }
}

#[test]
fn many_messages_arrive_once_and_in_order() {
    let count = 5_000;
    for version in VERSIONS {
        for qos in QOS {
            let bed = Bed::new(BrokerConfig::default());
            let sub = bed.subscribe(version, "sub", "many", &["-q", qos, "-C", &count.to_string()]);
            let lines: Vec<_> = (0..count).map(|n| n.to_string()).collect();
            let args = ["-h", "127.0.0.1", "-p", &bed.port, "-V", version, "-t", "many", "-q", qos, "-l"];
            Program::start_with_input("mosquitto_pub", INSTALL, &args, &(lines.join("\n") + "\n")).finish();
            let expected: Vec<_> = lines.iter().map(|n| format!("many {qos} 0 {n}")).collect();
            assert!(sub.finish() == expected, "MQTT {version}, QoS {qos}: not once and in order");
            bed.end();
        }
    }
}

#[test]
fn requests_are_answered() {
    let bed = Bed::new(BrokerConfig::default());
    let args = ["-t", "ask", "-e", "answer", "-m", "what?", "-q", "2"];
    let rr = bed.start("mosquitto_rr", "311", &args);
    answer(&bed, "311", "asks", &["-t", "answer"]);
    assert_eq!(rr.finish(), ["that"]);

    let data = ["-D", "publish", "correlation-data", "no. 7"];
    let rr = bed.start("mosquitto_rr", "5", &[&args[..], &data].concat());
    answer(&bed, "5", "asks 5", &["-t", "answer", "-D", "publish", "correlation-data", "no. 7"]);
    assert_eq!(rr.finish(), ["that"]);
    bed.end();
}

/// Sends the answer once the request has gone through the broker.
fn answer(bed: &Bed, version: &str, what: &str, args: &[&str]) {
    let asked = |broker: &mut mqtt_testkit::Broker| {
        let asks =
            broker.stats().topics.iter().find(|(topic, _)| *topic == "ask").map_or(0, |(_, n)| n.received);
        asks == if version == "311" { 1 } else { 2 }
    };
    until(&bed.server, what, asked);
    bed.publish(version, &[args, &["-q", "1", "-m", "that"]].concat());
}

#[test]
fn properties_of_a_message_arrive() {
    let bed = Bed::new(BrokerConfig::default());
    let args = ["-F", "%p|%C|%R|%D|%P|%E", "-C", "1"];
    let sub = bed.subscribe("5", "sub", "t", &args);
    let property = |name, value| ["-D", "publish", name, value];
    let properties = [
        property("content-type", "text/plain"),
        property("response-topic", "back"),
        property("correlation-data", "7"),
        property("message-expiry-interval", "60"),
    ];
    let user = ["-D", "publish", "user-property", "k", "v"];
    bed.publish("5", &[&["-t", "t", "-m", "x"][..], properties.as_flattened(), &user].concat());
    assert_eq!(sub.finish(), ["x|text/plain|back|7|k:v|60"]);
    bed.end();
}

#[test]
fn who_is_not_let_in_is_told() {
    let config = BrokerConfig {
        users: [("ann".to_owned(), b"secret".to_vec())].into(),
        allow_anonymous: false,
        ..BrokerConfig::default()
    };
    let bed = Bed::new(config);
    for version in VERSIONS {
        let message = ["-t", "t", "-m", "x"];
        bed.publish(version, &[&message[..], &["-u", "ann", "-P", "secret"]].concat());
        let wrong =
            bed.start("mosquitto_pub", version, &[&message[..], &["-u", "ann", "-P", "guess"]].concat());
        let said = wrong.fail().to_lowercase();
        assert!(said.contains("bad user name or password"), "{said}");
        let said = bed.start("mosquitto_pub", version, &message).fail().to_lowercase();
        assert!(said.contains("not authori"), "{said}");
    }
    bed.end();
}

/// A QoS 2 delivery that is cut at each of its packets arrives once.
fn check_cut_deliveries(version: &str) {
    let bed = Bed::new(BrokerConfig::default());
    let expiry: &[&str] = if version == "5" { &["-x", "1000"] } else { &[] };
    let mut sub = bed.subscribe(version, "sub", "t", &[&["-c", "-q", "2"], expiry].concat());
    for (n, fault) in [
        Fault::sent(PacketKind::Publish).cut_before(),
        Fault::sent(PacketKind::Publish).cut_after_bytes(3),
        Fault::received(PacketKind::Pubrec).cut_before(),
        Fault::sent(PacketKind::Pubrel).cut_before(),
        Fault::received(PacketKind::Pubcomp).cut_before(),
        Fault::received(PacketKind::Pubcomp).cut_after(),
    ]
    .into_iter()
    .enumerate()
    {
        bed.server.with_broker(|broker| broker.inject(fault));
        bed.publish(version, &["-t", "t", "-q", "2", "-m", &n.to_string()]);
        assert_eq!(sub.line(), format!("t 2 0 {n}"));
        // mosquitto_sub comes back after a second.
        until(&bed.server, "cut and acknowledged", |broker| {
            broker.waiting_faults() == 0 && broker.is_connected("sub") && broker.backlog("sub") == Some(0)
        });
    }
    assert!(sub.is_silent_for(Duration::from_millis(100)));
    bed.end();
}

#[test]
fn a_cut_delivery_arrives_once_in_3_1_1() {
    check_cut_deliveries("311");
}

#[test]
fn a_cut_delivery_arrives_once_in_5_0() {
    check_cut_deliveries("5");
}
