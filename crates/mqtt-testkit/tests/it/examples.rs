//! The examples of the layers below the clients, run against the broker and against what it sends.

use mqtt_codec::{Side, Version};
use mqtt_testkit::{BrokerConfig, Server};

#[path = "../../../mqtt-codec/examples/decode.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod decode;
#[path = "../../../mqtt-session/examples/session_loop.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod session_loop;

#[test]
fn a_session_with_a_loop_written_by_hand_talks_to_a_broker() {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    for version in [Version::V311, Version::V5] {
        session_loop::talk(&server.addr().to_string(), "some/topic", version).unwrap();
    }
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
    assert_eq!(server.with_broker(|broker| broker.stats().received), 6, "each QoS in each version");
}

#[test]
fn the_codec_alone_reads_packets_and_says_what_is_wrong_with_them() {
    decode::show_sample();
    decode::show(Version::V5, Side::Client, "30 05 00 01 61 00 68").unwrap();
    let told = decode::show(Version::V5, Side::Client, "30 06 00 03 61 2f 23 00").unwrap_err();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert_eq!(lines[1].trim(), "30 06 00 03 61 2f 23 00");
    assert_eq!(lines[2].trim(), "^^");
}
