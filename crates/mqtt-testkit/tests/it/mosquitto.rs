//! mosquitto_pub, mosquitto_sub and mosquitto_rr against our server.

use mqtt_testkit::{BrokerConfig, Server};

use crate::programs::{Program, until};

const INSTALL: &str = "apt-get update && apt-get install -y --no-install-recommends mosquitto-clients";
const VERSIONS: [&str; 2] = ["311", "5"];
const QOS: [&str; 3] = ["0", "1", "2"];

/// A server that holds what its clients did against them.
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

    /// A subscriber that prints topic, QoS, retain and payload, started and subscribed.
    fn subscribe(&self, version: &str, id: &str, filter: &str, args: &[&str]) -> Program {
        let common = ["-i", id, "-t", filter, "-F", "%t %q %r %p"];
        let program = self.start("mosquitto_sub", version, &[&common[..], args].concat());
        until(&self.server, "subscribed", |broker| broker.is_subscribed(id, filter));
        program
    }

    fn end(self) {
        let violations = self.server.with_broker(|broker| broker.violations().to_vec());
        assert_eq!(violations, []);
    }
}

#[test]
fn every_qos_in_every_version() {
    let bed = Bed::new(BrokerConfig::default());
    for subscribed in VERSIONS {
        let mut sub = bed.subscribe(subscribed, "sub", "plant/#", &["-q", "2"]);
        for published in VERSIONS {
            for qos in QOS {
                bed.publish(published, &["-t", "plant/3", "-q", qos, "-m", "hello"]);
                assert_eq!(sub.line(), format!("plant/3 {qos} 0 hello"));
            }
        }
        for granted in QOS {
            let mut lower = bed.subscribe(subscribed, "lower", "plant/+", &["-q", granted]);
            bed.publish(subscribed, &["-t", "plant/4", "-q", "1", "-m", "x"]);
            let qos = granted.min("1");
            assert_eq!(lower.line(), format!("plant/4 {qos} 0 x"));
            assert_eq!(sub.line(), "plant/4 1 0 x");
        }
    }
    bed.end();
}
