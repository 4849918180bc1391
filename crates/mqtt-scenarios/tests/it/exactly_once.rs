//! The proof of QoS 2: ten thousand messages, once and in order, whatever happens to the broker and the links meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mqtt_client_core::codec::{AckKind, QoS, ReasonCode, Side};
use mqtt_client_core::{Completion, Delivered, OptionsBuilder, Reconnect};
use mqtt_scenarios::{Adapter, Case, Client, Mosquitto, Subscription, until};
use mqtt_testkit::{BrokerConfig, CutAfter, Proxy, ProxyConfig, Server};

scenarios!(
    through_mosquitto_restarted_meanwhile,
    through_mosquitto_over_a_link_cut_every_few_hundred_milliseconds,
    through_our_broker_over_a_link_cut_every_few_hundred_milliseconds,
    through_our_broker_over_links_cut_within_messages,
    through_our_broker_over_links_cut_within_acknowledgements,
);

const COUNT: usize = 10_000;
/// How often the link has to break, or the broker to restart, while messages flow.
const BREAKS: u64 = 3;

/// The ways of the two clients to their broker.
struct Ways<'a> {
    publisher: &'a str,
    subscriber: &'a str,
}

/// Publishes the messages, at the pace given; reads them; and lets `disturb` do its worst until they are all there. It is
/// told how many have arrived.
fn check<A: Adapter>(
    case: &Case<A>,
    ways: &Ways<'_>,
    options: impl Fn(OptionsBuilder) -> OptionsBuilder,
    pace: Duration,
    mut disturb: impl FnMut(usize) + Send,
) {
    // The link may break before the first connection, too.
    let reconnect = Reconnect {
        first_wait: Duration::from_millis(10),
        max_wait: Duration::from_millis(100),
        retry_initial: true,
        ..Reconnect::default()
    };
    let client = |url, id| case.connect_with(options(case.persistent(url, id).reconnect(reconnect)));
    let subscriber = client(ways.subscriber, "subscriber");
    let publisher = client(ways.publisher, "publisher");
    let mut messages = subscriber.subscribe("exactly/once").unwrap();
    let arrived = AtomicUsize::new(0);
    let over = AtomicBool::new(false);

    thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let mut completions = Vec::with_capacity(COUNT);
            for i in 0..COUNT {
                if i % 200 == 199 {
                    thread::sleep(pace);
                }
                let publish = publisher.publish("exactly/once", i.to_string()).qos(QoS::ExactlyOnce);
                completions.push(publisher.wait(publish.enqueue()).unwrap());
            }
            for (i, completion) in completions.into_iter().enumerate() {
                assert_acknowledged(i, &publisher, completion);
            }
        });
        let disturbing = scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                disturb(arrived.load(Ordering::Acquire));
                thread::sleep(Duration::from_millis(5));
            }
        });
        // Whatever fails, the others have to end, or the scope never would.
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for i in 0..COUNT {
                // A message that is lost shows as a later one in its place, and one that comes twice as itself.
                assert_eq!(messages.message().text(), i.to_string(), "once and in order");
                arrived.store(i + 1, Ordering::Release);
            }
        }));
        over.store(true, Ordering::Release);
        disturbing.join().unwrap();
        if let Err(failed) = read {
            publisher.disconnect();
            std::panic::resume_unwind(failed);
        }
        publishing.join().unwrap();
    });
    messages.stays_silent(Duration::from_millis(100));
    until("all is acknowledged", || {
        subscriber.stats().unacknowledged_messages == 0 && publisher.stats().in_flight == 0
    });
    for (who, client) in [("publisher", &publisher), ("subscriber", &subscriber)] {
        let stats = client.stats();
        assert!(stats.reconnects >= BREAKS, "the {who} had too quiet a life: {stats:?}");
        assert_eq!((stats.dropped_messages, stats.unclaimed_messages, stats.pending_publishes), (0, 0, 0));
    }
}

fn assert_acknowledged<C: Client>(i: usize, publisher: &C, completion: Completion) {
    match publisher.wait(completion) {
        Ok(Delivered::Acknowledged(ack)) => {
            // A broker that has completed the flow before the link broke does not know its packet id any more.
            let known = matches!(ack.reason, ReasonCode::Success | ReasonCode::PacketIdentifierNotFound);
            assert!(ack.kind == AckKind::Pubcomp && known, "message {i}: {ack:?}");
        }
        other => panic!("message {i}: {other:?}"),
    }
}

fn through_mosquitto_restarted_meanwhile<A: Adapter>(case: &Case<A>) {
    let mut mosquitto = Mosquitto::start();
    let url = mosquitto.url();
    let mut restarts = 0;
    let ways = Ways { publisher: &url, subscriber: &url };
    check(
        case,
        &ways,
        |options| options,
        Duration::from_millis(10),
        |arrived| {
            // In the middle of it: after a fifth, two fifths, and so on.
            if arrived >= (restarts + 1) * COUNT / 5 && restarts < 4 {
                mosquitto.restart();
                restarts += 1;
            }
        },
    );
}

/// Each connection lives 100 to 300 ms.
fn cutting() -> ProxyConfig {
    ProxyConfig { seed: 7, cut_every: Some(Duration::from_millis(200)), ..ProxyConfig::default() }
}

fn through_mosquitto_over_a_link_cut_every_few_hundred_milliseconds<A: Adapter>(case: &Case<A>) {
    // The proxy confirms late what it has received, for which mosquitto would wait with each small packet.
    let mosquitto = Mosquitto::start_with("set_tcp_nodelay true");
    let proxy = Proxy::start(mosquitto.addr(), cutting()).unwrap();
    let ways = Ways { publisher: &proxy.url(), subscriber: &proxy.url() };
    check(case, &ways, |options| options, Duration::from_millis(30), |_| {});
}

fn through_our_broker_over_a_link_cut_every_few_hundred_milliseconds<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let proxy = Proxy::start(server.addr(), cutting()).unwrap();
    let ways = Ways { publisher: &proxy.url(), subscriber: &proxy.url() };
    check(case, &ways, |options| options, Duration::from_millis(30), |_| {});
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}

/// Each connection ends after a number of bytes of the side that sends messages, within whatever packet that is.
fn through_our_broker_over_links_cut_within_messages<A: Adapter>(case: &Case<A>) {
    cut_within_packets(case, CutAfter::Bytes(Side::Client, 7_001), CutAfter::Bytes(Side::Server, 7_001));
}

/// The same within the acknowledgements.
fn through_our_broker_over_links_cut_within_acknowledgements<A: Adapter>(case: &Case<A>) {
    cut_within_packets(case, CutAfter::Bytes(Side::Server, 3_001), CutAfter::Bytes(Side::Client, 3_001));
}

fn cut_within_packets<A: Adapter>(case: &Case<A>, publisher: CutAfter, subscriber: CutAfter) {
    // What is in flight goes over each new connection anew, which has to get beyond it.
    let options = |options: OptionsBuilder| options.max_in_flight(100);
    let config = BrokerConfig { max_in_flight: 100.try_into().unwrap(), ..BrokerConfig::default() };
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let proxy =
        |cut_after| Proxy::start(server.addr(), ProxyConfig { cut_after, ..ProxyConfig::default() }).unwrap();
    let (publisher, subscriber) = (proxy(publisher), proxy(subscriber));
    let ways = Ways { publisher: &publisher.url(), subscriber: &subscriber.url() };
    check(case, &ways, options, Duration::ZERO, |_| {});
    assert!(publisher.cuts() > 20 && subscriber.cuts() > 20);
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}
