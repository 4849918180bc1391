//! A broker's advice over sockets: to go elsewhere, or to speak the older version.

use mqtt_client_core::codec::{Connack, Connect, Disconnect, Packet, QoS, ReasonCode, Text, Version};
use mqtt_client_core::{ClientError, Event, Failure, Offline, OptionsBuilder};
use mqtt_scenarios::{Adapter, Case, Client, Events, Peer, PeerLink, Subscription};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(only 5.0:
    a_redirect_at_connecting_is_followed_if_allowed,
    a_redirect_of_a_connection_is_followed_if_allowed,
    redirects_end_at_the_hop_limit,
    a_broker_of_3_1_1_is_spoken_to_in_3_1_1_if_allowed,
);

fn server() -> Server {
    Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap()
}

/// The client's CONNECT, and the advice to go elsewhere for an answer.
#[track_caller]
fn turn_away(link: &mut PeerLink, reason: ReasonCode, elsewhere: &str) -> Connect {
    match link.packet() {
        Packet::Connect(connect) => {
            let mut answer = Connack::new(false, reason);
            answer.properties.set_server_reference(&Text::try_from(elsewhere).unwrap());
            link.send(&answer.into());
            *connect
        }
        other => panic!("{other:?}"),
    }
}

/// Connects a client, while `play` is the other side's part.
fn connect<A: Adapter>(
    case: &Case<A>,
    options: OptionsBuilder,
    play: impl FnOnce(),
) -> (A::Client, Result<(), ClientError>) {
    let client = case.client(options);
    let outcome = std::thread::scope(|scope| {
        let connecting = scope.spawn(|| client.connect().map(drop).map_err(ClientError::from));
        play();
        connecting.join().unwrap()
    });
    (client, outcome)
}

fn a_redirect_at_connecting_is_followed_if_allowed<A: Adapter>(case: &Case<A>) {
    for reason in [ReasonCode::UseAnotherServer, ReasonCode::ServerMoved] {
        for allowed in [true, false] {
            let (peer, server) = (Peer::listen(), server());
            let options = case.options(&peer.url()).client_id("guest").max_redirects(u32::from(allowed));
            let elsewhere = server.addr().to_string();
            let (client, outcome) = connect(case, options, || {
                let mut link = peer.accept(case.version);
                assert_eq!(turn_away(&mut link, reason, &elsewhere).client_id.as_str(), "guest");
                link.closes();
            });
            if allowed {
                outcome.unwrap();
                client.send("a", "x", QoS::ExactlyOnce).unwrap();
                assert!(server.with_broker(|broker| broker.is_connected("guest")));
            } else {
                match outcome {
                    Err(ClientError::Offline(Offline::GaveUp(error))) => {
                        assert_eq!(error.failure.reason(), Some(reason), "{error}");
                    }
                    other => panic!("{other:?}"),
                }
                assert_eq!(server.with_broker(|broker| broker.connection_count()), 0);
            }
        }
    }
}

fn a_redirect_of_a_connection_is_followed_if_allowed<A: Adapter>(case: &Case<A>) {
    let (peer, server) = (Peer::listen(), server());
    let options = case.options(&peer.url()).max_redirects(1);
    let mut link = None;
    let (client, outcome) = connect(case, options, || link = Some(peer.welcome(case.version)));
    outcome.unwrap();
    let mut events = client.events();
    let mut advice = Disconnect::new(ReasonCode::ServerMoved);
    advice.properties.set_server_reference(&Text::try_from(server.addr().to_string().as_str()).unwrap());
    link.unwrap().send(&advice.into());
    assert_eq!(events.failure().reason(), Some(ReasonCode::ServerMoved));
    events.connected();
    let mut messages = client.subscribe("a").unwrap();
    client.send("a", "here", QoS::AtLeastOnce).unwrap();
    assert_eq!(messages.message().text(), "here");
    // It has moved for good: what follows a cut goes there, too.
    server.drop_connections();
    events.connected();
    client.send("a", "still", QoS::AtLeastOnce).unwrap();
    assert_eq!(messages.message().text(), "still");
}

fn redirects_end_at_the_hop_limit<A: Adapter>(case: &Case<A>) {
    // Two servers that send each other's clients to the other one.
    let peers = [Peer::listen(), Peer::listen()];
    let options = case.options(&peers[0].url()).max_redirects(3);
    let (_, outcome) = connect(case, options, || {
        for hop in 0..4 {
            let elsewhere = peers[(hop + 1) % 2].addr().to_string();
            turn_away(&mut peers[hop % 2].accept(case.version), ReasonCode::UseAnotherServer, &elsewhere);
        }
    });
    match outcome {
        Err(ClientError::Offline(Offline::GaveUp(error))) => {
            assert_eq!(error.failure.reason(), Some(ReasonCode::UseAnotherServer), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

fn a_broker_of_3_1_1_is_spoken_to_in_3_1_1_if_allowed<A: Adapter>(case: &Case<A>) {
    let config = BrokerConfig { versions: vec![Version::V311], ..BrokerConfig::default() };
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let (_, refused) = connect(case, case.options(&server.url()), || {});
    match refused {
        Err(ClientError::Offline(Offline::GaveUp(error))) => {
            assert_eq!(error.failure.reason(), Some(ReasonCode::UnsupportedProtocolVersion), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let client = case.client(case.options(&server.url()).fall_back(true));
    let mut events = client.events();
    client.connect().unwrap();
    assert!(matches!(events.failure(), Failure::Refused(_)));
    events.connected();
    let mut messages = client.subscribe("a").unwrap();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        client.send("a", "x", qos).unwrap();
        assert_eq!(messages.message().qos(), qos);
    }
    // It is remembered: the next connection is one attempt.
    server.drop_connections();
    let mut attempts = 0;
    events.find("a connection", |event| {
        attempts += u32::from(matches!(event, Event::Attempt { .. }));
        matches!(event, Event::Connected { .. }).then_some(())
    });
    assert_eq!(attempts, 1);
}
