//! What clients take of a machine while they do nothing.

use std::fs;
use std::process::{Command, Stdio};

use mqtt_scenarios::{Adapter, Case, until};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(only 5.0: buffers_grow_with_use_and_not_with_clients);

/// Bytes of resident memory of one more client, its thread included: far less than the largest packet, or than a window of
/// messages.
const AT_MOST: usize = 256 << 10;

fn buffers_grow_with_use_and_not_with_clients<A: Adapter>(_: &Case<A>) {
    let [few, many] = [1, 101].map(resident::<A>);
    let each = many.saturating_sub(few) / 100;
    assert!(each < AT_MOST, "{each} bytes for each client");
}

/// Bytes of memory that a process with so many connected clients has.
fn resident<A: Adapter>(count: usize) -> usize {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_stay"))
        .args([A::NAME, &server.url(), &count.to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    until("all have connected", || server.with_broker(|broker| broker.connection_count()) == count);
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    // Its input ends, and so does the process.
    drop(process.stdin.take());
    process.wait().unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
