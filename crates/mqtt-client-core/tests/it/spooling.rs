//! Messages of QoS 0 of which nobody asks more are admitted and encoded beside the core's lock, as long as room is lent for them:
//! nobody may notice. What else is promised of them is in `unasked.rs`.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use mqtt_client_core::codec::QoS;
use mqtt_client_core::session::Refusal;
use mqtt_client_core::{
    Delivered, NotSent, Options, OptionsBuilder, Overflow, PublishBuilder, PublishError, PublishFailure,
    Publishing, Subscribing, Subscription,
};
use mqtt_testkit::BrokerConfig;

use crate::rig::{Dial, Rig, failure, packets};

/// With topic aliases messages have to be encoded in the order of sending.
fn options() -> OptionsBuilder {
    Options::builder().max_outbound_aliases(0)
}

fn refusing(messages: usize, bytes: usize) -> OptionsBuilder {
    options().max_queued(messages, bytes).overflow(Overflow::Refuse)
}

/// Publishes, without giving anybody else a turn.
fn publish(rig: &Rig, payload: impl Into<Vec<u8>>) -> Result<Delivered, PublishError> {
    now(rig.client.publish("a", payload.into())).expect("it does not wait")
}

/// What it gives before anybody else has had a turn.
fn now(message: PublishBuilder<'_>) -> Option<Result<Delivered, PublishError>> {
    match pin!(message.into_future()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

fn number(payload: &[u8]) -> u32 {
    String::from_utf8_lossy(payload).parse().expect("a number")
}

fn assert_nothing_is_left(rig: &Rig) {
    let stats = rig.client.stats();
    assert_eq!([stats.pending_publishes, stats.pending_bytes, stats.queued_publishes], [0, 0, 0]);
}

#[test]
fn the_bounds_hold_to_the_message() {
    for room in [1, 2, 7, 1500] {
        let mut rig = Rig::connected(refusing(room, 1 << 30));
        let mtu = std::mem::take(&mut rig.mtu);
        for _ in 0..2 {
            for _ in 0..room {
                publish(&rig, "1").expect("there is room");
            }
            let refused = publish(&rig, "more");
            assert!(
                matches!(failure("a", &refused), PublishFailure::NotSent(NotSent::QueueFull)),
                "{refused:?}"
            );
            assert_eq!(rig.client.stats().pending_publishes, room);
            rig.mtu = mtu;
            rig.run(rig.client.clone().flush());
            assert_nothing_is_left(&rig);
            rig.mtu = 0;
        }
    }
}

#[test]
fn the_bound_in_bytes_holds_too() {
    let mut rig = Rig::connected(refusing(1000, 4096));
    rig.mtu = 0;
    let admitted = (0..).take_while(|_| publish(&rig, [0; 100]).is_ok()).count();
    let bytes = rig.client.stats().pending_bytes;
    let each = bytes / admitted;
    assert!(bytes <= 4096 && bytes + each > 4096, "{bytes} with {admitted} messages");
    let smaller = publish(&rig, "");
    assert_eq!(smaller.is_ok(), bytes + each - 100 <= 4096, "a small one may still have room");
}

#[test]
fn those_that_are_encoded_already_take_no_room_but_their_own() {
    let mut rig = Rig::connected(refusing(150, 1 << 30));
    rig.mtu = 0;
    // As much as is encoded in one piece is less than this.
    let admitted = (0..200).filter(|_| publish(&rig, [0; 1024]).is_ok()).count();
    assert_eq!((admitted, rig.client.stats().pending_publishes), (150, 150));
    rig.settle();
    let queued = rig.client.stats().queued_publishes;
    assert!(queued >= 150 - 66, "no more than 64 KiB are out of the client's hands, but {queued} wait");
}

#[test]
fn what_comes_after_them_goes_out_after_them() {
    let mut rig = Rig::connected(options());
    rig.mtu = 0;
    let client = rig.client.clone();
    (0..3).for_each(|_| drop(publish(&rig, "1").expect("admitted")));
    assert_eq!(client.stats().pending_publishes, 3);
    (0..3).for_each(|_| drop(publish(&rig, "1").expect("admitted")));
    let mut subscribing: Subscribing<Subscription> = client.subscribe("b").into_future();
    assert!(rig.poll(&mut subscribing).is_none());
    let kinds: Vec<u8> = packets(&rig.unsent()).map(|packet| packet[0] >> 4).collect();
    assert_eq!(kinds, [3, 3, 3, 3, 3, 3, 8], "six PUBLISH, SUBSCRIBE");
}

#[test]
fn one_that_waits_for_room_comes_before_those_that_are_published_later() {
    let mut rig = Rig::connected(options().max_queued(3, 1 << 20));
    let mut stream = rig.subscribe("a");
    let mtu = std::mem::take(&mut rig.mtu);
    let client = rig.client.clone();
    let mut waiting: Vec<Publishing> = Vec::new();
    for number in 0..6 {
        let mut publishing = client.publish("a", number.to_string()).into_future();
        if rig.poll(&mut publishing).is_none() {
            waiting.push(publishing);
        }
    }
    assert_eq!(waiting.len(), 3);
    rig.mtu = mtu;
    rig.settle();
    for number in 6..9 {
        publish(&rig, number.to_string()).expect("there is room again");
        rig.settle();
    }
    for publishing in waiting {
        rig.run(publishing).expect("admitted");
    }
    let arrived: Vec<_> = (0..9).filter_map(|_| rig.next(&mut stream)).map(|m| number(m.payload())).collect();
    assert_eq!(arrived, (0..9).collect::<Vec<_>>());
}

#[test]
fn what_the_server_does_not_take_is_refused_at_once() {
    let config = BrokerConfig { max_packet_size: 100, retain_available: false, ..Default::default() };
    let mut rig = Rig::with_broker(options(), config);
    let client = rig.client.clone();
    rig.run(client.connect()).expect("connected");
    // They find the door open, which others have opened.
    (0..3).for_each(|_| drop(publish(&rig, "1").expect("admitted")));
    let large = publish(&rig, [0; 100]);
    assert!(
        matches!(
            failure("a", &large),
            PublishFailure::NotSent(NotSent::Refused(Refusal::PacketTooLarge { limit: 100, .. }))
        ),
        "{large:?}"
    );
    let retained = now(client.publish("a", "1").retain(true)).expect("it does not wait");
    assert!(
        matches!(
            failure("a", &retained),
            PublishFailure::NotSent(NotSent::Refused(Refusal::RetainNotSupported))
        ),
        "{retained:?}"
    );
    rig.run(client.flush());
    assert_nothing_is_left(&rig);
}

#[test]
fn what_was_encoded_for_one_connection_goes_out_on_the_next_in_its_form() {
    let mut rig = Rig::connected(options());
    let mut stream = rig.subscribe("a");
    let client = rig.client.clone();
    publish(&rig, "0").expect("admitted");
    rig.run(client.flush());
    // These come in while the driver does not know yet that the link is gone.
    (1..50).for_each(|number| drop(publish(&rig, number.to_string()).expect("admitted")));
    rig.cut();
    (50..100).for_each(|number| drop(publish(&rig, number.to_string()).expect("admitted")));
    rig.run(client.connect()).expect("connected again");
    rig.settle();
    let arrived: Vec<_> =
        std::iter::from_fn(|| rig.ready(&mut stream)).map(|message| number(message.payload())).collect();
    assert_eq!(arrived, (0..100).collect::<Vec<_>>());
    assert_nothing_is_left(&rig);
}

#[test]
fn what_waits_for_the_next_connection_goes_before_what_comes_then() {
    let mut rig = Rig::connected(options());
    let mut stream = rig.subscribe("a");
    let client = rig.client.clone();
    // More than the session takes before the transport does.
    let large = |number: u32| format!("{number:01000}");
    publish(&rig, large(0)).expect("admitted");
    rig.run(client.flush());
    (1..200).for_each(|number| drop(publish(&rig, large(number)).expect("admitted")));
    rig.cut();
    let _connecting = client.reconnect();
    while !client.is_connected() {
        assert!(rig.step(), "it comes back");
    }
    assert!(client.stats().queued_publishes > 0);
    (200..210).for_each(|number| drop(publish(&rig, large(number)).expect("admitted")));
    rig.run(client.flush());
    let lost = client.stats().lost_publishes as u32;
    let arrived: Vec<_> =
        std::iter::from_fn(|| rig.ready(&mut stream)).map(|m| number(m.payload())).collect();
    let expected: Vec<_> = [0].into_iter().chain(1 + lost..210).collect();
    assert_eq!(arrived, expected, "the transport had not taken {lost} of them when the link was lost");
}

#[test]
fn none_comes_in_after_a_disconnect_or_without_a_connection() {
    let mut rig = Rig::connected(options().wait_for_connection(false));
    publish(&rig, "1").expect("admitted");
    rig.settle();
    rig.dial = Dial::Fails;
    rig.cut();
    for leaves in [false, true] {
        if leaves {
            rig.run(rig.client.clone().disconnect());
        }
        let refused = publish(&rig, "2");
        assert!(
            matches!(failure("a", &refused), PublishFailure::NotSent(NotSent::Offline(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn one_that_can_go_out_wakes_the_driver_and_those_behind_it_do_not() {
    let mut rig = Rig::connected(options());
    publish(&rig, "1").expect("admitted");
    rig.settle();
    for _ in 0..3 {
        let before = rig.calls();
        (0..10).for_each(|_| drop(publish(&rig, "1").expect("admitted")));
        assert_eq!(rig.calls() - before, 1, "it is awake, and finds the others too");
        let gathered = rig.gathered();
        rig.settle();
        assert!(rig.gathered() > gathered, "it looks for more before it writes");
        assert_nothing_is_left(&rig);
    }
}

#[test]
fn they_keep_their_order_among_those_that_are_asked_for() {
    let mut rig = Rig::connected(options().max_in_flight(2));
    let mut stream = rig.subscribe("a");
    let client = rig.client.clone();
    let mut asked = Vec::new();
    for number in 0..400_u32 {
        let message = client.publish("a", number.to_string());
        match number % 10 {
            // Of QoS 0 too, this needs a slot.
            3 => asked.push(message.try_enqueue().expect("there is room")),
            7 => asked.push(message.qos(QoS::AtLeastOnce).try_enqueue().expect("there is room")),
            _ => drop(now(message).expect("it does not wait").expect("admitted")),
        }
        if number % 97 == 0 {
            rig.settle();
        }
    }
    for completion in asked {
        rig.run(completion).expect("delivered");
    }
    let arrived: Vec<_> =
        (0..400).filter_map(|_| rig.next(&mut stream)).map(|message| number(message.payload())).collect();
    assert_eq!(arrived, (0..400).collect::<Vec<_>>());
    assert_nothing_is_left(&rig);
}
