//! paho-mqtt (Python) against our server: `paho_client.py` does the checking.

use std::env;
use std::path::Path;

use mqtt_testkit::{BrokerConfig, Server};

use crate::programs::Program;

const INSTALL: &str =
    "cargo xtask install (a virtual environment in target/paho; MQTT_PAHO_PYTHON names another)";

#[test]
fn paho_finds_nothing_wrong() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = env::var("MQTT_PAHO_PYTHON")
        .unwrap_or_else(|_| crate_folder.join("../../target/paho/bin/python").display().to_string());
    let script = crate_folder.join("tests/it/paho_client.py").display().to_string();
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let port = server.addr().port().to_string();
    let said = Program::start(&python, INSTALL, &[&script, &port]).finish();
    assert_eq!(said, ["all well"]);
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}
