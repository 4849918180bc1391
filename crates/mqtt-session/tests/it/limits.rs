//! What CONNACK allows, and how the rest is refused.

use mqtt_session::codec::{
    Connack, ConnackProperties, Disconnect, Packet, Publish, QoS, ReasonCode, SubscribeProperties,
    SubscriptionId, Version,
};
use mqtt_session::{Command, Event, Limits, Refusal};

use crate::support::*;

fn accept(version: Version, properties: ConnackProperties) -> Rig {
    let mut rig = Rig::new(version);
    rig.accept(Connack { properties, ..connack() });
    rig
}

fn limited(set: impl FnOnce(&mut ConnackProperties)) -> Rig {
    let mut properties = ConnackProperties::default();
    set(&mut properties);
    accept(V5, properties)
}

#[track_caller]
fn check_publish(rig: &mut Rig, publish: Publish, expected: Refusal) {
    assert_eq!(rig.session.check(&publish), Err(expected.clone()));
    let command = Command::Publish { tag: 1, publish };
    let rejected = rig.session.submit(command.clone()).unwrap_err();
    assert_eq!((rejected.value, rejected.refusal), (command, expected));
    assert_eq!(rig.sent(), []);
}

#[track_caller]
fn check_subscribe(rig: &mut Rig, command: Command, expected: Refusal) {
    let rejected = rig.session.submit(command.clone()).unwrap_err();
    assert_eq!((rejected.value, rejected.refusal), (command, expected));
    assert_eq!(rig.sent(), []);
}

#[test]
fn without_a_word_from_the_server_the_protocol_is_the_limit() {
    let expected = |version| Limits {
        version,
        receive_maximum: 65_535,
        maximum_packet_size: 268_435_460,
        maximum_qos: QoS::ExactlyOnce,
        retain_available: true,
        wildcard_available: true,
        subscription_identifiers_available: version == V5,
        shared_available: true,
        keep_alive: 0,
        session_expiry: u32::MAX,
        topic_alias_maximum: 0,
        assigned_client_identifier: None,
    };
    both(|version| {
        let rig = accept(version, ConnackProperties::default());
        assert_eq!(rig.session.limits(), Some(&expected(version)));
    });
}

#[test]
fn the_session_expiry_is_the_servers_if_it_names_one() {
    let rig = limited(|properties| properties.set_session_expiry_interval(60));
    assert_eq!(rig.session.limits().unwrap().session_expiry, 60);
}

#[test]
fn a_clean_session_of_3_1_1_ends_with_its_connection() {
    let mut rig = Rig::new(V311);
    rig.open(mqtt_session::codec::Connect::new(V311, text("client")));
    rig.peer_ok(connack());
    assert_eq!(rig.session.limits().unwrap().session_expiry, 0);
}

#[test]
fn connected_tells_the_limits_and_the_connack() {
    let mut rig = Rig::new(V5);
    rig.open(connect(V5));
    let mut connack = connack();
    connack.properties.set_topic_alias_maximum(7);
    rig.peer_ok(connack.clone());
    let events = rig.events();
    let [Event::Connected(connected)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(connected.connack, connack);
    assert!(!connected.session_present);
    assert_eq!(connected.limits.topic_alias_maximum, 7);
    assert_eq!(Some(&connected.limits), rig.session.limits());
}

#[test]
fn limits_are_the_connections() {
    let mut rig = limited(|properties| properties.set_retain_available(false));
    rig.cut();
    assert_eq!(rig.session.limits(), None);
    assert_eq!(rig.session.check(&message(1, AtMostOnce)), Err(Refusal::NotReady));
    rig.accept(connack());
    assert_eq!(rig.session.check(&Publish { retain: true, ..message(1, AtMostOnce) }), Ok(()));
}

// [5.0 MQTT-3.2.2-11]
#[test]
fn a_publish_above_the_maximum_qos_is_refused() {
    for maximum in [AtMostOnce, AtLeastOnce] {
        let mut rig = limited(|properties| properties.set_maximum_qos(maximum));
        for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            if qos <= maximum {
                rig.publish(1, qos);
                assert_eq!(rig.sent().len(), 1);
            } else {
                check_publish(&mut rig, message(1, qos), Refusal::QosNotSupported { qos, maximum });
            }
        }
    }
}

// [5.0 MQTT-3.2.2-14]
#[test]
fn a_retained_publish_is_refused_where_there_are_none() {
    let mut rig = limited(|properties| properties.set_retain_available(false));
    check_publish(&mut rig, Publish { retain: true, ..message(1, AtMostOnce) }, Refusal::RetainNotSupported);
    rig.publish(1, AtMostOnce);
}

// [5.0 MQTT-3.2.2-15]
#[test]
fn a_packet_above_the_maximum_size_is_refused_with_both_sizes() {
    let mut rig = limited(|properties| properties.set_maximum_packet_size(50.try_into().unwrap()));
    let sized = |payload| Publish { payload: vec![0; payload].into(), ..message(1, AtLeastOnce) };
    // Fixed header 2, topic 3, packet identifier 2, properties 1.
    check_publish(&mut rig, sized(43), Refusal::PacketTooLarge { size: 51, limit: 50 });
    rig.submit(Command::Publish { tag: 1, publish: sized(42) }).unwrap();
    assert_eq!(rig.sent_bytes().len(), 50);

    let long = "long/topic/filter/that/goes/on/and/on/and/on/and/on";
    let refused = Refusal::PacketTooLarge { size: 5 + 2 + long.len() + 1, limit: 50 };
    check_subscribe(&mut rig, subscribe(1, &[long]), refused);
    let refused = Refusal::PacketTooLarge { size: 5 + 2 + long.len(), limit: 50 };
    check_subscribe(&mut rig, unsubscribe(1, &[long]), refused);
}

