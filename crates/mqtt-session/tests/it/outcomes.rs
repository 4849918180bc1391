//! What the server says beside its reason codes, and what the application says to it: nothing is lost on the way.

use mqtt_session::codec::{
    Ack, Auth, AuthProperties, Binary, Connack, Connect, Disconnect, Packet, ReasonCode, TopicName, Will,
};
use mqtt_session::{Command, DisconnectCause, Event, LastAck, PublishEnd};

use crate::support::*;

/// Explains an outcome: every set of properties that may has these methods.
macro_rules! explained {
    ($packet:expr) => {{
        let mut packet = $packet;
        packet.properties.set_reason_string(&text("because"));
        for (name, value) in [("z", "1"), ("a", "2"), ("z", "3")] {
            packet.properties.add_user_property(&text(name), &text(value));
        }
        packet
    }};
}

#[test]
fn every_outcome_comes_with_its_explanation() {
    let quota = ReasonCode::QuotaExceeded;
    let success = ReasonCode::Success;

    for ack in [puback(1), puback(1).with_reason(quota)] {
        let mut rig = Rig::ready(V5);
        rig.publish(1, AtLeastOnce);
        rig.sent();
        let ack = explained!(ack);
        rig.peer_ok(ack.clone());
        assert_eq!(
            rig.events(),
            [Event::Published { tag: 1, publish: publish(1, AtLeastOnce, 1), result: end(ack) }]
        );
    }

    for ack in [pubcomp(1), pubrec(1).with_reason(quota)] {
        let mut rig = Rig::ready(V5);
        rig.publish(1, ExactlyOnce);
        rig.sent();
        let ack = explained!(ack);
        if ack.reason == success {
            rig.peer_ok(explained!(pubrec(1)));
            rig.sent();
        }
        rig.peer_ok(ack.clone());
        assert_eq!(
            rig.events(),
            [Event::Published { tag: 1, publish: publish(1, ExactlyOnce, 1), result: end(ack) }]
        );
    }

    let mut rig = Rig::ready(V5);
    rig.submit(subscribe(1, &["a"])).unwrap();
    rig.submit(unsubscribe(2, &["a"])).unwrap();
    rig.sent();
    let (suback, unsuback) = (explained!(suback(1, &[quota])), explained!(unsuback(2, &[success])));
    rig.peer_ok(suback.clone());
    rig.peer_ok(unsuback.clone());
    let expected = [
        Event::Subscribed { tag: 1, result: Ok(suback) },
        Event::Unsubscribed { tag: 2, result: Ok(unsuback) },
    ];
    assert_eq!(rig.events(), expected);

    for reason in [success, quota] {
        let mut rig = Rig::new(V5);
        rig.open(connect(V5));
        let connack = explained!(Connack::new(false, reason));
        rig.peer_ok(connack.clone());
        match &rig.events()[..] {
            [Event::Connected(connected)] if reason == success => assert_eq!(connected.connack, connack),
            events => assert_eq!(events, [Event::Refused(connack)]),
        }
    }

    let mut rig = Rig::ready(V5);
    let farewell = explained!(Disconnect::new(quota));
    rig.peer_ok(farewell.clone());
    assert_eq!(rig.cause(), DisconnectCause::ByPeer(farewell));

    let mut rig = Rig::new(V5);
    let mut connect = connect(V5);
    connect.properties.set_authentication_method(&text("M"));
    rig.open(connect);
    let method = AuthProperties::new().with_authentication_method(&text("M"));
    let challenge = explained!(Auth::new(ReasonCode::ContinueAuthentication, method));
    rig.peer_ok(challenge.clone());
    assert_eq!(rig.events(), [Event::Challenged(challenge)]);
}

fn end(ack: Ack) -> PublishEnd {
    LastAck::from(ack).into()
}

#[test]
fn a_server_that_sends_the_client_elsewhere_says_where() {
    let elsewhere = text("other.example:1883 third.example");
    for reason in [ReasonCode::UseAnotherServer, ReasonCode::ServerMoved] {
        let mut rig = Rig::new(V5);
        rig.open(connect(V5));
        let mut refusal = Connack::new(false, reason);
        refusal.properties.set_server_reference(&elsewhere);
        rig.peer_ok(refusal.clone());
        assert_eq!(rig.events(), [Event::Refused(refusal)]);
        assert_eq!(rig.cause(), DisconnectCause::Refused);

        let mut rig = Rig::ready(V5);
        let mut farewell = Disconnect::new(reason);
        farewell.properties.set_server_reference(&elsewhere);
        rig.peer_ok(farewell.clone());
        assert_eq!(rig.cause(), DisconnectCause::ByPeer(farewell));
    }
}

#[test]
fn a_will_goes_out_with_all_that_it_has() {
    both(|version| {
        let mut will = Will::new(TopicName::from_static("last/words").unwrap(), Binary::new("gone").unwrap());
        (will.qos, will.retain) = (ExactlyOnce, true);
        if version == V5 {
            will.properties.set_will_delay_interval(5);
            will.properties.set_payload_format_indicator(true);
            will.properties.set_message_expiry_interval(60);
            will.properties.set_content_type(&text("text/plain"));
            will.properties.set_response_topic(&TopicName::from_static("reply").unwrap());
            will.properties.set_correlation_data(&Binary::new("7").unwrap());
            will.properties.add_user_property(&text("z"), &text("1"));
            will.properties.add_user_property(&text("a"), &text("2"));
        }
        let mut rig = Rig::new(version);
        rig.open(Connect { will: Some(will.clone()), ..connect(version) });
        let [Packet::Connect(sent)] = &rig.sent()[..] else { panic!("CONNECT") };
        assert_eq!(sent.will, Some(will));
    });
}

#[test]
fn disconnect_may_change_the_session_expiry_of_a_session_that_outlives_its_connection() {
    for expiry in [0, 60, u32::MAX] {
        let mut rig = Rig::new(V5);
        let mut connect = connect(V5);
        connect.properties.set_session_expiry_interval(30);
        rig.open(connect);
        // What counts is CONNECT, whatever the server makes of it.
        let mut connack = connack();
        connack.properties.set_session_expiry_interval(0);
        rig.peer_ok(connack);
        rig.sent();
        let mut goodbye = Disconnect::new(ReasonCode::Success);
        goodbye.properties.set_session_expiry_interval(expiry);
        rig.submit(Command::Disconnect(goodbye.clone())).unwrap();
        assert_eq!(rig.sent(), [goodbye.into()]);
    }
}

// [3.1.1 MQTT-2.3.1-4] [5.0 MQTT-2.2.1-4] are the server's: its identifiers are not ours.
#[test]
fn both_sides_may_use_an_identifier_at_once() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(1, ExactlyOnce);
        assert_eq!(rig.sent(), [publish_packet(1, ExactlyOnce, 1)]);
        rig.peer_ok(publish(2, ExactlyOnce, 1));
        let token = rig.token();
        rig.peer_ok(pubrec(1));
        assert!(rig.session.acknowledge(token, ReasonCode::Success));
        assert_eq!(rig.sent(), packets([pubrel(1).into(), pubrec(1).into()]));
        rig.peer_ok(pubrel(1));
        assert_eq!(rig.session.in_flight(), 1);
        rig.peer_ok(pubcomp(1));
        assert_eq!(rig.session.in_flight(), 0);
        assert_eq!(rig.sent(), [pubcomp(1).into()]);
    });
}
