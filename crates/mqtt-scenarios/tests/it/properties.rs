//! What goes with the packets that are no messages: user properties out, the broker's own words in.

use mqtt_client_core::codec::{
    Ack, AckKind, AckProperties, Connack, Disconnect, Packet, PacketId, Publish, QoS, ReasonCode, Suback,
    SubackProperties, SubscribeProperties, Text, TopicName, Unsuback, UnsubackProperties,
    UnsubscribeProperties, Version,
};
use mqtt_client_core::{Acknowledge, Delivered, FilterRefused, PublishFailure, SubscribeError};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Peer, PeerLink, Subscription, failure};

scenarios!(what_3_1_1_can_not_say_is_refused_by_name, an_answer_by_hand_is_explained_where_that_can_be_said,);

scenarios!(only 5.0:
    user_properties_go_with_subscribe_unsubscribe_and_disconnect,
    what_the_broker_adds_to_its_answers_is_told,
    a_subscription_made_again_has_its_user_properties,
    an_answer_by_hand_is_explained_as_far_as_the_broker_has_room,
);

fn text(text: &str) -> Text {
    Text::try_from(text).unwrap()
}

/// The client's SUBSCRIBE, and the answer to it.
#[track_caller]
fn answer_subscribe(
    link: &mut PeerLink,
    reason: ReasonCode,
    properties: SubackProperties,
) -> SubscribeProperties {
    match link.packet() {
        Packet::Subscribe(subscribe) => {
            let answer = Suback { properties, ..Suback::new(subscribe.packet_id, vec![reason]) };
            link.send(&answer.into());
            subscribe.properties
        }
        other => panic!("{other:?}"),
    }
}

/// The client's UNSUBSCRIBE, and the answer to it.
#[track_caller]
fn answer_unsubscribe(link: &mut PeerLink, properties: UnsubackProperties) -> UnsubscribeProperties {
    match link.packet() {
        Packet::Unsubscribe(unsubscribe) => {
            let answer =
                Unsuback { properties, ..Unsuback::new(unsubscribe.packet_id, vec![ReasonCode::Success]) };
            link.send(&answer.into());
            unsubscribe.properties
        }
        other => panic!("{other:?}"),
    }
}

/// The client's PUBLISH, and the answer to it.
#[track_caller]
fn answer_publish(link: &mut PeerLink, reason: ReasonCode, properties: AckProperties) {
    match link.packet() {
        Packet::Publish(publish) => {
            let answer = Ack::new(AckKind::Puback, publish.packet_id.unwrap()).with_reason(reason);
            link.send(&Ack { properties, ..answer }.into());
        }
        other => panic!("{other:?}"),
    }
}

/// A client, and a server played by hand that has accepted it.
fn pair<A: Adapter>(case: &Case<A>) -> (A::Client, Peer, PeerLink) {
    pair_with(case, &Connack::new(false, ReasonCode::Success))
}

/// The same with a CONNACK of one's own.
fn pair_with<A: Adapter>(case: &Case<A>, connack: &Connack) -> (A::Client, Peer, PeerLink) {
    let peer = Peer::listen();
    let client = case.client(case.options(&peer.url()));
    let link = std::thread::scope(|scope| {
        let connecting = scope.spawn(|| client.connect().map(drop));
        let link = peer.welcome_with(case.version, connack);
        connecting.join().unwrap().unwrap();
        link
    });
    (client, peer, link)
}

/// A subscription whose messages are answered by hand.
#[track_caller]
fn subscribe_by_hand<C: Client>(client: &C, link: &mut PeerLink) -> C::Subscription {
    std::thread::scope(|scope| {
        let subscribing =
            scope.spawn(|| client.subscribe_with("a", |builder| builder.acknowledge(Acknowledge::ByHand)));
        answer_subscribe(link, ReasonCode::GrantedQoS2, SubackProperties::new());
        subscribing.join().unwrap().unwrap()
    })
}

fn message(packet_id: u16, qos: QoS) -> Packet {
    let (topic, packet_id) = (TopicName::new("a").unwrap(), PacketId::new(packet_id));
    Publish { qos, packet_id, ..Publish::new(topic, "x") }.into()
}

