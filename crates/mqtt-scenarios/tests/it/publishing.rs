//! What becomes of a message: exactly one outcome each, and none of them a deadlock.

use std::thread;

use mqtt_client_core::codec::{PublishProperties, QoS, ReasonCode, TopicFilter, Version};
use mqtt_client_core::{Completion, Delivered, NotSent, PublishError, PublishFailure};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Subscription, failure, until};
use mqtt_testkit::{BrokerConfig, Fault, Server};

scenarios!(
    a_completion_tells_the_outcome,
    a_message_that_cannot_be_sent_says_why,
    a_dropped_completion_cancels_nothing,
    a_handler_may_publish_and_wait,
    clones_publish_at_the_same_time,
);

scenarios!(only 5.0:
    a_rejected_message_is_an_error,
    the_brokers_packet_limit_fails_that_message_alone,
    the_brokers_receive_maximum_is_kept,
);

fn a_completion_tells_the_outcome<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("outcome");
        let enqueue = |qos| client.wait(client.publish(&topic, "x").qos(qos).enqueue()).unwrap();
        assert_eq!(client.wait(enqueue(QoS::AtMostOnce)).unwrap(), Delivered::Written);
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            match client.wait(enqueue(qos)).unwrap() {
                // 0x10, no matching subscribers, is a success too.
                Delivered::Acknowledged(ack) => assert!(!ack.reason.is_error(), "{}", ack.reason),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(client.stats().pending_publishes, 0);
    }
}

fn a_message_that_cannot_be_sent_says_why<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let not_sent = |topic, result: Result<Delivered, PublishError>| match failure(topic, &result) {
        PublishFailure::NotSent(why) => why.clone(),
        other => panic!("{other:?}"),
    };
    for topic in ["", "a/+", "#", "a\0b"] {
        let why = not_sent(topic, client.send(topic, "x", QoS::AtLeastOnce));
        assert!(matches!(&why, NotSent::InvalidTopic(_)), "{topic:?}: {why}");
    }
    if case.version == Version::V311 {
        let mut properties = PublishProperties::default();
        properties.set_message_expiry_interval(5);
        let why = not_sent("a", client.wait(client.publish("a", "x").properties(properties)));
        assert!(matches!(why, NotSent::Refused(_)), "{why}");
    }
    client.disconnect();
    let why = not_sent("a", client.send("a", "x", QoS::AtMostOnce));
    assert!(matches!(why, NotSent::Offline(_)), "{why}");
}

fn a_dropped_completion_cancels_nothing<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let mut messages = client.subscribe("dropped").unwrap();
    for i in 0..100 {
        drop(client.publish("dropped", i.to_string()).qos(QoS::ExactlyOnce).try_enqueue().unwrap());
    }
    for i in 0..100 {
        assert_eq!(messages.message().text(), i.to_string());
    }
}

/// The handler waits for its own message's acknowledgement while more come in than may be unread at once.
fn a_handler_may_publish_and_wait<A: Adapter>(case: &Case<A>) {
    const COUNT: usize = 200;
    let bed = Bed::in_process();
    let echo = case.connect_with(case.options(bed.url()).max_queued(1, 1 << 20));
    let mut requests = echo.subscribe("request/+").unwrap();
    let asker = case.connect(bed.url());
    let mut answers = asker.subscribe("answer/+").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..COUNT {
                let request = requests.message();
                let topic = request.topic().replace("request", "answer");
                echo.send(&topic, request.to_payload(), QoS::ExactlyOnce).unwrap();
            }
        });
        let asked: Vec<Completion> = (0..COUNT)
            .map(|i| {
                let request = asker.publish(format!("request/{i}"), i.to_string()).qos(QoS::AtLeastOnce);
                asker.wait(request.enqueue()).unwrap()
            })
            .collect();
        for i in 0..COUNT {
            let answer = answers.message();
            assert_eq!((answer.topic(), &*answer.text()), (&*format!("answer/{i}"), &*i.to_string()));
        }
        for completion in asked {
            asker.wait(completion).unwrap();
        }
    });
}

fn clones_publish_at_the_same_time<A: Adapter>(case: &Case<A>) {
    const THREADS: usize = 4;
    const COUNT: usize = 100;
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let mut messages = case.connect(bed.url()).subscribe("clone/+").unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = client.clone();
            scope.spawn(move || {
                for i in 0..COUNT {
                    client.send(&format!("clone/{thread}"), i.to_string(), QoS::AtLeastOnce).unwrap();
                }
            });
        }
    });
    // In order for each thread, whatever the threads' order.
    let mut next = [0; THREADS];
    for _ in 0..THREADS * COUNT {
        let message = messages.message();
        let thread: usize = message.topic()["clone/".len()..].parse().unwrap();
        assert_eq!(message.text(), next[thread].to_string());
        next[thread] += 1;
    }
    assert_eq!(next, [COUNT; THREADS]);
}

fn a_rejected_message_is_an_error<A: Adapter>(case: &Case<A>) {
    let deny_publish = vec![TopicFilter::new("secret/#").unwrap()];
    let config = BrokerConfig { deny_publish, ..BrokerConfig::default() };
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let client = case.connect(&server.url());
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        match failure("secret/1", &client.send("secret/1", "x", qos)) {
            PublishFailure::Rejected(ack) => assert_eq!(ack.reason, ReasonCode::NotAuthorized),
            other => panic!("{qos:?}: {other:?}"),
        }
    }
    client.send("open/1", "x", QoS::ExactlyOnce).unwrap();
    let stats = client.stats();
    assert_eq!((stats.reconnects, stats.in_flight, stats.pending_publishes), (0, 0, 0));
}

fn the_brokers_packet_limit_fails_that_message_alone<A: Adapter>(case: &Case<A>) {
    let config = BrokerConfig { max_packet_size: 1_000, ..BrokerConfig::default() };
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let client = case.connect(&server.url());
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let completion = client.wait(client.publish("large", vec![0; 2_000]).qos(qos).enqueue()).unwrap();
        match failure("large", &client.wait(completion)) {
            PublishFailure::NotSent(NotSent::Refused(refusal)) => {
                assert!(refusal.to_string().contains("1000"), "it names the limit: {refusal}");
            }
            other => panic!("{qos:?}: {other:?}"),
        }
    }
    client.send("small", vec![0; 900], QoS::ExactlyOnce).unwrap();
    assert_eq!(client.stats().reconnects, 0);
}

/// The broker cuts a client off that exceeds what it has announced; here its acknowledgements come late, too.
fn the_brokers_receive_maximum_is_kept<A: Adapter>(case: &Case<A>) {
    let slow = Fault::sent(mqtt_client_core::codec::PacketKind::Pubrec);
    let config = BrokerConfig {
        receive_maximum: 3.try_into().unwrap(),
        faults: vec![slow.times(5).delay(std::time::Duration::from_millis(20))],
        ..BrokerConfig::default()
    };
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let client = case.connect(&server.url());
    let mut messages = client.subscribe("window").unwrap();
    let completions: Vec<Completion> = (0..100)
        .map(|i| {
            client.wait(client.publish("window", i.to_string()).qos(QoS::ExactlyOnce).enqueue()).unwrap()
        })
        .collect();
    for (i, completion) in completions.into_iter().enumerate() {
        client.wait(completion).unwrap();
        assert_eq!(messages.message().text(), i.to_string());
    }
    until("nothing is in flight", || client.stats().in_flight == 0);
    assert_eq!(client.stats().reconnects, 0);
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}
