//! Messages that a reader takes without asking for each: acknowledged when they are handed over all the same, and none before.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Acknowledge, Message, Options, Qos0Overflow, Subscription};

use crate::rig::Rig;

const CONFIRMED: [QoS; 2] = [QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A client with so many unread messages, numbered.
fn unread(qos: QoS, count: u8) -> (Rig, Subscription) {
    let mut rig = Rig::connected(Options::builder());
    let stream = rig.subscribe("a");
    for n in 0..count {
        rig.publish("a", vec![n], qos);
    }
    rig.settle();
    assert_eq!(unacknowledged(&rig), usize::from(count));
    (rig, stream)
}

/// The next message, without the driver taking any notice.
fn take(stream: &mut Subscription) -> Option<u8> {
    let first = |message: Message| message.payload()[0];
    match stream.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => message.map(first),
        Poll::Pending => None,
    }
}

fn unacknowledged(rig: &Rig) -> usize {
    rig.client.stats().unacknowledged_messages
}

#[test]
fn a_fast_reader_acknowledges_many_at_once() {
    for qos in CONFIRMED {
        let (mut rig, mut stream) = unread(qos, 200);
        for n in 0..199 {
            assert_eq!(take(&mut stream), Some(n));
        }
        assert!(unacknowledged(&rig) > 1, "many wait for the reader to come back");
        assert_eq!(take(&mut stream), Some(199));
        assert_eq!((unacknowledged(&rig), rig.client.stats().unread_bytes), (0, 0));
        rig.settle();
        assert_eq!(take(&mut stream), None, "none comes again");
    }
}

#[test]
fn what_a_slow_reader_takes_is_acknowledged_and_nothing_else() {
    for qos in CONFIRMED {
        let (mut rig, mut stream) = unread(qos, 100);
        for n in 0..10 {
            assert_eq!(take(&mut stream), Some(n));
        }
        rig.run_for(Duration::from_millis(3));
        assert_eq!(unacknowledged(&rig), 90, "the driver has looked after it");
        for n in 10..99 {
            assert_eq!(take(&mut stream), Some(n));
            assert_eq!(unacknowledged(&rig), 99 - usize::from(n), "from now on the reader says so");
        }
        assert_eq!(rig.deadline().filter(|at| *at <= rig.now + Duration::from_millis(3)), None);
    }
}

#[test]
fn a_stream_that_is_dropped_leaves_what_it_was_lent_to_another_one() {
    for qos in CONFIRMED {
        let (mut rig, mut stream) = unread(qos, 100);
        for n in 0..10 {
            assert_eq!(take(&mut stream), Some(n));
        }
        drop(stream);
        assert_eq!(unacknowledged(&rig), 90);
        assert!(rig.client.stats().unread_bytes > 0, "they wait for another stream");
        let mut other = rig.subscribe("a");
        let rest: Vec<u8> = (0..90).filter_map(|_| take(&mut other)).collect();
        assert_eq!(rest, (10..100).collect::<Vec<u8>>());
        rig.run_for(Duration::from_secs(1));
        assert_eq!((unacknowledged(&rig), rig.client.stats().unread_bytes), (0, 0));
    }
}

#[test]
fn what_was_lent_survives_a_lost_link() {
    for qos in CONFIRMED {
        let mut rig = Rig::connected(
            Options::builder().client_id("reader").clean_start(false).session_expiry(Duration::from_secs(60)),
        );
        let mut stream = rig.subscribe("a");
        for n in 0..100 {
            rig.publish("a", vec![n], qos);
        }
        rig.settle();
        let mut read: Vec<u8> = (0..10).filter_map(|_| take(&mut stream)).collect();
        rig.cut();
        rig.run_for(Duration::from_secs(5));
        while let Some(message) = rig.ready(&mut stream) {
            read.push(message.payload()[0]);
        }
        if qos == QoS::AtLeastOnce {
            // Acknowledgements that were lost with the link may bring these again.
            assert!(read.drain(100..).all(|again| again < 10));
        }
        assert_eq!(read, (0..100).collect::<Vec<u8>>(), "{qos:?}: each once");
        rig.run_for(Duration::from_secs(1));
        assert_eq!(unacknowledged(&rig), 0);
    }
}

