//! Topic aliases: fewer bytes on the wire, and nothing else that anybody could notice.

use std::sync::{Arc, Mutex};

use mqtt_client_core::codec::{PacketKind, QoS};
use mqtt_client_core::session::{Direction, PacketTrace};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Subscription, until};

scenarios!(only 5.0: a_topic_goes_over_the_wire_once);

/// The lengths of the PUBLISHes that went one way.
fn lengths(seen: &[PacketTrace], direction: Direction) -> Vec<usize> {
    let publishes = seen.iter().filter(|packet| packet.kind == PacketKind::Publish);
    publishes.filter(|packet| packet.direction == direction).map(|packet| packet.len).collect()
}

fn a_topic_goes_over_the_wire_once<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let (topic, other) =
            (case.unique("a/topic/of/some/length/"), case.unique("another/topic/of/some/length/"));
        let seen: Arc<Mutex<Vec<PacketTrace>>> = Arc::default();
        let hook = Arc::clone(&seen);
        let client = case.connect_with(
            case.options(bed.url()).on_packet(move |line| hook.lock().unwrap().push(line.packet.clone())),
        );
        let takes_aliases = client.connect().unwrap().limits.topic_alias_maximum > 0;
        let mut messages = client.subscribe([topic.as_str(), other.as_str()]).unwrap();
        for (number, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().enumerate() {
            for topic in [&topic, &other, &topic] {
                client.send(topic, number.to_string(), qos).unwrap();
                let message = messages.message();
                assert_eq!((message.topic(), &*message.text()), (topic.as_str(), &*number.to_string()));
            }
        }
        drop(client);

        // The hook may run a moment after the message was handed over.
        until("all have been seen", || lengths(&seen.lock().unwrap(), Direction::Inbound).len() == 9);
        let seen = seen.lock().unwrap();
        let is_aliased = |len: &&usize| **len < topic.len();
        let sent = lengths(&seen, Direction::Outbound);
        assert_eq!(sent.len(), 9);
        assert_eq!(sent.iter().filter(is_aliased).count(), if takes_aliases { 7 } else { 0 }, "{sent:?}");
        // Whether a broker sets aliases is its own affair; ours does.
        let received = lengths(&seen, Direction::Inbound);
        if bed.is_in_process() {
            assert!(takes_aliases);
            assert_eq!(received.iter().filter(is_aliased).count(), 7, "{received:?}");
        }
    }
}
