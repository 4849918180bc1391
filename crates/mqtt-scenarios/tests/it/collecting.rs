//! Batches and queues leave when it is time, on each adapter's clock.

use std::time::Duration;

use mqtt_client_core::Collect;
use mqtt_scenarios::{Adapter, Bed, Case, Client, Next, PATIENCE, Subscription};

scenarios!(a_batch_leaves_when_it_is_full_and_when_it_is_time, a_queue_leaves_one_by_one_in_its_order);

fn a_batch_leaves_when_it_is_full_and_when_it_is_time<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("batches");
        let mut stream = client.subscribe(&topic).unwrap();
        let collect = Collect { size: 2, interval: Duration::from_millis(50), ..Collect::default() };
        let mut batches = client.batch_publisher(collect);
        for payload in ["1", "2", "3"] {
            client.wait(batches.publish(&topic, payload)).unwrap();
        }
        for expected in [r#"["1","2"]"#, r#"["3"]"#] {
            match stream.next_within(PATIENCE) {
                Next::Message(message) => assert_eq!(message.text(), expected),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn a_queue_leaves_one_by_one_in_its_order<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("queue");
        let mut stream = client.subscribe(format!("{topic}/+").as_str()).unwrap();
        let collect = Collect { size: 3, interval: Duration::from_millis(50), ..Collect::default() };
        let mut queue = client.queue_publisher(collect);
        for payload in ["1", "2", "3", "4"] {
            client.wait(queue.publish(format!("{topic}/{payload}"), payload)).unwrap();
        }
        assert_eq!(
            stream.texts(4),
            ["1", "2", "3", "4"],
            "three because they are enough, one because it is time"
        );
    }
}
