//! Publishing in batches and in queues, in virtual time.

use std::time::Duration;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{
    Collect, CollectingPublisher, Event, Indeterminate, NotSent, Options, PublishFailure, TopicDefaults,
};
use mqtt_testkit::BrokerConfig;

use crate::rig::{Rig, drain, failure};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn collect(rig: &mut Rig, publisher: &mut CollectingPublisher, payloads: &[(&str, &[u8])]) {
    for &(topic, payload) in payloads {
        rig.run(publisher.publish(topic, payload.to_vec())).expect("collected");
    }
    rig.settle();
}

/// What has come in, as `topic payload`, without any time passing.
fn arrived(rig: &mut Rig, stream: &mut mqtt_client_core::Subscription) -> Vec<String> {
    let mut messages = Vec::new();
    while let Some(message) = rig.ready(stream) {
        messages.push(format!("{} {}", message.topic(), message.text()));
    }
    messages
}

#[test]
fn a_batch_leaves_when_its_topic_has_five() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = rig.subscribe("#");
    let mut batches = rig.client.batch_publisher(Collect::default());
    collect(
        &mut rig,
        &mut batches,
        &[("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"\"4\""), ("a", b"\xff")],
    );
    assert_eq!(arrived(&mut rig, &mut stream), [""; 0]);
    assert_eq!(rig.client.stats().collected_publishes, 5);
    collect(&mut rig, &mut batches, &[("a", b"6")]);
    assert_eq!(arrived(&mut rig, &mut stream), [r#"a ["1","3","\"4\"",{"base64":"/w=="},"6"]"#]);
    assert_eq!(rig.client.stats().collected_publishes, 1);
}

#[test]
fn a_batch_leaves_when_its_first_payload_is_as_old_as_the_interval() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = rig.subscribe("#");
    let mut batches = rig.client.batch_publisher(Collect::default());
    collect(&mut rig, &mut batches, &[("a", b"1")]);
    rig.run_for(SECOND * 20);
    collect(&mut rig, &mut batches, &[("b", b"2"), ("a", b"3")]);
    rig.run_for(SECOND * 39);
    assert_eq!(arrived(&mut rig, &mut stream), [""; 0]);
    rig.run_for(SECOND);
    assert_eq!(arrived(&mut rig, &mut stream), [r#"a ["1","3"]"#], "60 s after its first");
    collect(&mut rig, &mut batches, &[("a", b"4")]);
    rig.run_for(SECOND * 20);
    assert_eq!(arrived(&mut rig, &mut stream), [r#"b ["2"]"#], "each topic has its own time");
    rig.run_for(SECOND * 40);
    assert_eq!(
        arrived(&mut rig, &mut stream),
        [r#"a ["4"]"#],
        "the next interval begins with the next payload"
    );
    rig.run_for(MINUTE * 60);
    assert_eq!(arrived(&mut rig, &mut stream), [""; 0], "nothing is sent where nothing is collected");
}

#[test]
fn a_queue_leaves_one_by_one_in_its_order() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = rig.subscribe("#");
    let mut queue =
        rig.client.queue_publisher(Collect { size: 3, interval: SECOND * 10, ..Collect::default() });
    collect(&mut rig, &mut queue, &[("b", b"1"), ("a", b"2")]);
    assert_eq!(arrived(&mut rig, &mut stream), [""; 0]);
    collect(&mut rig, &mut queue, &[("b", b"3")]);
    assert_eq!(arrived(&mut rig, &mut stream), ["b 1", "a 2", "b 3"]);
    collect(&mut rig, &mut queue, &[("c", b"4"), ("b", b"5")]);
    rig.run_for(Duration::from_millis(9_999));
    assert_eq!(arrived(&mut rig, &mut stream), [""; 0]);
    rig.run_for(Duration::from_millis(1));
    assert_eq!(arrived(&mut rig, &mut stream), ["c 4", "b 5"]);
}

#[test]
fn qos_and_retain_are_the_publishers_or_the_topics() {
    let kept = TopicDefaults { qos: Some(QoS::AtLeastOnce), retain: Some(true) };
    let fleeting = TopicDefaults { retain: Some(false), ..TopicDefaults::default() };
    for (message, retain) in [(TopicDefaults::default(), true), (fleeting, false)] {
        let mut rig = Rig::connected(Options::builder().topic_defaults("a", kept));
        let client = rig.client.clone();
        let mut stream = rig.run(client.subscribe("#").retain_as_published(true)).expect("granted");
        let mut batches = client.batch_publisher(Collect { size: 1, message, ..Collect::default() });
        collect(&mut rig, &mut batches, &[("a", b"1")]);
        let received = rig.ready(&mut stream).expect("the batch");
        assert_eq!((received.qos(), received.retain()), (QoS::AtLeastOnce, retain));
    }
}

#[test]
fn memory_is_bounded_in_bytes() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = rig.subscribe("#");
    let mut batches = rig.client.batch_publisher(Collect { size: 100, max_bytes: 10, ..Collect::default() });
    collect(&mut rig, &mut batches, &[("a", b"123"), ("b", b"123")]);
    assert_eq!(arrived(&mut rig, &mut stream), [""; 0], "five bytes each, with their quotes");
    collect(&mut rig, &mut batches, &[("c", b"4")]);
    assert_eq!(arrived(&mut rig, &mut stream), [r#"a ["123"]"#, r#"b ["123"]"#]);
    collect(&mut rig, &mut batches, &[("d", b"much too long for it")]);
    assert_eq!(arrived(&mut rig, &mut stream), [r#"c ["4"]"#]);
    collect(&mut rig, &mut batches, &[("e", b"5")]);
    assert_eq!(arrived(&mut rig, &mut stream), [r#"d ["much too long for it"]"#], "it passed alone");
}

#[test]
fn flush_disconnect_and_drop_leave_nothing_behind() {
    for case in 0..4 {
        let mut rig = Rig::connected(Options::builder());
        let client = rig.client.clone();
        let mut stream = rig.subscribe("#");
        let mut batches = client.batch_publisher(Collect::default());
        let mut queue = client.queue_publisher(Collect::default());
        collect(&mut rig, &mut batches, &[("a", b"1"), ("a", b"2")]);
        collect(&mut rig, &mut queue, &[("b", b"3")]);
        match case {
            0 => rig.run(client.flush()),
            1 => {
                rig.run(batches.flush());
                rig.run(queue.flush());
            }
            2 => {
                drop(batches);
                drop(queue);
            }
            _ => {
                let report = rig.run(client.disconnect());
                assert_eq!(report.not_sent, []);
                assert_eq!(rig.broker.stats().received, 2);
                let refused = rig.run(batches.publish("a", "late"));
                assert!(
                    matches!(failure("a", &refused), PublishFailure::NotSent(NotSent::Offline(_))),
                    "{refused:?}"
                );
                continue;
            }
        }
        assert_eq!(arrived(&mut rig, &mut stream), [r#"a ["1","2"]"#, "b 3"], "case {case}");
    }
}

#[test]
fn what_could_not_be_sent_is_handed_back() {
    let mut rig = Rig::new(Options::builder());
    let client = rig.client.clone();
    let mut batches = client.batch_publisher(Collect::default());
    collect(&mut rig, &mut batches, &[("a", b"1"), ("a", b"2")]);
    let report = rig.run(client.disconnect());
    let left: Vec<_> = report.not_sent.iter().map(|publish| publish.payload.as_ref()).collect();
    assert_eq!(left, [br#"["1","2"]"#]);
}

#[test]
fn collecting_waits_for_room_and_goes_on() {
    let mut rig = Rig::new(Options::builder().max_queued(1, 1 << 20));
    let client = rig.client.clone();
    let sure = TopicDefaults { qos: Some(QoS::AtLeastOnce), ..TopicDefaults::default() };
    let mut queue = client.queue_publisher(Collect { size: 2, message: sure, ..Collect::default() });
    collect(&mut rig, &mut queue, &[("a", b"1"), ("a", b"2")]);
    let mut third = queue.publish("a", "3");
    assert!(rig.poll(&mut third).is_none(), "the second has no room");
    let connecting = client.connect();
    rig.run(third).expect("collected");
    rig.run(connecting).expect("connected");
    rig.run(client.flush());
    assert_eq!(rig.broker.stats().received, 3);
}

#[test]
fn a_batch_that_the_broker_refuses_is_told() {
    let config = BrokerConfig { maximum_qos: QoS::AtMostOnce, ..BrokerConfig::default() };
    let mut rig = Rig::with_broker(Options::builder(), config);
    let client = rig.client.clone();
    rig.run(client.connect()).expect("connected");
    let mut events = client.events();
    let sure = TopicDefaults { qos: Some(QoS::AtLeastOnce), ..TopicDefaults::default() };
    let mut batches = client.batch_publisher(Collect { size: 1, message: sure, ..Collect::default() });
    collect(&mut rig, &mut batches, &[("a", b"1")]);
    let told = drain(&mut events);
    let [Event::NotPublished(error)] = &told[..] else { panic!("{told:?}") };
    let refused = Err::<(), _>(error.clone());
    assert!(matches!(failure("a", &refused), PublishFailure::NotSent(NotSent::Refused(_))), "{error:?}");
}

#[test]
fn a_batch_that_a_disconnect_leaves_unanswered_is_told() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    let mut events = client.events();
    let sure = TopicDefaults { qos: Some(QoS::AtLeastOnce), ..TopicDefaults::default() };
    let mut batches = client.batch_publisher(Collect { size: 1, message: sure, ..Collect::default() });
    rig.mtu = 0;
    collect(&mut rig, &mut batches, &[("a", b"1")]);
    drop(batches);
    rig.run(client.disconnect_within(Duration::ZERO));
    let mut told = drain(&mut events);
    told.retain(|event| matches!(event, Event::NotPublished(_)));
    let [Event::NotPublished(error)] = &told[..] else { panic!("{told:?}") };
    let unknown = Err::<(), _>(error.clone());
    let unknown = failure("a", &unknown);
    assert!(matches!(unknown, PublishFailure::Indeterminate(Indeterminate::Offline(_))), "{error:?}");
}
