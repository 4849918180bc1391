//! `publish().await` at QoS 0: of these messages nobody asks more than that they were admitted.

use std::future::IntoFuture;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Delivered, Message, Options, Subscription};

use crate::rig::{Dial, Rig};

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
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    let mut stream = rig.subscribe("a");
    let mtu = std::mem::take(&mut rig.mtu);
    publish_all(&mut rig, 200);
    rig.settle();
    let stats = client.stats();
    assert_eq!(stats.pending_publishes, 200);
    assert!((100..150).contains(&stats.queued_publishes), "{} wait for the session", stats.queued_publishes);
    let mut flushing = client.flush();
    assert!(rig.poll(&mut flushing).is_none(), "nothing is written");
    rig.mtu = mtu;
    rig.run(flushing);
    let stats = client.stats();
    assert_eq!((stats.pending_publishes, stats.pending_bytes, stats.queued_publishes), (0, 0, 0));
    assert_eq!(numbers(&mut rig, &mut stream, 200), (0..200).collect::<Vec<u8>>());
}

#[test]
fn what_the_transport_had_not_taken_is_lost_with_the_link_and_the_rest_goes_out_with_the_next() {
    let mut rig = Rig::connected(Options::builder());
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
}

#[test]
fn they_keep_to_the_bounds_and_to_their_place_among_others() {
    let mut rig = Rig::connected(Options::builder().max_queued(10, 1 << 20));
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
}
