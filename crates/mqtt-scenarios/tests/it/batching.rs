//! One write carries many packets, and one read serves many: counted where the system counts them.

use std::fs;
use std::sync::{Arc, Mutex};

use mqtt_client_core::codec::QoS;
use mqtt_scenarios::{Adapter, Case, Client, Subscription, until};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(many_small_packets_go_out_in_few_writes);

/// What a thread has done so far, as Linux counts it (proc(5), `/proc/pid/task/tid/io`).
#[derive(Clone, Copy, Debug)]
struct Io {
    writes: u64,
    written: u64,
}

impl Io {
    fn of_this_thread() -> Self {
        let text =
            fs::read_to_string("/proc/thread-self/io").expect("Linux counts a thread's input and output");
        let figure = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the figure is there");
            line.trim().parse().expect("it is a number")
        };
        Io { writes: figure("syscw:"), written: figure("wchar:") }
    }
}

/// The packet hook runs on the driver, so it can look at what the driver's thread has done before and after.
fn many_small_packets_go_out_in_few_writes<A: Adapter>(case: &Case<A>) {
    // Fewer than a stream keeps unread.
    const COUNT: usize = 4_000;
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let seen: Arc<Mutex<Vec<Io>>> = Arc::default();
    let hook = Arc::clone(&seen);
    let options =
        case.options(&server.url()).on_packet(move |_| hook.lock().unwrap().push(Io::of_this_thread()));
    let client = case.connect_with(options);
    let mut messages = case.connect(&server.url()).subscribe("small").unwrap();

    let publish = |i: usize| client.publish("small", format!("{i:05}")).qos(QoS::AtMostOnce);
    let completions: Vec<_> = (0..COUNT).map(|i| publish(i).try_enqueue().unwrap()).collect();
    for completion in completions {
        client.wait(completion).unwrap();
    }
    for i in 0..COUNT {
        assert_eq!(messages.message().text(), format!("{i:05}"));
    }
    // The last look comes with a packet that goes out after all of them.
    client.ping().unwrap();
    until("the hook has seen the ping and its answer", || seen.lock().unwrap().len() >= COUNT + 4);

    let seen = seen.lock().unwrap();
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    let bytes = last.written - first.written;
    let writes = last.writes - first.writes;
    assert!(bytes >= COUNT as u64 * 14, "the driver's writes are among those counted: {bytes} bytes");
    assert!(writes <= COUNT as u64 / 20, "{writes} writes for {COUNT} messages");
}
