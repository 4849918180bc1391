//! A peer that breaks the protocol: a typed error, a DISCONNECT that says why (5.0), the end of the connection, and another
//! one.

use mqtt_client_core::codec::{Connack, Packet, Publish, QoS, ReasonCode, TopicName, Version};
use mqtt_client_core::{ClientError, ConnectError, Failure, Offline};
use mqtt_scenarios::{Adapter, Case, Client, Events, Peer, PeerLink, Subscription};

scenarios!(
    bad_bytes_end_the_connection,
    a_packet_over_the_limit_ends_the_connection,
    a_packet_out_of_order_ends_the_connection,
    bad_bytes_instead_of_a_connack_end_the_attempt,
    messages_before_the_bad_bytes_are_not_lost,
    a_flood_of_what_nobody_asked_for_is_borne_or_ended,
);

scenarios!(only 5.0:
    a_server_of_311_is_named,
    a_disconnect_of_the_broker_is_told,
);

/// The link ends: in 5.0 after a DISCONNECT with this reason, in 3.1.1 without a word.
#[track_caller]
fn assert_ends(mut link: PeerLink, version: Version, reason: ReasonCode) {
    if version == Version::V5 {
        match link.packet() {
            Packet::Disconnect(disconnect) => assert_eq!(disconnect.reason, reason),
            other => panic!("{other:?}"),
        }
    }
    link.closes();
}

/// A peer sends these bytes to a connected client.
#[track_caller]
fn check<A: Adapter>(case: &Case<A>, bytes: &[u8], reason: ReasonCode) {
    let peer = Peer::listen();
    let client = case.client(case.options(&peer.url()).max_packet_size(1_000));
    let mut events = client.events();
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| client.connect().map(|_| ()));
        let mut link = peer.welcome(case.version);
        connecting.join().unwrap().unwrap();
        link.write(bytes);
        assert_ends(link, case.version, reason);
        match events.failure() {
            Failure::Protocol(error) => assert_eq!(error.reason_code(), reason),
            other => panic!("{other}"),
        }
        // It comes back, and works.
        let mut link = peer.welcome(case.version);
        let publishing = scope.spawn(|| client.send("a", "x", QoS::AtMostOnce));
        match link.packet() {
            Packet::Publish(publish) => assert_eq!(publish.topic.as_str(), "a"),
            other => panic!("{other:?}"),
        }
        publishing.join().unwrap().unwrap();
    });
}

fn bad_bytes_end_the_connection<A: Adapter>(case: &Case<A>) {
    // A packet type that does not exist, flags that are not allowed, a Remaining Length without an end, a QoS of 3.
    for bytes in [&[0x00, 0x00][..], &[0xd1, 0x00], &[0x30, 0xff, 0xff, 0xff, 0xff], b"\x36\x05\0\x01a\0\x01"]
    {
        check(case, bytes, ReasonCode::MalformedPacket);
    }
}

fn a_packet_over_the_limit_ends_the_connection<A: Adapter>(case: &Case<A>) {
    // The header alone decides: nothing of the 200 MB is waited for.
    check(case, &[0x30, 0x80, 0x84, 0xaf, 0x5f], ReasonCode::PacketTooLarge);
}

fn a_packet_out_of_order_ends_the_connection<A: Adapter>(case: &Case<A>) {
    let mut connack = Vec::new();
    let again = Packet::from(Connack::new(false, ReasonCode::Success));
    again.encode(case.version, &mut connack).unwrap();
    check(case, &connack, ReasonCode::ProtocolError);
}

fn bad_bytes_instead_of_a_connack_end_the_attempt<A: Adapter>(case: &Case<A>) {
    let peer = Peer::listen();
    let client = case.client(case.options(&peer.url()));
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| client.connect().map(|_| ()));
        let mut link = peer.accept(case.version);
        link.packet();
        link.write(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let error = connecting.join().unwrap().unwrap_err();
        assert!(error.to_string().contains(&peer.url()), "{error}");
        match error {
            Offline::GaveUp(ConnectError { failure: Failure::Protocol(_), .. }) => {}
            other => panic!("{other}"),
        }
    });
}

