//! What a publisher and a reader see of a message, and what options of a subscription do.

use mqtt_client_core::codec::{
    PublishProperties, QoS, ReasonCode, RetainHandling, Text, TopicFilter, Version,
};
use mqtt_client_core::{Delivered, TopicDefaults};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Subscription};
use std::time::Duration;

scenarios!(
    a_client_is_built_first_and_connected_later,
    a_publish_says_its_packet_id_and_takes_bytes_text_or_nothing,
    a_message_shows_all_there_is_and_its_packet_on_request,
    topics_have_defaults_and_the_argument_wins,
    one_subscription_has_many_filters_and_shared_ones,
);

scenarios!(only 5.0:
    properties_go_with_a_message_both_ways,
    the_options_of_a_subscription_do_what_they_say,
    a_clean_reconnect_throws_the_session_away,
);

const MOMENT: Duration = Duration::from_millis(50);

fn a_client_is_built_first_and_connected_later<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.client(case.options(bed.url()).client_id("later"));
    assert!(!client.is_connected());
    assert_eq!(client.client_id(), "later");
    let connected = client.connect().unwrap();
    assert!(!connected.session_present && client.is_connected());
    assert_eq!(connected.connack.reason, ReasonCode::Success);

    // The client id names a session, which a clean start throws away.
    let lasting = case.persistent(bed.url(), "lasting");
    let clean = match case.version {
        Version::V311 => case.options(bed.url()).client_id("lasting"),
        Version::V5 => lasting.clone().clean_start(true),
    };
    for (options, session_present) in [(lasting.clone(), false), (lasting.clone(), true), (clean, false)] {
        let client = case.client(options);
        assert_eq!(client.connect().unwrap().session_present, session_present);
        client.disconnect();
    }
}

fn a_publish_says_its_packet_id_and_takes_bytes_text_or_nothing<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let mut stream = client.subscribe("a").unwrap();
    let check = |outcome: Delivered| match outcome {
        Delivered::Acknowledged(ack) => assert!(ack.packet_id.get() > 0 && !ack.reason.is_error()),
        other => panic!("{other:?}"),
    };
    check(client.send("a", vec![0, 159, 146, 150], QoS::AtLeastOnce).unwrap());
    check(client.send("a", "text", QoS::ExactlyOnce).unwrap());
    check(client.send("a", "", QoS::AtLeastOnce).unwrap());
    assert_eq!(client.send("a", "x", QoS::AtMostOnce).unwrap(), Delivered::Queued);
    assert_eq!(stream.message().payload(), [0, 159, 146, 150]);
    assert_eq!(stream.texts(3), ["text", "", "x"]);
}

fn a_message_shows_all_there_is_and_its_packet_on_request<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("all");
        client.wait(client.publish(&topic, "kept").qos(QoS::AtLeastOnce).retain(true)).unwrap();
        let mut stream = client.subscribe(&topic).unwrap();
        let message = stream.message();
        assert_eq!((message.topic(), &*message.text(), message.qos()), (&*topic, "kept", QoS::AtLeastOnce));
        assert!(message.retain() && !message.dup() && message.packet_id().is_some());
        let packet = message.to_packet();
        assert_eq!(
            (packet.topic.as_str(), &packet.payload[..], packet.retain),
            (&*topic, &b"kept"[..], true)
        );
        client.wait(client.publish(&topic, "").retain(true)).unwrap();
        assert_eq!(stream.message().packet_id(), None);
    }
}

fn topics_have_defaults_and_the_argument_wins<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let kept = TopicDefaults { qos: Some(QoS::ExactlyOnce), retain: Some(true) };
    let options = case.options(bed.url()).default_qos(QoS::AtLeastOnce).topic_defaults("kept", kept);
    let client = case.connect_with(options);
    client.wait(client.publish("kept", "1")).unwrap();
    client.wait(client.publish("kept", "2").retain(false)).unwrap();
    let mut stream = client.subscribe("kept").unwrap();
    let message = stream.message();
    assert_eq!((&*message.text(), message.qos(), message.retain()), ("1", QoS::ExactlyOnce, true));
    stream.stays_silent(MOMENT);
    let mut other = client.subscribe("other").unwrap();
    client.wait(client.publish("other", "1")).unwrap();
    client.wait(client.publish("other", "2").qos(QoS::AtMostOnce)).unwrap();
    assert_eq!([(); 2].map(|()| other.message().qos()), [QoS::AtLeastOnce, QoS::AtMostOnce]);
}

