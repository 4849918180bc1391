//! Messages of QoS 1 and 2 are admitted beside the core's lock as long as room is lent for them: nobody may notice.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::thread;
use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, QoS};
use mqtt_client_core::{
    Completion, Delivered, Indeterminate, NotSent, Options, OptionsBuilder, Overflow, PublishFailure,
    Subscribing, Subscription,
};
use mqtt_testkit::Fault;

use crate::rig::{Dial, Rig, failure, packets};

const QOS: [QoS; 3] = [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtMostOnce];

fn options() -> OptionsBuilder {
    Options::builder().max_in_flight(3)
}

fn enqueue(rig: &Rig, payload: impl ToString) -> Completion {
    let message = rig.client.publish("a", payload.to_string()).qos(QoS::AtLeastOnce);
    message.try_enqueue().expect("there is room")
}

/// What has arrived, in its order.
fn arrived(rig: &mut Rig, stream: &mut Subscription) -> Vec<u32> {
    std::iter::from_fn(|| rig.ready(stream))
        .map(|message| String::from_utf8_lossy(message.payload()).parse().expect("a number"))
        .collect()
}

#[test]
fn messages_keep_their_order_whichever_way_they_come_in() {
    let mut rig = Rig::connected(options());
    let mut stream = rig.subscribe("a");
    let client = rig.client.clone();
    let (mut sent, mut unasked) = (Vec::new(), Vec::new());
    for number in 0..600_u32 {
        let message = client.publish("a", number.to_string()).qos(QOS[(number % 7 / 3) as usize]);
        match number % 11 {
            // These take the lock.
            0 => sent.push(message.timeout(Duration::from_secs(60)).try_enqueue().expect("there is room")),
            // Of QoS 0, these have no slot.
            1..4 => unasked.push(message.into_future()),
            _ => sent.push(message.try_enqueue().expect("there is room")),
        }
        if number % 50 == 0 {
            rig.settle();
        }
    }
    for completion in sent {
        rig.run(completion).expect("delivered");
    }
    for publishing in unasked {
        rig.run(publishing).expect("delivered");
    }
    assert_eq!(arrived(&mut rig, &mut stream), (0..600).collect::<Vec<_>>());
    assert_eq!(client.stats().pending_publishes, 0);
}

#[test]
fn one_of_qos_0_does_not_overtake_those_that_wait_for_their_turn() {
    let mut rig = Rig::connected(Options::builder().max_in_flight(1));
    let mut stream = rig.subscribe("a");
    let _sent = [1, 2, 3].map(|number| enqueue(&rig, number));
    let mut unasked = rig.client.publish("a", "4").qos(QoS::AtMostOnce).into_future();
    rig.poll(&mut unasked).expect("admitted").expect("queued");
    assert_eq!(arrived(&mut rig, &mut stream), [1, 2, 3, 4]);
}

#[test]
fn more_than_is_lent_at_once_keep_their_order() {
    let mut rig = Rig::connected(options());
    let mut stream = rig.subscribe("a");
    let sent: Vec<Completion> = (0..5000).map(|number| enqueue(&rig, number)).collect();
    for completion in sent {
        rig.run(completion).expect("delivered");
    }
    assert_eq!(arrived(&mut rig, &mut stream), (0..5000).collect::<Vec<_>>());
}

#[test]
fn the_bounds_hold_to_the_message_whoever_admits() {
    for room in [1, 2, 7, 2000] {
        let mut rig = Rig::new(options().max_queued(room, 1 << 30).overflow(Overflow::Refuse));
        let client = rig.client.clone();
        let admitted: Vec<Completion> = (0..room).map(|number| enqueue(&rig, number)).collect();
        let stats = client.stats();
        assert_eq!([stats.pending_publishes, stats.queued_publishes], [room, room]);
        let refused = client.publish("a", "more").qos(QoS::AtLeastOnce).try_enqueue();
        assert!(matches!(failure("a", &refused), PublishFailure::NotSent(NotSent::QueueFull)), "{refused:?}");
        rig.run(client.connect()).expect("connected");
        for completion in admitted {
            rig.run(completion).expect("delivered");
        }
        let stats = client.stats();
        assert_eq!([stats.pending_publishes, stats.pending_bytes], [0, 0]);
        drop(enqueue(&rig, "again"));
    }
}

#[test]
fn the_bound_in_bytes_holds_too() {
    let mut rig = Rig::new(options().max_queued(1000, 4096).overflow(Overflow::Refuse));
    let client = rig.client.clone();
    let publish = || client.publish("a", vec![0; 100]).qos(QoS::AtLeastOnce).try_enqueue();
    let admitted: Vec<Completion> = std::iter::from_fn(|| publish().ok()).collect();
    let (bytes, each) = (client.stats().pending_bytes, client.stats().pending_bytes / admitted.len());
    assert!(bytes <= 4096 && bytes + each > 4096, "{bytes} with {} messages", admitted.len());
    rig.run(client.connect()).expect("connected");
    for completion in admitted {
        rig.run(completion).expect("delivered");
    }
    assert_eq!(client.stats().pending_bytes, 0);
}