fn user_properties_go_with_subscribe_unsubscribe_and_disconnect<A: Adapter>(case: &Case<A>) {
    let (client, _peer, mut link) = pair(case);
    let (name, one, two) = (text("n"), text("1"), text("2"));
    std::thread::scope(|scope| {
        let subscribing = scope.spawn(|| {
            client
                .subscribe_with("a", |builder| builder.user_property(&name, &one).user_property(&name, &two))
        });
        let told = answer_subscribe(&mut link, ReasonCode::GrantedQoS2, SubackProperties::new());
        assert_eq!(
            told.user_properties().map(|(_, value)| value.to_string()).collect::<Vec<_>>(),
            ["1", "2"]
        );
        let _messages = subscribing.join().unwrap().unwrap();

        let unsubscribing =
            scope.spawn(|| client.unsubscribe_with("a", |builder| builder.user_property(&name, &one)));
        let told = answer_unsubscribe(&mut link, UnsubackProperties::new());
        assert_eq!(told, UnsubscribeProperties::new().with_user_property(&name, &one));
        unsubscribing.join().unwrap().unwrap();

        let mut goodbye = Disconnect::default();
        goodbye.properties.set_reason_string(&text("bedtime"));
        goodbye.properties.add_user_property(&name, &one);
        let expected = goodbye.clone();
        let leaving = scope.spawn(|| client.disconnect_with(goodbye));
        assert_eq!(link.packet(), Packet::Disconnect(expected));
        link.closes();
        leaving.join().unwrap().unwrap();
    });
}

fn what_the_broker_adds_to_its_answers_is_told<A: Adapter>(case: &Case<A>) {
    let (client, _peer, mut link) = pair(case);
    let (name, value, why) = (text("n"), text("1"), text("not before noon"));
    let suback = SubackProperties::new().with_reason_string(&why).with_user_property(&name, &value);
    let unsuback = UnsubackProperties::new().with_reason_string(&why).with_user_property(&name, &value);
    let puback = AckProperties::new().with_reason_string(&why).with_user_property(&name, &value);
    std::thread::scope(|scope| {
        let subscribing = scope.spawn(|| client.subscribe("a"));
        answer_subscribe(&mut link, ReasonCode::GrantedQoS1, suback.clone());
        let messages = subscribing.join().unwrap().unwrap();
        let granted = messages.granted()[0].1.as_ref().unwrap();
        assert_eq!((granted.reason, &granted.properties), (ReasonCode::GrantedQoS1, &suback));

        let subscribing = scope.spawn(|| client.subscribe("b").map(drop));
        answer_subscribe(&mut link, ReasonCode::NotAuthorized, suback.clone());
        match subscribing.join().unwrap() {
            Err(error @ SubscribeError::Refused(_)) => {
                assert!(error.to_string().contains("not before noon"), "{error}");
                let SubscribeError::Refused(refused) = error else { return };
                assert!(
                    matches!(&refused[0].1, FilterRefused::ByBroker(answer) if answer.properties == suback),
                    "{refused:?}"
                );
            }
            other => panic!("{other:?}"),
        }

        let unsubscribing = scope.spawn(|| client.unsubscribe("a"));
        answer_unsubscribe(&mut link, unsuback);
        assert_eq!(unsubscribing.join().unwrap().unwrap()[0].1.as_ref().unwrap().properties, suback);

        let publishing = scope.spawn(|| client.send("a", "x", QoS::AtLeastOnce));
        answer_publish(&mut link, ReasonCode::Success, puback.clone());
        match publishing.join().unwrap() {
            Ok(Delivered::Acknowledged(ack)) => assert_eq!(ack.properties, puback),
            other => panic!("{other:?}"),
        }
        let publishing = scope.spawn(|| client.send("a", "x", QoS::AtLeastOnce));
        answer_publish(&mut link, ReasonCode::QuotaExceeded, puback.clone());
        match failure("a", &publishing.join().unwrap()) {
            PublishFailure::Rejected(ack) => assert_eq!(ack.properties, puback),
            other => panic!("{other:?}"),
        }
    });
}

fn a_subscription_made_again_has_its_user_properties<A: Adapter>(case: &Case<A>) {
    let (client, peer, mut link) = pair(case);
    let (name, value) = (text("n"), text("1"));
    std::thread::scope(|scope| {
        let subscribing =
            scope.spawn(|| client.subscribe_with("a", |builder| builder.user_property(&name, &value)));
        let first = answer_subscribe(&mut link, ReasonCode::GrantedQoS2, SubackProperties::new());
        let _messages = subscribing.join().unwrap().unwrap();
        drop(link);
        let mut link = peer.welcome(case.version);
        let again = answer_subscribe(&mut link, ReasonCode::GrantedQoS2, SubackProperties::new());
        assert_eq!((again.user_properties().count(), &again), (1, &first));
    });
}