fn messages_before_the_bad_bytes_are_not_lost<A: Adapter>(case: &Case<A>) {
    let peer = Peer::listen();
    let client = case.client(case.options(&peer.url()));
    std::thread::scope(|scope| {
        let subscribing = scope.spawn(|| {
            client.connect().unwrap();
            client.subscribe("a").unwrap()
        });
        let mut link = peer.welcome(case.version);
        let Packet::Subscribe(subscribe) = link.packet() else { panic!("expected SUBSCRIBE") };
        let granted = vec![ReasonCode::GrantedQoS2];
        link.send(&mqtt_client_core::codec::Suback::new(subscribe.packet_id, granted).into());
        let mut messages = subscribing.join().unwrap();
        let mut bytes = Vec::new();
        for payload in ["1", "2", "3"] {
            let publish = Publish::new(TopicName::new("a").unwrap(), payload.as_bytes());
            Packet::from(publish).encode(case.version, &mut bytes).unwrap();
        }
        bytes.extend([0x00, 0x00]);
        link.write(&bytes);
        assert_eq!(messages.texts(3), ["1", "2", "3"]);
        assert_ends(link, case.version, ReasonCode::MalformedPacket);
    });
}

fn a_server_of_311_is_named<A: Adapter>(case: &Case<A>) {
    let peer = Peer::listen();
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| case.adapter.connect(case.options(&peer.url()).build().unwrap()));
        let mut link = peer.accept(case.version);
        link.packet();
        link.write(&[0x20, 0x02, 0x00, 0x01]);
        match connecting.join().unwrap().map(|_| ()) {
            Err(ClientError::Offline(Offline::GaveUp(ConnectError {
                failure: Failure::Refused(connack),
                ..
            }))) => assert_eq!(connack.reason, ReasonCode::UnsupportedProtocolVersion),
            other => panic!("{other:?}"),
        }
    });
}

fn a_disconnect_of_the_broker_is_told<A: Adapter>(case: &Case<A>) {
    let peer = Peer::listen();
    let client = case.client(case.options(&peer.url()));
    let mut events = client.events();
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| client.connect().map(|_| ()));
        let mut link = peer.welcome(case.version);
        connecting.join().unwrap().unwrap();
        link.send(&mqtt_client_core::codec::Disconnect::new(ReasonCode::ServerBusy).into());
        match events.failure() {
            Failure::Disconnected(disconnect) => assert_eq!(disconnect.reason, ReasonCode::ServerBusy),
            other => panic!("{other}"),
        }
        link.closes();
        peer.welcome(case.version);
        events.connected();
    });
}

/// Of what no stream wants nothing is kept but what waits for its acknowledgement; what goes past that window ends the
/// connection.
fn a_flood_of_what_nobody_asked_for_is_borne_or_ended<A: Adapter>(case: &Case<A>) {
    const BUDGET: usize = 1 << 20;
    let publish = |qos, id: u16| {
        let packet_id = mqtt_client_core::codec::PacketId::new(id);
        let publish = Publish::new(TopicName::new("nobody/asked").unwrap(), vec![0; 1000]);
        Packet::from(Publish { qos, packet_id: packet_id.filter(|_| qos != QoS::AtMostOnce), ..publish })
    };
    let acks = (1..=u16::MAX).map(|id| [0x40, 2, (id >> 8) as u8, id as u8]).collect::<Vec<_>>().concat();
    let messages = |qos| {
        let mut bytes = Vec::new();
        for id in 1..=8000 {
            publish(qos, id).encode(case.version, &mut bytes).unwrap();
        }
        bytes
    };
    // 8 MB each of messages of both kinds; a quarter of a megabyte of acknowledgements.
    for (flood, survives) in
        [(acks, true), (messages(QoS::AtMostOnce), true), (messages(QoS::AtLeastOnce), false)]
    {
        let peer = Peer::listen();
        let client = case.client(case.options(&peer.url()).max_unread_bytes(BUDGET).receive_maximum(100));
        let mut events = client.events();
        std::thread::scope(|scope| {
            let connecting = scope.spawn(|| client.connect().map(|_| ()));
            let mut link = peer.welcome(case.version);
            connecting.join().unwrap().unwrap();
            let flooding = scope.spawn(move || {
                for chunk in flood.chunks(10_000) {
                    link.write_some(chunk);
                }
                link
            });
            while !flooding.is_finished() {
                let unread = client.stats().unread_bytes;
                assert!(unread <= BUDGET + (1 << 17), "{unread}");
            }
            let mut link = flooding.join().unwrap();
            if survives {
                let pinging = scope.spawn(|| client.ping());
                assert!(matches!(link.packet(), Packet::Pingreq));
                link.send(&Packet::Pingresp);
                pinging.join().unwrap().unwrap();
                return;
            }
            assert!(matches!(events.failure(), Failure::Protocol(_)));
        });
    }
}
