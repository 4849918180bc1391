//! The driver is woken for what it has to do, and for nothing else: a system call for each message would cost more than the
//! message.

use std::future::IntoFuture;
use std::time::Duration;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Completion, Options, OptionsBuilder};

use crate::rig::Rig;

/// A client whose transport takes nothing, and whose driver sleeps.
fn jammed(options: OptionsBuilder) -> Rig {
    let mut rig = Rig::connected(options);
    rig.mtu = 0;
    rig.settle();
    rig
}

fn enqueue(rig: &mut Rig, qos: QoS, timeout: Option<Duration>) -> Completion {
    let message = rig.client.publish("a", "1").qos(qos);
    let message = match timeout {
        Some(timeout) => message.timeout(timeout),
        None => message,
    };
    message.try_enqueue().expect("there is room")
}

#[test]
fn a_message_that_can_go_out_wakes_the_driver_once() {
    let mut rig = jammed(Options::builder().max_in_flight(10));
    let before = rig.calls();
    let _sent = [1, 2, 3].map(|_| enqueue(&mut rig, QoS::AtLeastOnce, None));
    assert_eq!(rig.calls() - before, 1, "it is awake, and finds the others too");
}

#[test]
fn a_message_that_has_to_wait_for_its_turn_does_not_wake_the_driver() {
    let mut rig = jammed(Options::builder().max_in_flight(1));
    let _in_flight = enqueue(&mut rig, QoS::ExactlyOnce, None);
    rig.settle();
    let before = rig.calls();
    let _queued = [1, 2, 3].map(|_| enqueue(&mut rig, QoS::AtLeastOnce, None));
    assert_eq!(rig.calls(), before);
}

#[test]
fn a_message_that_waits_and_has_a_time_limit_wakes_the_driver_which_has_the_clock() {
    let mut rig = jammed(Options::builder().max_in_flight(1));
    let _in_flight = enqueue(&mut rig, QoS::ExactlyOnce, None);
    rig.settle();
    let before = rig.calls();
    let limited = enqueue(&mut rig, QoS::AtLeastOnce, Some(Duration::from_secs(1)));
    assert_eq!(rig.calls() - before, 1);
    rig.run(limited).expect_err("its time is up");
}

#[test]
fn unasked_messages_wake_the_driver_only_when_none_waits_before_them() {
    // Without topic aliases they wait encoded, with them as they are.
    for aliases in [0, 10] {
        let mut rig = jammed(Options::builder().max_outbound_aliases(aliases));
        let client = rig.client.clone();
        let publish = |rig: &mut Rig| {
            let mut publishing = client.publish("a", vec![0; 1024]).into_future();
            rig.poll(&mut publishing).expect("admitted").expect("queued");
        };
        // More than the session takes before the transport does.
        (0..200).for_each(|_| publish(&mut rig));
        assert!(client.stats().queued_publishes > 0);
        let before = rig.calls();
        (0..10).for_each(|_| publish(&mut rig));
        assert_eq!(rig.calls(), before);
    }
}

#[test]
fn many_messages_at_once_are_gathered_for_one_write_and_a_single_one_is_not_held_up() {
    let mut rig = jammed(Options::builder().max_in_flight(100));
    let gathered = rig.gathered();
    let _one = enqueue(&mut rig, QoS::AtLeastOnce, None);
    rig.settle();
    assert_eq!(rig.gathered(), gathered);
    let _more = [1, 2, 3].map(|_| enqueue(&mut rig, QoS::AtLeastOnce, None));
    rig.settle();
    let turns = rig.gathered() - gathered;
    assert!((1..=16).contains(&turns), "{turns}: until one look has found nothing more");
}

/// Has so many publishers wait for room, and the broker acknowledge all messages. How often the driver was to give way.
fn gave_way(publishers: usize, payload: usize) -> usize {
    let mut rig = Rig::connected(Options::builder().max_in_flight(8).max_queued(16, 1 << 20));
    let mtu = std::mem::take(&mut rig.mtu);
    let enqueue = |rig: &Rig| rig.client.publish("a", vec![0; payload]).qos(QoS::AtLeastOnce).enqueue();
    for _ in 0..16 {
        let _sent = rig.poll(&mut enqueue(&rig)).expect("there is room").expect("admitted");
    }
    let mut waiting: Vec<_> = (0..publishers).map(|_| enqueue(&rig)).collect();
    assert!(waiting.iter_mut().all(|waiting| rig.poll(waiting).is_none()), "the queue is full");
    (rig.mtu, rig.gave_way) = (mtu, 0);
    rig.settle();
    waiting.into_iter().for_each(|waiting| drop(rig.run(waiting).expect("admitted")));
    rig.gave_way
}

#[test]
fn who_was_woken_alone_begins_while_a_long_output_is_written() {
    assert_eq!(gave_way(1, 4096), 1, "once for a wake-up");
    assert_eq!(gave_way(1, 100), 0, "a short write is over before another processor is awake");
    assert_eq!(gave_way(2, 4096), 0, "of several all but one are seen by others");
}

#[test]
fn messages_that_need_no_lock_wake_the_driver_as_the_others_do() {
    let mut rig = jammed(Options::builder().max_in_flight(5));
    let _opens_the_door = enqueue(&mut rig, QoS::AtLeastOnce, None);
    rig.settle();
    for (round, wakes) in [(1, 1), (2, 1), (3, 0)] {
        let before = rig.calls();
        let _more = [1, 2].map(|_| enqueue(&mut rig, QoS::AtLeastOnce, None));
        assert_eq!(
            rig.calls() - before,
            wakes,
            "{round}: the first five are sent, the others wait for their turn"
        );
        rig.settle();
    }
}