// [5.0 MQTT-3.14.2-3] [5.0 MQTT-3.14.2-4]
#[test]
fn a_disconnect_whose_explanation_exceeds_the_maximum_size_is_refused() {
    let mut rig = limited(|properties| properties.set_maximum_packet_size(50.try_into().unwrap()));
    for explain in [
        |goodbye: &mut Disconnect| goodbye.properties.set_reason_string(&text(&"x".repeat(50))),
        |goodbye: &mut Disconnect| goodbye.properties.add_user_property(&text("x"), &text(&"x".repeat(50))),
    ] {
        let mut goodbye = Disconnect::new(ReasonCode::Success);
        explain(&mut goodbye);
        let refusal = rig.submit(Command::Disconnect(goodbye)).unwrap_err();
        assert!(matches!(refusal, Refusal::PacketTooLarge { limit: 50, .. }));
    }
    rig.submit(Command::Disconnect(Disconnect::new(ReasonCode::Success))).unwrap();
}

// [5.0 MQTT-3.6.2-2] [5.0 MQTT-3.6.2-3] [5.0 MQTT-3.7.2-2] [5.0 MQTT-3.7.2-3]
#[test]
fn acknowledgements_explain_nothing_by_themselves_and_so_fit_a_small_maximum_size() {
    let mut rig = limited(|properties| properties.set_maximum_packet_size(5.try_into().unwrap()));
    rig.peer_ok(publish(1, AtLeastOnce, 1));
    rig.peer_ok(publish(2, ExactlyOnce, 2));
    for inbound in rig.messages() {
        rig.session.acknowledge(inbound.token.unwrap(), ReasonCode::QuotaExceeded);
    }
    rig.peer_ok(pubrec(3));
    rig.peer_ok(pubrel(4));
    let (quota, unknown) = (ReasonCode::QuotaExceeded, ReasonCode::PacketIdentifierNotFound);
    let expected = [
        puback(1).with_reason(quota),
        pubrec(2).with_reason(quota),
        pubrel(3).with_reason(unknown),
        pubcomp(4).with_reason(unknown),
    ];
    assert_eq!(expected.clone().map(|ack| ack.encoded_len(V5)), [Ok(5); 4]);
    assert_eq!(rig.sent(), expected.map(Packet::from));
}

#[test]
fn filters_that_the_server_does_not_take_are_refused() {
    let mut rig = limited(|properties| properties.set_wildcard_subscription_available(false));
    check_subscribe(&mut rig, subscribe(1, &["a", "b/+"]), Refusal::WildcardNotSupported);
    rig.submit(subscribe(1, &["a"])).unwrap();

    let mut rig = limited(|properties| properties.set_shared_subscription_available(false));
    check_subscribe(&mut rig, subscribe(1, &["$share/group/a"]), Refusal::SharedNotSupported);
    rig.submit(subscribe(1, &["a/+"])).unwrap();

    let mut identified = SubscribeProperties::default();
    identified.set_subscription_identifier(SubscriptionId::new(1).unwrap());
    let identified = Command::Subscribe { tag: 1, filters: filters(&["a"]), properties: identified };
    let refused = Refusal::SubscriptionIdentifiersNotSupported;
    let mut rig = limited(|properties| properties.set_subscription_identifiers_available(false));
    check_subscribe(&mut rig, identified.clone(), refused.clone());
    check_subscribe(&mut Rig::ready(V311), identified.clone(), refused);
    Rig::ready(V5).submit(identified).unwrap();
}

#[test]
fn a_publish_with_a_subscription_identifier_is_refused() {
    let mut identified = message(1, AtMostOnce);
    identified.properties.add_subscription_identifier(SubscriptionId::new(1).unwrap());
    check_publish(&mut Rig::ready(V5), identified, Refusal::SubscriptionIdentifier);
}

#[test]
fn what_3_1_1_can_not_say_is_refused() {
    let mut rig = Rig::ready(V311);
    let mut expiring = message(1, AtLeastOnce);
    expiring.properties.set_message_expiry_interval(60);
    assert!(matches!(rig.session.check(&expiring), Err(Refusal::Invalid(_))));
    let command = Command::Publish { tag: 1, publish: expiring };
    assert!(matches!(rig.submit(command), Err(Refusal::Invalid(_))));
    assert_eq!(rig.sent(), []);
}

#[test]
fn check_does_not_mind_identifier_and_dup() {
    let rig = Rig::ready(V5);
    for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
        for packet_id in [None, Some(id(1))] {
            let publish = Publish { packet_id, dup: true, ..message(1, qos) };
            assert_eq!(rig.session.check(&publish), Ok(()));
        }
    }
}

#[test]
fn refusals_read_as_one_line() {
    let check = |refusal: Refusal, expected: &str| assert_eq!(refusal.to_string(), expected);
    check(
        Refusal::PacketTooLarge { size: 51, limit: 50 },
        "the packet takes 51 bytes, the peer's Maximum Packet Size is 50",
    );
    check(
        Refusal::QosNotSupported { qos: ExactlyOnce, maximum: AtMostOnce },
        "the publish has QoS 2, the peer's Maximum QoS is 0",
    );
}
