//! `publish().await` at QoS 0: of these messages nobody asks more than that they were admitted.

use std::future::IntoFuture;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Delivered, Message, Options, OptionsBuilder, Subscription};

use crate::rig::{Dial, Rig};

/// Without topic aliases they wait encoded, with them as they are.
fn both_ways(check: impl Fn(OptionsBuilder)) {
    check(Options::builder().max_outbound_aliases(0));
    check(Options::builder().max_outbound_aliases(10));
}

/// So many of a kibibyte, numbered; the session takes about 64 of them before the transport does.
fn publish_all(rig: &mut Rig, count: u8) {
    let client = rig.client.clone();
    for n in 0..count {
        let mut publishing = client.publish("a", vec![n; 1024]).into_future();
        assert!(matches!(rig.poll(&mut publishing), Some(Ok(Delivered::Queued))), "{n}");
    }
}

fn numbers(rig: &mut Rig, stream: &mut Subscription, count: usize) -> Vec<u8> {
    let first = |message: Message| message.payload()[0];
    (0..count).filter_map(|_| rig.next(stream)).map(first).collect()
}

#[test]
fn they_arrive_in_order_and_flush_waits_for_them() {
    both_ways(|options| {
        let mut rig = Rig::connected(options);
        let client = rig.client.clone();
        let mut stream = rig.subscribe("a");
        let mtu = std::mem::take(&mut rig.mtu);
        publish_all(&mut rig, 200);
        rig.settle();
        let stats = client.stats();
        assert_eq!(stats.pending_publishes, 200);
        assert!(
            (100..150).contains(&stats.queued_publishes),
            "{} wait for the session",
            stats.queued_publishes
        );
        let mut flushing = client.flush();
        assert!(rig.poll(&mut flushing).is_none(), "nothing is written");
        rig.mtu = mtu;
        rig.run(flushing);
        let stats = client.stats();
        assert_eq!((stats.pending_publishes, stats.pending_bytes, stats.queued_publishes), (0, 0, 0));
        assert_eq!(numbers(&mut rig, &mut stream, 200), (0..200).collect::<Vec<u8>>());
    });
}

#[test]
fn what_the_transport_had_not_taken_is_lost_with_the_link_and_the_rest_goes_out_with_the_next() {
    both_ways(|options| {
        let mut rig = Rig::connected(options);
        let client = rig.client.clone();
        let mut stream = rig.subscribe("a");
        let mtu = std::mem::take(&mut rig.mtu);
        publish_all(&mut rig, 200);
        rig.settle();
        let waiting = client.stats().queued_publishes;
        rig.dial = Dial::Hangs;
        rig.cut();
        let stats = client.stats();
        assert_eq!((stats.lost_publishes as usize, stats.pending_publishes), (200 - waiting, waiting));
        rig.mtu = mtu;
        rig.dial = Dial::Reaches;
        rig.run(client.reconnect()).expect("the broker is there");
        rig.run(client.flush());
        let expected: Vec<u8> = (200 - waiting as u8..200).collect();
        assert_eq!(numbers(&mut rig, &mut stream, waiting), expected);
        assert_eq!(client.stats().pending_publishes, 0);
    });
}

#[test]
fn they_keep_to_the_bounds_and_to_their_place_among_others() {
    both_ways(|options| {
        let mut rig = Rig::connected(options.max_queued(10, 1 << 20));
        let client = rig.client.clone();
        let mut stream = rig.subscribe("a");
        let mtu = std::mem::take(&mut rig.mtu);
        publish_all(&mut rig, 5);
        let asked =
            client.publish("a", vec![5; 1024]).qos(QoS::AtLeastOnce).try_enqueue().expect("there is room");
        let client = rig.client.clone();
        for n in 6..10 {
            let mut publishing = client.publish("a", vec![n; 1024]).into_future();
            assert!(matches!(rig.poll(&mut publishing), Some(Ok(Delivered::Queued))));
        }
        let mut eleventh = client.publish("a", vec![10; 1024]).into_future();
        assert!(rig.poll(&mut eleventh).is_none(), "there is room for ten");
        rig.mtu = mtu;
        assert_eq!(rig.run(eleventh).expect("admitted"), Delivered::Queued);
        rig.run(asked).expect("delivered");
        assert_eq!(numbers(&mut rig, &mut stream, 11), (0..11).collect::<Vec<u8>>());
    });
}

#[test]
fn one_that_waits_for_room_leaves_none_of_its_successors_behind() {
    both_ways(|options| {
        let mut rig = Rig::connected(options.max_queued(100, 1 << 20));
        let client = rig.client.clone();
        let mut stream = rig.subscribe("a");
        let mtu = std::mem::replace(&mut rig.mtu, 0);
        publish_all(&mut rig, 100);
        rig.settle();
        let mut waiting = client.publish("a", vec![100; 1024]).into_future();
        let mut taken_back = client.publish("a", vec![101; 1024]).into_future();
        assert!(rig.poll(&mut waiting).is_none() && rig.poll(&mut taken_back).is_none());
        drop(taken_back);
        rig.mtu = 10 * 1024;
        assert_eq!(rig.run(waiting).expect("admitted"), Delivered::Queued);
        rig.mtu = 0;
        let flushing = client.flush();
        let mut behind = client.publish("a", vec![102; 1024]).into_future();
        assert!(matches!(rig.poll(&mut behind), Some(Ok(Delivered::Queued))));
        rig.mtu = mtu;
        rig.run(flushing);
        rig.run(client.flush());
        let expected: Vec<u8> = (0..=100).chain([102]).collect();
        assert_eq!(numbers(&mut rig, &mut stream, 102), expected);
        assert_eq!((client.stats().pending_publishes, client.stats().pending_bytes), (0, 0));
    });
}

#[test]
fn what_a_disconnect_leaves_unsent_is_reported() {
    both_ways(|options| {
        let mut rig = Rig::connected(options);
        rig.mtu = 0;
        publish_all(&mut rig, 200);
        rig.settle();
        let client = rig.client.clone();
        let waiting = client.stats().queued_publishes;
        let report = rig.run(client.disconnect());
        let numbers: Vec<u8> = report.not_sent.iter().map(|publish| publish.payload[0]).collect();
        assert_eq!(numbers, (200 - waiting as u8..200).collect::<Vec<u8>>());
        let stats = client.stats();
        assert_eq!((stats.lost_publishes as usize, stats.pending_publishes), (200 - waiting, 0));
    });
}
