//! The packet hook: each packet that went either way, in its order, as one line.

use std::sync::{Arc, Mutex};

use mqtt_client_core::codec::{PacketKind, QoS, Version};
use mqtt_client_core::session::Direction;
use mqtt_scenarios::{Adapter, Bed, Case, Client, Subscription, until};

scenarios!(
    the_hook_sees_every_packet,
    a_packet_is_one_line_with_its_payload_on_request,
    a_hook_may_use_the_client,
);

fn the_hook_sees_every_packet<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let seen: Arc<Mutex<Vec<(&str, PacketKind)>>> = Arc::default();
        let hook = Arc::clone(&seen);
        let client = case.connect_with(case.options(bed.url()).on_packet(move |line| {
            let way = if line.packet.direction == Direction::Outbound { "out" } else { "in" };
            hook.lock().unwrap().push((way, line.packet.kind));
        }));
        let topic = case.unique("watched");
        let mut stream = client.subscribe(&topic).unwrap();
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            client.send(&topic, "x", qos).unwrap();
            stream.message();
        }
        client.ping().unwrap();
        client.unsubscribe(&topic).unwrap();
        client.disconnect();
        let count = |way, kind| seen.lock().unwrap().iter().filter(|seen| **seen == (way, kind)).count();
        until("the goodbye has been seen", || count("out", PacketKind::Disconnect) == 1);
        use PacketKind::{
            Connack, Connect, Pingreq, Pingresp, Puback, Pubcomp, Publish, Pubrec, Pubrel, Suback, Subscribe,
            Unsuback, Unsubscribe,
        };
        for (way, kind, number) in [
            ("out", Connect, 1),
            ("in", Connack, 1),
            ("out", Subscribe, 1),
            ("in", Suback, 1),
            ("out", Publish, 3),
            ("in", Publish, 3),
            ("out", Puback, 1),
            ("in", Puback, 1),
            ("out", Pubrec, 1),
            ("in", Pubrec, 1),
            ("out", Pubrel, 1),
            ("in", Pubrel, 1),
            ("out", Pubcomp, 1),
            ("in", Pubcomp, 1),
            ("out", Pingreq, 1),
            ("in", Pingresp, 1),
            ("out", Unsubscribe, 1),
            ("in", Unsuback, 1),
        ] {
            assert_eq!(count(way, kind), number, "{way} {kind}: {:?}", seen.lock().unwrap());
        }
        assert_eq!(seen.lock().unwrap().len(), 23, "and no other");
    }
}

fn a_packet_is_one_line_with_its_payload_on_request<A: Adapter>(case: &Case<A>) {
    for (bytes, qos0, qos1) in [
        (0, "flags 0000            a/b", "flags 0010  id 1      a/b"),
        (
            4,
            r#"flags 0000            a/b  "\u{0}\xffte"... of 6 bytes"#,
            r#"flags 0010  id 1      a/b  "\u{0}\xffte"... of 6 bytes"#,
        ),
    ] {
        let bed = Bed::in_process();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let hook = Arc::clone(&seen);
        let options = case.options(bed.url()).client_id("watched").credentials("ann", Some(b"hunter2"));
        let options = options.packet_payload(bytes).on_packet(move |line| {
            hook.lock().unwrap().push(line.to_string());
        });
        let client = case.connect_with(options);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            client.send("a/b", b"\x00\xfftext".to_vec(), qos).unwrap();
        }
        client.disconnect();
        let seen = seen.lock().unwrap();
        let len = 13 + usize::from(case.version == Version::V5);
        for (line, (rest, len)) in
            seen.iter().filter(|line| line.contains("PUBLISH")).zip([(qos0, len), (qos1, len + 2)])
        {
            let (head, tail) = line.split_once(" us  ").unwrap();
            let (who, micros) = head.split_once(" -out-> ").unwrap();
            assert!(who == "watched" && micros.trim().parse::<u64>().is_ok(), "{line}");
            assert_eq!(tail, format!("PUBLISH     {len:>5} bytes  {rest}"));
        }
        assert!(seen.iter().all(|line| !line.contains("hunter2")), "{seen:?}");
    }
}

/// It runs outside of every lock.
fn a_hook_may_use_the_client<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client: Arc<Mutex<Option<A::Client>>> = Arc::default();
    let hook = Arc::clone(&client);
    let options = case.options(bed.url()).on_packet(move |line| {
        if let Some(client) = hook.lock().unwrap().as_ref()
            && line.packet.kind == PacketKind::Puback
        {
            drop(client.publish("seen", line.to_string()).try_enqueue());
        }
    });
    let reader = case.connect(bed.url());
    let mut stream = reader.subscribe("seen").unwrap();
    let watched = case.connect_with(options);
    *client.lock().unwrap() = Some(watched.clone());
    watched.send("a", "x", QoS::AtLeastOnce).unwrap();
    assert!(stream.message().text().contains("PUBACK"));
    client.lock().unwrap().take();
}