fn what_3_1_1_can_not_say_is_refused_by_name<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let (name, value) = (text("n"), text("1"));
    let subscribed = client.subscribe_with("a", |builder| builder.user_property(&name, &value)).map(drop);
    let unsubscribed = client.unsubscribe_with("a", |builder| builder.user_property(&name, &value)).unwrap();
    let mut named = Disconnect::default();
    named.properties.add_user_property(&name, &value);
    let disconnected = [Disconnect::new(ReasonCode::DisconnectWithWill), named];
    if case.version == Version::V5 {
        subscribed.unwrap();
        assert!(unsubscribed[0].1.is_ok());
        let mut foreign = Disconnect::new(ReasonCode::ServerShuttingDown);
        assert!(client.disconnect_with(foreign.clone()).is_err(), "a server's reason");
        foreign.reason = ReasonCode::Success;
        foreign.properties.set_server_reference(&text("elsewhere"));
        assert!(client.disconnect_with(foreign).is_err(), "a server's property");
        let mut longer = Disconnect::default();
        longer.properties.set_session_expiry_interval(60);
        assert!(client.disconnect_with(longer).is_err(), "a session that CONNECT did not ask for");
    } else {
        let error = subscribed.unwrap_err().to_string();
        assert!(error.contains("properties") && error.contains("3.1.1"), "{error}");
        let error = unsubscribed[0].1.as_ref().unwrap_err().to_string();
        assert!(error.contains("properties") && error.contains("3.1.1"), "{error}");
        for (disconnect, what) in disconnected.into_iter().zip(["reason codes", "properties"]) {
            let error = client.disconnect_with(disconnect).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("3.1.1"), "{error}");
        }
    }
    assert!(client.is_connected(), "nothing happened");
}

/// In 3.1.1 it is an acknowledgement like any other.
fn an_answer_by_hand_is_explained_where_that_can_be_said<A: Adapter>(case: &Case<A>) {
    let (client, _peer, mut link) = pair(case);
    let mut messages = subscribe_by_hand(&client, &mut link);
    let properties = AckProperties::new()
        .with_reason_string(&text("no such shelf"))
        .with_user_property(&text("shelf"), &text("17"));
    for (number, qos, kind) in
        [(1, QoS::AtLeastOnce, AckKind::Puback), (2, QoS::ExactlyOnce, AckKind::Pubrec)]
    {
        for (number, reason) in [(number, ReasonCode::QuotaExceeded), (number + 2, ReasonCode::Success)] {
            link.send(&message(number, qos));
            let message = messages.message();
            let answered = match reason {
                ReasonCode::Success => message.acknowledge_with(properties.clone()),
                reason => message.refuse_with(reason, properties.clone()),
            };
            assert!(answered && !message.acknowledge());
            let ack = Ack::new(kind, PacketId::new(number).unwrap());
            let expected = match case.version {
                Version::V5 => Ack { properties: properties.clone(), ..ack.with_reason(reason) },
                Version::V311 => ack,
            };
            assert_eq!(link.packet(), expected.into());
        }
    }
}

// [5.0 MQTT-3.4.2-2] [5.0 MQTT-3.4.2-3]
fn an_answer_by_hand_is_explained_as_far_as_the_broker_has_room<A: Adapter>(case: &Case<A>) {
    let mut connack = Connack::new(false, ReasonCode::Success);
    connack.properties.set_maximum_packet_size(30.try_into().unwrap());
    let (client, _peer, mut link) = pair_with(case, &connack);
    let mut messages = subscribe_by_hand(&client, &mut link);
    let short = AckProperties::new().with_reason_string(&text("no such shelf"));
    let long = AckProperties::new().with_reason_string(&text("there never was a shelf of that number"));
    let (name, value) = (text("shelf"), text("17"));
    for (number, explanation, left) in [
        (1, short.clone(), short.clone()),
        (2, short.clone().with_user_property(&name, &value), short),
        (3, long.with_user_property(&name, &value), AckProperties::new()),
    ] {
        link.send(&message(number, QoS::AtLeastOnce));
        assert!(messages.message().refuse_with(ReasonCode::QuotaExceeded, explanation));
        let ack = Ack::new(AckKind::Puback, PacketId::new(number).unwrap());
        let expected = Ack { properties: left, ..ack.with_reason(ReasonCode::QuotaExceeded) };
        assert_eq!(link.packet(), expected.into());
    }
}