fn one_subscription_has_many_filters_and_shared_ones<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let mut many = client.subscribe(["a/+", "b/#", "c"]).unwrap();
    assert_eq!(many.granted().len(), 3);
    for topic in ["a/1", "b/2/3", "c"] {
        client.send(topic, topic.to_owned(), QoS::AtLeastOnce).unwrap();
    }
    assert_eq!(many.texts(3), ["a/1", "b/2/3", "c"]);
    // Of a shared subscription each message reaches one of those who share it.
    let other = case.connect(bed.url());
    let filter = [TopicFilter::new("$share/team/work").unwrap()].to_vec();
    let mut shares = [client.subscribe(filter.clone()).unwrap(), other.subscribe(filter).unwrap()];
    for n in 0..20 {
        client.send("work", n.to_string(), QoS::AtLeastOnce).unwrap();
    }
    let mut read: Vec<String> = Vec::new();
    while read.len() < 20 {
        for share in &mut shares {
            if let Ok(message) = share.recv_timeout(MOMENT) {
                read.push(message.text().into_owned());
            }
        }
    }
    read.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(read, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

fn properties_go_with_a_message_both_ways<A: Adapter>(case: &Case<A>) {
    let text = |text: &str| Text::try_from(text).unwrap();
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("properties");
        let mut stream = client.subscribe(&topic).unwrap();
        let mut properties = PublishProperties::default();
        properties.set_content_type(&text("text/plain"));
        properties.set_message_expiry_interval(60);
        properties.add_user_property(&text("a"), &text("1"));
        properties.add_user_property(&text("a"), &text("2"));
        let publish = client.publish(&topic, "x").qos(QoS::ExactlyOnce).properties(properties);
        client.wait(publish).unwrap();
        let message = stream.message();
        let properties = message.properties();
        assert_eq!(
            properties.content_type().map(|text| text.as_str().to_owned()).as_deref(),
            Some("text/plain")
        );
        assert!(properties.message_expiry_interval().is_some_and(|left| left <= 60));
        let users =
            properties.user_properties().map(|(name, value)| format!("{}={}", name.as_str(), value.as_str()));
        assert_eq!(users.collect::<Vec<_>>(), ["a=1", "a=2"]);
    }
}

fn the_options_of_a_subscription_do_what_they_say<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let (client, other) = (case.connect(bed.url()), case.connect(bed.url()));
        let topic = case.unique("options");
        let mut foreign = client.subscribe_with(&topic, |builder| builder.no_local(true)).unwrap();
        client.send(&topic, "own", QoS::AtLeastOnce).unwrap();
        other.wait(other.publish(&topic, "foreign").qos(QoS::AtLeastOnce).retain(true)).unwrap();
        assert_eq!(foreign.message().text(), "foreign", "no local");
        drop(foreign);

        let never = |filter: &str| {
            client
                .subscribe_with(filter, |builder| builder.retain_handling(RetainHandling::DoNotSend))
                .unwrap()
        };
        never(&topic).stays_silent(MOMENT);
        let mut retained =
            client.subscribe_with(&topic, |builder| builder.retain_as_published(true)).unwrap();
        assert!(retained.message().retain());
        other.wait(other.publish(&topic, "again").qos(QoS::AtLeastOnce).retain(true)).unwrap();
        assert!(retained.message().retain(), "as published");
        other.wait(other.publish(&topic, "").qos(QoS::AtLeastOnce).retain(true)).unwrap();
        retained.message();
    }
}

fn a_clean_reconnect_throws_the_session_away<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect_with(case.persistent(bed.url(), "clean"));
    assert!(client.reconnect().unwrap().session_present);
    assert!(!client.reconnect_clean().unwrap().session_present);
    assert!(client.reconnect().unwrap().session_present, "only once");
}
