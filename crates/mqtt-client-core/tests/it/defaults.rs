//! What a publish has where it does not say.

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{InvalidOptions, Options, OptionsBuilder, PublishBuilder, TopicDefaults};

use crate::rig::Rig;

/// Publishes with these options; what a subscriber sees of QoS and retain.
#[track_caller]
fn check(
    options: OptionsBuilder,
    topic: &str,
    with: impl FnOnce(PublishBuilder<'_>) -> PublishBuilder<'_>,
    expected: (QoS, bool),
) {
    let mut rig = Rig::connected(options);
    let client = rig.client.clone();
    let mut stream = rig.run(client.subscribe("#").retain_as_published(true)).expect("granted");
    rig.run(with(client.publish(topic, "x"))).expect("delivered");
    let message = rig.next(&mut stream).expect("the message");
    assert_eq!((message.qos(), message.retain()), expected, "{topic}");
}

fn plain(publish: PublishBuilder<'_>) -> PublishBuilder<'_> {
    publish
}

#[test]
fn the_argument_goes_before_the_topic_and_the_topic_before_the_default() {
    use QoS::{AtLeastOnce as One, AtMostOnce as Zero, ExactlyOnce as Two};
    let only_qos = TopicDefaults { qos: Some(Two), ..TopicDefaults::default() };
    let kept = TopicDefaults { retain: Some(true), ..TopicDefaults::default() };
    let fleeting = TopicDefaults { qos: Some(Zero), retain: Some(false) };
    let some = || {
        let options = Options::builder().default_qos(One);
        options.topic_defaults("sure", only_qos).topic_defaults("kept", kept)
    };
    let all_kept = || some().default_retain(true).topic_defaults("fleeting", fleeting);
    check(Options::builder(), "any", plain, (Zero, false));
    check(some(), "any", plain, (One, false));
    check(some(), "sure", plain, (Two, false));
    check(some(), "kept", plain, (One, true));
    check(some(), "kept/below", plain, (One, false));
    check(some(), "sure", |publish| publish.qos(Zero), (Zero, false));
    check(some(), "kept", |publish| publish.retain(false), (One, false));
    check(all_kept(), "any", plain, (One, true));
    check(all_kept(), "any", |publish| publish.retain(false), (One, false));
    check(all_kept(), "fleeting", plain, (Zero, false));
    check(all_kept(), "fleeting", |publish| publish.retain(true).qos(Two), (Two, true));
}

#[test]
fn a_later_default_of_a_topic_replaces_an_earlier_one() {
    let first = TopicDefaults { qos: Some(QoS::ExactlyOnce), retain: Some(true) };
    let second = TopicDefaults { qos: Some(QoS::AtLeastOnce), ..TopicDefaults::default() };
    let options = Options::builder().topic_defaults("a", first).topic_defaults("a", second);
    check(options, "a", plain, (QoS::AtLeastOnce, false));
}

#[test]
fn responses_keep_what_the_request_asks_for() {
    let mut rig = Rig::connected(Options::builder().default_qos(QoS::ExactlyOnce).default_retain(true));
    let client = rig.client.clone();
    let mut requests = rig.subscribe("add");
    let mut asking = std::future::IntoFuture::into_future(client.request("add", "1 2"));
    assert!(rig.poll(&mut asking).is_none());
    let request = rig.next(&mut requests).expect("the request");
    assert_eq!((request.qos(), request.retain()), (QoS::AtLeastOnce, false));
    rig.run(client.respond(&request, "3").expect("a request")).expect("delivered");
    let response = rig.run(asking).expect("the response");
    assert_eq!((response.qos(), response.retain()), (QoS::AtLeastOnce, false));
}

#[test]
fn a_topic_that_is_none_is_refused_by_name() {
    let built = Options::builder().topic_defaults("a/#", TopicDefaults::default()).build();
    let Err(InvalidOptions::Option { option: "topic_defaults", problem }) = built else {
        panic!("{built:?}")
    };
    assert!(problem.contains("\"a/#\""), "{problem}");
}
