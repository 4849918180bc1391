//! Messages that count as received only when the application has done its work.

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Acknowledge, SubscribeBuilder};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Subscription, until};

scenarios!(
    messages_are_acknowledged_by_hand_in_any_order,
    a_message_that_is_dropped_unanswered_comes_back,
    what_was_not_worked_off_comes_to_the_next_process,
);

fn by_hand<S: From<mqtt_client_core::Subscription>>(builder: SubscribeBuilder<S>) -> SubscribeBuilder<S> {
    builder.acknowledge(Acknowledge::ByHand)
}

// ejabberd sends a session one message at a time: with it there is no order to choose.
fn messages_are_acknowledged_by_hand_in_any_order<A: Adapter>(case: &Case<A>) {
    for bed in [Bed::in_process(), Bed::mosquitto()] {
        let topic = case.unique("work");
        let client = case.connect(bed.url());
        let by_hand =
            |builder: mqtt_client_core::SubscribeBuilder<_>| builder.acknowledge(Acknowledge::ByHand);
        let mut work = client.subscribe_with(&topic, by_hand).unwrap();
        for n in 0..6_u8 {
            let qos = if n % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
            client.send(&topic, n.to_string(), qos).unwrap();
        }
        let messages: Vec<_> = (0..6).map(|_| work.message()).collect();
        assert_eq!(client.stats().unacknowledged_messages, 6);
        for position in [5, 0, 3, 4, 1, 2] {
            assert!(messages[position].acknowledge());
        }
        until("all are acknowledged", || client.stats().unacknowledged_messages == 0);
        client.send(&topic, "next", QoS::ExactlyOnce).unwrap();
        assert_eq!(work.message().text(), "next");
    }
}

fn a_message_that_is_dropped_unanswered_comes_back<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let topic = case.unique("work");
        let client = case.connect(bed.url());
        let by_hand =
            |builder: mqtt_client_core::SubscribeBuilder<_>| builder.acknowledge(Acknowledge::ByHand);
        let mut work = client.subscribe_with(&topic, by_hand).unwrap();
        client.send(&topic, "job", QoS::ExactlyOnce).unwrap();
        let first = work.message();
        assert!(!first.dup());
        drop(first);
        let again = work.message();
        assert_eq!((again.text().as_ref(), again.dup()), ("job", true));
        assert!(again.acknowledge());
        until("it is acknowledged", || client.stats().unacknowledged_messages == 0);
    }
}

/// A worker that dies over its work: the broker gives it to whoever takes the session over.
fn what_was_not_worked_off_comes_to_the_next_process<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let (topic, id) = (case.unique("work"), case.unique("worker"));
        let kept = |builder| by_hand(builder).keep_on_drop(true);
        let boss = case.connect(bed.url());
        let worker = case.connect_with(case.persistent(bed.url(), &id));
        let mut work = worker.subscribe_with(&topic, kept).unwrap();
        for n in 0..2_u8 {
            boss.send(&topic, n.to_string(), QoS::AtLeastOnce).unwrap();
        }
        let done = work.message();
        assert!(done.acknowledge());
        let unfinished = work.message();
        until("only the second is open", || worker.stats().unacknowledged_messages == 1);
        worker.disconnect();
        drop((unfinished, work, worker));

        let heir = case.client(case.persistent(bed.url(), &id));
        heir.connect().unwrap();
        let mut work = heir.subscribe_with(&topic, kept).unwrap();
        let message = work.message();
        assert_eq!(message.text(), "1");
        assert!(message.acknowledge());
        boss.send(&topic, "2", QoS::AtLeastOnce).unwrap();
        assert_eq!(work.message().text(), "2", "and no other in between");
    }
}