#[test]
fn one_that_waits_for_room_comes_before_those_that_are_published_later() {
    let mut rig = Rig::connected(options().max_queued(4, 1 << 20));
    let mut stream = rig.subscribe("a");
    let client = rig.client.clone();
    let waiting: Vec<_> = (0..20_u32)
        .map(|number| {
            let message = client.publish("a", number.to_string()).qos(QoS::AtLeastOnce);
            match number % 6 {
                5 => message.timeout(Duration::from_secs(60)).into_future(),
                _ => message.into_future(),
            }
        })
        .collect();
    for publishing in waiting {
        rig.run(publishing).expect("delivered");
    }
    assert_eq!(arrived(&mut rig, &mut stream), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_small_one_does_not_overtake_a_large_one_that_waits_for_room() {
    let mut rig = Rig::new(options().max_queued(1000, 2000));
    let mut enqueue = |payload: usize| {
        let mut enqueueing = rig.client.publish("a", vec![0; payload]).qos(QoS::AtLeastOnce).enqueue();
        rig.poll(&mut enqueueing).map(|admitted| drop(admitted.expect("admitted"))).ok_or(enqueueing)
    };
    assert!(enqueue(100).is_ok());
    let large = enqueue(1900).expect_err("there is no room for so many bytes");
    let small = enqueue(100).expect_err("it comes after the large one");
    drop(large);
    let mut small = small;
    assert!(rig.poll(&mut small).is_some(), "there is room for it, and nothing before it");
}

#[test]
fn of_each_topic_the_latest_is_kept_where_the_policy_says_so() {
    let mut rig = Rig::new(options().overflow(Overflow::KeepLatest));
    let client = rig.client.clone();
    let sent: Vec<Completion> = (0..5).map(|number| enqueue(&rig, number)).collect();
    rig.run(client.connect()).expect("connected");
    let ended: Vec<bool> = sent.into_iter().map(|completion| rig.run(completion).is_ok()).collect();
    assert_eq!(ended, [false, false, false, false, true]);
}

#[test]
fn the_oldest_of_them_are_dropped_where_the_policy_says_so() {
    let mut rig = Rig::new(options().max_queued(10, 1 << 20).overflow(Overflow::DropOldest));
    let client = rig.client.clone();
    let sent: Vec<Completion> = (0..15).map(|number| enqueue(&rig, number)).collect();
    rig.run(client.connect()).expect("connected");
    for (number, completion) in sent.into_iter().enumerate() {
        let ended = rig.run(completion);
        match number {
            0..5 => assert!(matches!(failure("a", &ended), PublishFailure::NotSent(NotSent::Dropped))),
            _ => drop(ended.expect("delivered")),
        }
    }
}

#[test]
fn a_flush_waits_for_them_and_a_disconnect_drains_them() {
    for leaves in [false, true] {
        let mut rig = Rig::connected(options());
        rig.broker.inject(Fault::sent(PacketKind::Puback).always().delay(Duration::from_millis(10)));
        let mut stream = rig.subscribe("a");
        let client = rig.client.clone();
        (0..100).for_each(|number| drop(enqueue(&rig, number)));
        if leaves {
            let report = rig.run(client.disconnect());
            assert!(report.not_sent.is_empty());
        } else {
            rig.run(client.flush());
        }
        assert_eq!(client.stats().pending_publishes, 0);
        assert_eq!(arrived(&mut rig, &mut stream).len(), 100);
    }
}

#[test]
fn what_comes_after_them_goes_out_after_them() {
    let mut rig = Rig::connected(Options::builder());
    rig.mtu = 0;
    let client = rig.client.clone();
    let _published = [1, 2, 3].map(|number| enqueue(&rig, number));
    let mut subscribing: Subscribing<Subscription> = client.subscribe("b").into_future();
    assert!(rig.poll(&mut subscribing).is_none());
    let unsent = rig.unsent();
    let kinds: Vec<u8> = packets(&unsent).map(|packet| packet[0] >> 4).collect();
    assert_eq!(kinds, [3, 3, 3, 8], "three PUBLISH, SUBSCRIBE");
}

#[test]
fn each_ends_once_when_the_client_goes_offline() {
    let mut rig = Rig::connected(options());
    rig.broker.inject(Fault::sent(PacketKind::Puback).always().withhold());
    let client = rig.client.clone();
    let sent: Vec<Completion> = (0..50).map(|number| enqueue(&rig, number)).collect();
    rig.settle();
    let late = enqueue(&rig, "late");
    let report = rig.run(client.disconnect_within(Duration::from_secs(1)));
    let ended: Vec<_> = sent.into_iter().chain([late]).map(|completion| rig.run(completion)).collect();
    let not_sent = ended
        .iter()
        .filter(|ended| matches!(failure("a", ended), PublishFailure::NotSent(NotSent::Offline(_))))
        .count();
    let unknown = ended
        .iter()
        .filter(|ended| {
            matches!(failure("a", ended), PublishFailure::Indeterminate(Indeterminate::Offline(_)))
        })
        .count();
    assert_eq!(
        (not_sent, unknown),
        (report.not_sent.len(), 3),
        "what was in flight is not known to have arrived"
    );
    assert_eq!(not_sent + unknown, 51);
    let after = client.publish("a", "after").qos(QoS::AtLeastOnce).try_enqueue();
    assert!(matches!(failure("a", &after), PublishFailure::NotSent(NotSent::Offline(_))), "{after:?}");
}

#[test]
fn none_comes_in_while_there_is_no_connection_and_calls_do_not_wait_for_one() {
    let mut rig = Rig::connected(options().wait_for_connection(false));
    drop(enqueue(&rig, 1));
    rig.settle();
    rig.dial = Dial::Fails;
    rig.cut();
    let refused = rig.client.publish("a", "2").qos(QoS::AtLeastOnce).try_enqueue();
    assert!(matches!(failure("a", &refused), PublishFailure::NotSent(NotSent::Offline(_))), "{refused:?}");
}

#[test]
fn what_nobody_asks_for_any_more_leaves_nothing_behind() {
    let mut rig = Rig::connected(options());
    for _ in 0..3 {
        // Before it is sent, while it is under way, and after its end.
        let _ = [1, 2, 3].map(|number| drop(enqueue(&rig, number)));
        let under_way: Vec<Completion> = (0..3).map(|number| enqueue(&rig, number)).collect();
        rig.settle();
        drop(under_way);
        let ended: Vec<Completion> = (0..3).map(|number| enqueue(&rig, number)).collect();
        rig.run_for(Duration::from_secs(1));
        drop(ended);
    }
    let stats = rig.client.stats();
    assert_eq!([stats.pending_publishes, stats.pending_bytes, stats.queued_publishes], [0, 0, 0]);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the handles are shared between threads, and the door is for these"
)]
fn threads_that_publish_while_the_driver_works_lose_nothing_and_keep_their_order() {
    const THREADS: u32 = 4;
    const EACH: u32 = 3000;
    let mut rig = Rig::connected(Options::builder().max_outbound_aliases(0).max_queued(500, 1 << 20));
    let mut stream = rig.subscribe("thread/#");
    let workers: Vec<_> = (0..THREADS)
        .map(|worker| {
            let client = rig.client.clone();
            thread::spawn(move || {
                for number in 0..EACH {
                    let qos = QOS[(number % 5 / 2 % 2) as usize];
                    let publish =
                        |kind| client.publish(format!("thread/{worker}/{kind}"), number.to_string());
                    match number % 1000 {
                        // A stretch of QoS 0 of which nobody asks more. Brokers keep the order of those with a queue apart.
                        500.. => drop(finish(publish("brief").into_future()).expect("queued")),
                        _ => drop(finish(publish("kept").qos(qos).enqueue()).expect("admitted")),
                    }
                }
            })
        })
        .collect();
    let mut next = BTreeMap::new();
    let mut count = 0;
    while count < THREADS * EACH {
        let Some(message) = rig.ready(&mut stream) else { continue };
        let number: u32 = String::from_utf8_lossy(message.payload()).parse().expect("a number");
        let kept: u32 = if message.topic().ends_with("kept") { 0 } else { 500 };
        let nth: &mut u32 = next.entry(message.topic().to_owned()).or_default();
        assert_eq!(number, *nth / 500 * 1000 + *nth % 500 + kept, "{}", message.topic());
        *nth += 1;
        count += 1;
    }
    for worker in workers {
        worker.join().expect("no panic");
    }
    rig.run(rig.client.clone().flush());
    assert_eq!(rig.client.stats().pending_publishes, 0);
}

/// Polls until it is ready, while another thread drives.
fn finish<F: Future + Unpin>(mut future: F) -> F::Output {
    loop {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(output) = std::pin::Pin::new(&mut future).poll(&mut context) {
            return output;
        }
        thread::yield_now();
    }
}

#[test]
fn they_are_acknowledged_like_all_others() {
    let mut rig = Rig::connected(options());
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for _ in 0..5 {
            let client = rig.client.clone();
            let delivered = rig.run(client.publish("a", "1").qos(qos)).expect("delivered");
            assert!(matches!(delivered, Delivered::Acknowledged(_)), "{delivered:?}");
        }
    }
}
