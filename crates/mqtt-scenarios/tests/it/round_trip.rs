//! A message leaves a program, goes through a broker, and comes back: against every broker there is.

use bytes::Bytes;
use mqtt_client_core::Delivered;
use mqtt_client_core::codec::{AckKind, QoS, ReasonCode};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Subscription};

scenarios!(
    each_qos_arrives,
    a_large_payload_arrives_whole,
    many_messages_arrive_in_order,
    retained_messages_wait_for_subscribers,
    a_session_gathers_messages_while_its_client_is_away,
);

// [3.1.1 MQTT-7.1.2-1, 5.0 MQTT-4.2-1]: over TCP.
fn each_qos_arrives<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("plant");
        let mut messages = client.subscribe(&topic).unwrap();
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let delivered = client.send(&topic, format!("with {qos:?}"), qos).unwrap();
            let kind = match qos {
                QoS::AtMostOnce => None,
                QoS::AtLeastOnce => Some(AckKind::Puback),
                QoS::ExactlyOnce => Some(AckKind::Pubcomp),
            };
            match (kind, delivered) {
                (None, Delivered::Queued) => {}
                (Some(kind), Delivered::Acknowledged(ack)) => {
                    assert_eq!((ack.kind, ack.reason), (kind, ReasonCode::Success));
                }
                (_, other) => panic!("{qos:?}: {other:?}"),
            }
            let message = messages.message();
            assert_eq!(message.topic(), topic);
            assert_eq!(message.text(), format!("with {qos:?}"));
            assert_eq!((message.qos(), message.retain(), message.dup()), (qos, false, false));
        }
    }
}

fn a_large_payload_arrives_whole<A: Adapter>(case: &Case<A>) {
    let payload: Bytes = (0..1_000_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("large");
        let mut messages = client.subscribe(&topic).unwrap();
        for qos in [QoS::AtMostOnce, QoS::ExactlyOnce] {
            client.send(&topic, payload.clone(), qos).unwrap();
            assert!(messages.message().payload() == payload, "{qos:?}");
        }
    }
}

fn many_messages_arrive_in_order<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let (publisher, subscriber) = (case.connect(bed.url()), case.connect(bed.url()));
        let topic = case.unique("many");
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut messages = subscriber.subscribe(&topic).unwrap();
            let completions: Vec<_> = (0..500)
                .map(|i| publisher.wait(publisher.publish(&topic, i.to_string()).qos(qos).enqueue()).unwrap())
                .collect();
            for i in 0..500 {
                assert_eq!(messages.message().text(), i.to_string(), "{qos:?}");
            }
            for completion in completions {
                publisher.wait(completion).unwrap();
            }
        }
    }
}

fn retained_messages_wait_for_subscribers<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("state");
        client.wait(client.publish(&topic, "on").qos(QoS::AtLeastOnce).retain(true)).unwrap();
        let mut early = client.subscribe(&topic).unwrap();
        let message = early.message();
        assert_eq!((&*message.text(), message.retain()), ("on", true));

        // An empty payload clears the state; who is subscribed sees it as a plain message.
        client.wait(client.publish(&topic, "").qos(QoS::AtLeastOnce).retain(true)).unwrap();
        let message = early.message();
        assert_eq!((&*message.text(), message.retain()), ("", false));
        drop(early);
        let mut late = client.subscribe(&topic).unwrap();
        client.send(&topic, "first", QoS::AtLeastOnce).unwrap();
        assert_eq!(late.message().text(), "first");
    }
}

fn a_session_gathers_messages_while_its_client_is_away<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let (topic, id) = (case.unique("queue"), case.unique("sleeper"));
        let first = case.connect_with(case.persistent(bed.url(), &id));
        let stream = first.subscribe_with(&topic, |builder| builder.keep_on_drop(true)).unwrap();
        assert_eq!(first.disconnect().not_sent, []);
        drop((stream, first));

        let publisher = case.connect(bed.url());
        for i in 0..20 {
            let qos = if i % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
            publisher.send(&topic, i.to_string(), qos).unwrap();
        }

        // The messages come before the new process has subscribed: they wait for it.
        let second = case.client(case.persistent(bed.url(), &id));
        assert!(second.connect().unwrap().session_present, "the broker has kept the session");
        let mut messages = second.subscribe(&topic).unwrap();
        let expected: Vec<_> = (0..20).map(|i| i.to_string()).collect();
        assert_eq!(messages.texts(20), expected);
        assert_eq!(second.stats().unclaimed_messages, 0);
    }
}