#[test]
fn a_broker_waits_for_no_more_than_128_messages_that_were_read() {
    for qos in CONFIRMED {
        let (rig, mut stream) = unread(qos, 250);
        let mut most = 0;
        for n in 0..250 {
            assert_eq!(take(&mut stream), Some(n));
            let acknowledged = 250 - unacknowledged(&rig);
            most = most.max(usize::from(n) + 1 - acknowledged);
        }
        assert_eq!(most, 128);
    }
}

/// For how many messages of QoS 0 a full stream of that capacity has room once its reader has taken one.
fn room_after_one(capacity: usize, acknowledge: Acknowledge) -> usize {
    let mut rig = Rig::connected(Options::builder().stream_capacity(capacity));
    let subscribing = rig.client.subscribe("a").qos0_overflow(Qos0Overflow::DropNewest);
    let mut stream: Subscription = rig.run(subscribing.acknowledge(acknowledge)).expect("granted");
    for round in 0..2 {
        (0..capacity).for_each(|_| rig.publish("a", vec![round], QoS::AtMostOnce));
        rig.settle();
        if round == 0 {
            assert_eq!(take(&mut stream), Some(0));
        }
    }
    let room = capacity - stream.dropped() as usize;
    assert_eq!(std::iter::from_fn(|| take(&mut stream)).count(), capacity - 1 + room, "each is read");
    room
}

#[test]
fn what_a_reader_takes_out_at_once_makes_room_for_a_quarter_more_and_for_1024_at_most() {
    for acknowledge in [Acknowledge::OnDelivery, Acknowledge::ByHand] {
        assert_eq!(room_after_one(8, acknowledge), 1 + 2);
        assert_eq!(room_after_one(8192, acknowledge), 1 + 1024);
    }
}

/// A client with so many unread messages of QoS 0, numbered, and the bytes that they take.
fn unread_qos0(count: u8) -> (Rig, Subscription, usize) {
    let mut rig = Rig::connected(Options::builder().stream_capacity(count.into()));
    let stream = rig.subscribe("a");
    (0..count).for_each(|n| rig.publish("a", vec![n], QoS::AtMostOnce));
    rig.settle();
    let bytes = rig.client.stats().unread_bytes;
    assert_eq!(bytes % usize::from(count), 0);
    (rig, stream, bytes)
}

#[test]
fn where_nothing_has_to_make_room_all_that_is_unread_is_taken_out_at_once() {
    let (mut rig, mut stream, bytes) = unread_qos0(100);
    assert_eq!(take(&mut stream), Some(0));
    (100..199).for_each(|n| rig.publish("a", vec![n], QoS::AtMostOnce));
    rig.settle();
    let of_one = bytes / 100;
    assert_eq!(rig.client.stats().unread_bytes, bytes + 98 * of_one, "there is room for as many but one");
    let read: Vec<u8> = std::iter::from_fn(|| take(&mut stream)).collect();
    assert_eq!(read, (1..199).collect::<Vec<u8>>());
    assert_eq!((rig.client.stats().unread_bytes, stream.dropped()), (0, 0));
}

#[test]
fn a_stream_that_is_dropped_pays_for_nothing_any_more() {
    for taken in [0, 1, 50, 99, 100] {
        let (rig, mut stream, _) = unread_qos0(100);
        (0..taken).for_each(|n| assert_eq!(take(&mut stream), Some(n)));
        drop(stream);
        assert_eq!(rig.client.stats().unread_bytes, 0, "after {taken}");
    }
}

#[test]
fn messages_of_all_qos_are_lent_in_their_order() {
    let (mut rig, mut stream, _) = unread_qos0(50);
    let all = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let mut read = Vec::new();
    for n in 50..250 {
        rig.publish("a", vec![n], all[usize::from(n / 10) % 3]);
        rig.settle();
        if n % 7 == 0 {
            read.extend((0..n / 20).filter_map(|_| take(&mut stream)));
        }
    }
    read.extend(std::iter::from_fn(|| take(&mut stream)));
    assert_eq!(read, (0..250).collect::<Vec<u8>>());
    assert_eq!((unacknowledged(&rig), rig.client.stats().unread_bytes), (0, 0));
}
