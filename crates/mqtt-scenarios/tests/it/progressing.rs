//! Whatever the application does with the client, and wherever it does it: everything goes on.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Acknowledge, Delivered, PublishFailure};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Next, Subscription, failure};

scenarios!(
    a_thousand_publish_at_once,
    everything_works_from_inside_a_stream_loop,
    everything_works_from_the_completion_of_a_publish,
    a_consumer_that_panics_takes_nothing_with_it,
    a_consumer_that_never_reads_stops_only_itself,
);

const PUBLISHERS: u32 = 1_000;

/// Far more of them than the queue has room for, and each waits for its own acknowledgements.
fn a_thousand_publish_at_once<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect_with(case.options(bed.url()).max_queued(50, 1 << 20));
    let mut stream = client.subscribe("a/+").unwrap();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|n| {
            let client = client.clone();
            let work = move || {
                for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    client.send(&format!("a/{n}"), format!("{n} {}", qos as u8), qos).unwrap();
                }
            };
            thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap()
        })
        .collect();
    let mut read = BTreeSet::new();
    for _ in 0..2 * PUBLISHERS {
        assert!(read.insert(stream.message().text().into_owned()), "once each");
    }
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    client.ping().unwrap();
    assert_eq!((client.stats().pending_publishes, client.stats().reconnects), (0, 0));
}

fn everything_works_from_inside_a_stream_loop<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let mut stream = client.subscribe("in/#").unwrap();
    let feeder = case.connect(bed.url());
    for n in 0..20 {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][n % 3];
        feeder.send(&format!("in/{n}"), n.to_string(), qos).unwrap();
    }
    let mut loops = 0;
    while let Next::Message(message) = stream.next_within(mqtt_scenarios::PATIENCE) {
        loops += 1;
        let own = format!("own/{}", message.text());
        let mut answers = client.subscribe(&own).unwrap();
        client.send(&own, "published inside", QoS::ExactlyOnce).unwrap();
        assert_eq!(answers.message().text(), "published inside");
        assert_eq!(client.unsubscribe(&own).unwrap().len(), 1);
        answers.ends();
        client.ping().unwrap();
        client.flush();
        if loops == 20 {
            client.disconnect();
        }
    }
    assert_eq!(loops, 20, "all of them, and then the end");
}

fn everything_works_from_the_completion_of_a_publish<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let other = client.clone();
    client.wait(async move {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let completion = other.publish("a", "first").qos(qos).enqueue().await.unwrap();
            let ended = completion.await.unwrap();
            assert_eq!(matches!(ended, Delivered::Written), qos == QoS::AtMostOnce);
            let next = other.publish("a", "next").qos(qos).try_enqueue().unwrap();
            other.publish("b", "and another").qos(QoS::ExactlyOnce).await.unwrap();
            next.await.unwrap();
        }
    });
    client.disconnect();
    assert!(matches!(failure("a", &client.send("a", "x", QoS::AtLeastOnce)), PublishFailure::NotSent(_)));
}

fn a_consumer_that_panics_takes_nothing_with_it<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let mut others = client.subscribe("others").unwrap();
    let by_hand =
        |filter| client.subscribe_with(filter, |builder| builder.acknowledge(Acknowledge::ByHand)).unwrap();
    let mut stream = by_hand("work");
    client.send("work", "too hard", QoS::AtLeastOnce).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let message = stream.message();
        panic!("a consumer's fault, over {:?}", message.text());
    }));
    assert!(panicked.is_err());
    client.send("others", "x", QoS::ExactlyOnce).unwrap();
    assert_eq!(others.message().text(), "x");
    client.ping().unwrap();
    // Nobody has acknowledged it, so the next one gets it.
    let message = by_hand("work").message();
    assert_eq!((&*message.text(), message.dup()), ("too hard", true));
    assert!(message.acknowledge());
}

fn a_consumer_that_never_reads_stops_only_itself<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let options = case.options(bed.url()).receive_maximum(10).stream_capacity(10);
    let client = case.connect_with(options.keep_alive(Duration::from_secs(1)));
    let feeder = case.connect(bed.url());
    let unread = client.subscribe("unread").unwrap();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for _ in 0..if qos == QoS::AtMostOnce { 200 } else { 5 } {
            feeder.send("unread", vec![0; 1000], qos).unwrap();
        }
    }
    for n in 0..100_u32 {
        client.send("own", n.to_string(), [QoS::AtLeastOnce, QoS::ExactlyOnce][n as usize % 2]).unwrap();
    }
    let mut read = client.subscribe("qos0").unwrap();
    feeder.send("qos0", "passes", QoS::AtMostOnce).unwrap();
    assert_eq!(read.message().text(), "passes");
    client.ping().unwrap();
    let stats = client.stats();
    assert!(stats.unread_bytes < 30 * 1200, "bounded: {stats:?}");
    assert_eq!(stats.reconnects, 0);
    drop(unread);
}
