//! Stopping: leaving in good order, and for good.

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Collect, NotSent, Offline, Options, PublishError};

use crate::rig::Rig;

#[test]
fn stop_brings_out_what_is_on_its_way_and_ends_the_driver() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    let mut batches = client.batch_publisher(Collect::default());
    rig.run(batches.publish("a", "1")).expect("collected");
    drop(client.publish("a", "2").qos(QoS::ExactlyOnce).try_enqueue().expect("room"));
    let report = rig.run(client.stop());
    assert_eq!(report.not_sent, []);
    assert_eq!(rig.broker.stats().received, 2);
    assert!(rig.stopped, "although there are handles");
    assert!(matches!(rig.run(client.connect()), Err(Offline::Disconnected)));
    let refused = rig.run(client.publish("a", "3"));
    assert!(matches!(refused, Err(PublishError::NotSent(NotSent::Offline(_)))), "{refused:?}");
}

#[test]
fn stop_gives_back_what_a_client_without_a_connection_had() {
    let mut rig = Rig::new(Options::builder());
    let client = rig.client.clone();
    let mut queue = client.queue_publisher(Collect::default());
    rig.run(queue.publish("a", "1")).expect("collected");
    drop(client.publish("a", "2").try_enqueue().expect("room"));
    let report = rig.run(client.stop());
    let left: Vec<&[u8]> = report.not_sent.iter().map(|publish| publish.payload.as_ref()).collect();
    assert_eq!(left, [b"2", b"1"]);
    assert!(rig.stopped);
}

#[test]
fn stop_after_disconnect_ends_the_driver_too() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    rig.run(client.disconnect());
    assert!(!rig.stopped, "it can be connected again");
    rig.run(client.stop());
    assert!(rig.stopped);
}
