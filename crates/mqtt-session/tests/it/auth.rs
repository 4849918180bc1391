//! Enhanced authentication: before CONNACK in any number of rounds, and anew on an accepted connection.

use mqtt_session::codec::{
    Auth, AuthProperties, Binary, Connack, Connect, Disconnect, Packet, ReasonCode, Text,
};
use mqtt_session::{Command, Config, DisconnectCause, Duty, Event, Phase, Refusal, Violation};

use crate::support::*;

const METHOD: &str = "SCRAM-SHA-256";

fn data(data: &str) -> AuthProperties {
    AuthProperties::new().with_authentication_data(&Binary::new(data.to_owned()).unwrap())
}

/// An AUTH as it stands on the wire.
fn auth(reason: ReasonCode, words: &str) -> Auth {
    Auth::new(reason, data(words).with_authentication_method(&text(METHOD)))
}

fn challenge(words: &str) -> Auth {
    auth(ReasonCode::ContinueAuthentication, words)
}

fn answer(words: &str) -> Command {
    Command::AnswerChallenge(data(words))
}

fn anew(words: &str) -> Command {
    Command::Reauthenticate(data(words))
}

fn authenticating() -> Connect {
    let mut connect = connect(V5);
    connect.properties.set_authentication_method(&text(METHOD));
    connect.properties.set_authentication_data(&Binary::new("first").unwrap());
    connect
}

fn accepting(method: &Text) -> Connack {
    let mut connack = connack();
    connack.properties.set_authentication_method(method);
    connack.properties.set_authentication_data(&Binary::new("last").unwrap());
    connack
}

/// Where a connection with a method can stand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// CONNECT, or an answer, is on its way.
    Connecting,
    /// The server has not accepted, and asks for more.
    Challenged,
    /// Accepted.
    Ready,
    /// AUTH 0x19, or an answer to what it led to, is on its way.
    Renewing,
    /// Accepted, and the server asks for more.
    RenewalChallenged,
}

const STATES: [State; 5] =
    [State::Connecting, State::Challenged, State::Ready, State::Renewing, State::RenewalChallenged];

fn rig_in(state: State) -> Rig {
    let mut rig = Rig::new(V5);
    rig.open(authenticating());
    assert_eq!(rig.sent(), [authenticating_sent().into()]);
    match state {
        State::Connecting => return rig,
        State::Challenged => rig.peer_ok(challenge("c")),
        State::Ready | State::Renewing | State::RenewalChallenged => rig.peer_ok(accepting(&text(METHOD))),
    }
    if matches!(state, State::Renewing | State::RenewalChallenged) {
        rig.submit(anew("n")).unwrap();
        assert_eq!(rig.sent(), [auth(ReasonCode::ReAuthenticate, "n").into()]);
    }
    if state == State::RenewalChallenged {
        rig.peer_ok(challenge("c"));
    }
    rig.events();
    rig
}

/// CONNECT as it goes out, with the session's own limits.
fn authenticating_sent() -> Connect {
    let mut connect = authenticating();
    let config = Config::default();
    connect.properties.set_receive_maximum(config.max_inbound.try_into().unwrap());
    connect.properties.set_maximum_packet_size(config.max_packet_size.try_into().unwrap());
    connect.properties.set_topic_alias_maximum(config.topic_alias_maximum);
    connect
}

// [5.0 MQTT-4.12.0-3] [5.0 MQTT-4.12.0-5] [5.0 MQTT-3.1.2-30]
#[test]
fn an_authentication_takes_as_many_rounds_as_the_server_wants() {
    for rounds in 0..4 {
        let mut rig = rig_in(State::Connecting);
        for round in 0..rounds {
            let question = challenge(&format!("question {round}"));
            rig.peer_ok(question.clone());
            assert_eq!(rig.events(), [Event::Challenged(question)]);
            assert_eq!(rig.session.phase(), Phase::AwaitAnswer);
            rig.submit(answer(&format!("answer {round}"))).unwrap();
            assert_eq!(rig.session.phase(), Phase::AwaitConnack);
            assert_eq!(rig.sent(), [challenge(&format!("answer {round}")).into()]);
        }
        let connack = accepting(&text(METHOD));
        rig.peer_ok(connack.clone());
        let events = rig.events();
        let [Event::Connected(connected)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(connected.connack, connack, "with the server's last data");
        assert_eq!(rig.session.phase(), Phase::Ready);
    }
}

// [5.0 MQTT-4.12.1-1]
#[test]
fn the_client_authenticates_anew_while_messages_flow() {
    let mut rig = rig_in(State::Ready);
    for round in 0..2 {
        rig.submit(anew("anew")).unwrap();
        rig.publish(1, AtMostOnce);
        let expected = [auth(ReasonCode::ReAuthenticate, "anew").into(), publish_packet(1, AtMostOnce, 0)];
        assert_eq!(rig.sent(), expected);
        for _ in 0..round {
            rig.peer_ok(challenge("question"));
            rig.peer_ok(publish(1, AtMostOnce, 0));
            rig.submit(answer("answer")).unwrap();
            assert_eq!(rig.sent(), [challenge("answer").into()]);
        }
        rig.events();
        let done = auth(ReasonCode::Success, "convinced");
        rig.peer_ok(done.clone());
        assert_eq!(rig.events(), [Event::Reauthenticated(done)]);
        assert_eq!(rig.session.phase(), Phase::Ready);
    }
}

// [5.0 MQTT-4.12.1-2]
#[test]
fn a_renewal_that_fails_is_the_end_of_the_connection() {
    for state in [State::Renewing, State::RenewalChallenged] {
        let mut rig = rig_in(state);
        let refused = Disconnect::new(ReasonCode::NotAuthorized);
        rig.peer_ok(refused.clone());
        assert_eq!(rig.cause(), DisconnectCause::ByPeer(refused));

        // The client may be the one that is not convinced.
        let mut rig = rig_in(state);
        let doubt = Disconnect::new(ReasonCode::UnspecifiedError);
        rig.submit(Command::Disconnect(doubt.clone())).unwrap();
        assert_eq!(rig.sent(), [doubt.into()]);
        assert_eq!(rig.cause(), DisconnectCause::ByUs);
    }
}

#[test]
fn each_command_in_each_state() {
    use State::{Challenged, Connecting, Ready, RenewalChallenged, Renewing};
    let check = |command: &Command, expected: &dyn Fn(State) -> Result<(), Refusal>| {
        for state in STATES {
            let mut rig = rig_in(state);
            let result = rig.session.submit(command.clone());
            let result = result.map_err(|rejected| {
                assert_eq!(&rejected.value, command);
                rejected.refusal
            });
            assert_eq!(result, expected(state), "{command:?} {state:?}");
            assert_eq!(rig.sent().len(), usize::from(result.is_ok()), "{command:?} {state:?}");
        }
    };
    check(&answer("a"), &|state| match state {
        Challenged | RenewalChallenged => Ok(()),
        Connecting | Ready | Renewing => Err(Refusal::NoChallenge),
    });
    check(&anew("a"), &|state| match state {
        Ready => Ok(()),
        Connecting | Challenged => Err(Refusal::NotReady),
        Renewing | RenewalChallenged => Err(Refusal::AuthenticationUnderWay),
    });
    // [5.0 MQTT-3.1.2-30]
    let ready_only = |state| match state {
        Connecting | Challenged => Err(Refusal::NotReady),
        Ready | Renewing | RenewalChallenged => Ok(()),
    };
    check(&Command::Publish { tag: 1, publish: message(1, AtLeastOnce) }, &ready_only);
    check(&subscribe(1, &["a"]), &ready_only);
    check(&unsubscribe(1, &["a"]), &ready_only);
    check(&Command::Ping { tag: 1 }, &ready_only);
    check(&Command::Disconnect(Disconnect::new(ReasonCode::Success)), &|_| Ok(()));
}

#[test]
fn each_packet_in_each_state() {
    use State::{Challenged, Connecting, Ready, RenewalChallenged, Renewing};
    let check = |packet: Packet, expected: &dyn Fn(State) -> Result<Phase, Violation>| {
        for state in STATES {
            let mut rig = rig_in(state);
            let result = rig.peer(packet.clone()).map_err(|error| error.violation);
            assert_eq!(result.map(|()| rig.session.phase()), expected(state), "{packet:?} {state:?}");
        }
    };
    check(challenge("c").into(), &|state| match state {
        Connecting => Ok(Phase::AwaitAnswer),
        Renewing => Ok(Phase::Ready),
        // The server has to wait for the answer, and never begins.
        Challenged | Ready | RenewalChallenged => Err(Violation::AuthenticationOutOfTurn),
    });
    for success in [auth(ReasonCode::Success, "s"), Auth::new(ReasonCode::Success, AuthProperties::new())] {
        check(success.into(), &|state| match state {
            Renewing => Ok(Phase::Ready),
            Connecting | Challenged | Ready | RenewalChallenged => Err(Violation::AuthenticationOutOfTurn),
        });
    }
    check(accepting(&text(METHOD)).into(), &|state| match state {
        Connecting | Challenged => Ok(Phase::Ready),
        Ready | Renewing | RenewalChallenged => Err(Violation::SecondConnack),
    });
    // The server may lose patience at any point.
    check(Connack::new(false, ReasonCode::BadAuthenticationMethod).into(), &|state| match state {
        Connecting | Challenged => Ok(Phase::Closing),
        Ready | Renewing | RenewalChallenged => Err(Violation::SecondConnack),
    });
    check(publish_packet(1, AtMostOnce, 0), &|state| match state {
        Connecting | Challenged => Err(Violation::ExpectedConnack),
        Ready | Renewing | RenewalChallenged => Ok(Phase::Ready),
    });
}

// [5.0 MQTT-4.12.0-5]
#[test]
fn the_method_stays_the_same() {
    let other = || AuthProperties::new().with_authentication_method(&text("PLAIN"));
    for (state, packet) in [
        (State::Connecting, Auth::new(ReasonCode::ContinueAuthentication, other()).into()),
        (State::Renewing, Auth::new(ReasonCode::ContinueAuthentication, other()).into()),
        (State::Renewing, Auth::new(ReasonCode::Success, other()).into()),
        (State::Connecting, Packet::from(accepting(&text("PLAIN")))),
        (State::Challenged, connack().into()),
    ] {
        let mut rig = rig_in(state);
        assert_eq!(rig.peer_wrong(packet.clone()), Violation::AuthenticationMethod, "{state:?} {packet:?}");
        let farewell = match state {
            State::Renewing => vec![disconnect(ReasonCode::ProtocolError)],
            _ => vec![],
        };
        assert_eq!(rig.sent(), farewell);
    }
    // Ours is the one of CONNECT, whatever the command says.
    let mut rig = rig_in(State::Ready);
    rig.submit(Command::Reauthenticate(other())).unwrap();
    let method = AuthProperties::new().with_authentication_method(&text(METHOD));
    assert_eq!(rig.sent(), [Auth::new(ReasonCode::ReAuthenticate, method).into()]);
}

// [5.0 MQTT-4.12.0-7]; [5.0 MQTT-4.12.0-6] is the server's: that it is broken is found out.
#[test]
fn without_a_method_in_connect_there_is_no_auth_from_either_side() {
    both(|version| {
        let mut rig = Rig::new(version);
        rig.open(connect(version));
        assert_eq!(rig.submit(answer("a")), Err(Refusal::NoAuthenticationMethod));
        assert_eq!(rig.submit(anew("a")), Err(Refusal::NotReady));
        rig.peer_ok(connack());
        assert_eq!(rig.submit(answer("a")), Err(Refusal::NoAuthenticationMethod));
        assert_eq!(rig.submit(anew("a")), Err(Refusal::NoAuthenticationMethod));
    });
    for reason in [ReasonCode::ContinueAuthentication, ReasonCode::Success] {
        let mut rig = Rig::new(V5);
        rig.open(connect(V5));
        assert_eq!(rig.peer_wrong(auth(reason, "x")), Violation::UnexpectedAuthentication);
        let mut rig = Rig::ready(V5);
        assert_eq!(rig.peer_wrong(auth(reason, "x")), Violation::UnexpectedAuthentication);
        assert_eq!(rig.sent(), [disconnect(ReasonCode::ProtocolError)]);
    }
    let mut rig = Rig::new(V5);
    rig.open(connect(V5));
    assert_eq!(rig.peer_wrong(accepting(&text(METHOD))), Violation::UnexpectedAuthentication);
}

#[test]
fn only_5_0_has_methods() {
    let mut connect = connect(V311);
    connect.properties.set_authentication_method(&text(METHOD));
    let mut rig = Rig::new(V311);
    let rejected = rig.session.handle_opened(rig.now, connect.clone()).unwrap_err();
    assert_eq!(rejected.value, connect);
    assert!(matches!(rejected.refusal, Refusal::Invalid(_)));
}

// [5.0 MQTT-3.1.2-30]
#[test]
fn nothing_but_auth_and_disconnect_leaves_before_connack() {
    let mut rig = Rig::ready(V5);
    rig.peer_ok(publish(1, AtLeastOnce, 1));
    let token = rig.token();
    rig.publish(2, AtLeastOnce);
    rig.cut();
    rig.open(Connect { keep_alive: 1, ..authenticating() });
    rig.sent();
    rig.peer_ok(challenge("c"));
    assert!(rig.session.acknowledge(token, ReasonCode::Success));
    rig.pass(std::time::Duration::from_secs(3_600));
    assert_eq!(rig.sent(), []);
    // The application does not like the question.
    let doubt = Disconnect::new(ReasonCode::UnspecifiedError);
    rig.submit(Command::Disconnect(doubt.clone())).unwrap();
    assert_eq!(rig.submit(answer("a")), Err(Refusal::NotReady));
    assert_eq!(rig.sent(), [doubt.into()]);
    assert_eq!(rig.duty(), Duty::Close);
    rig.peer_ok(accepting(&text(METHOD)));
    assert_eq!(rig.session.phase(), Phase::Closing, "nobody listens any more");
}

// [5.0 MQTT-3.15.2-2] [5.0 MQTT-3.15.2-3]
#[test]
fn an_auth_whose_explanation_exceeds_the_maximum_size_is_refused() {
    let mut rig = rig_in(State::Connecting);
    let mut connack = accepting(&text(METHOD));
    connack.properties.set_maximum_packet_size(50.try_into().unwrap());
    rig.peer_ok(connack);
    let long = text(&"x".repeat(50));
    for explained in [data("d").with_reason_string(&long), data("d").with_user_property(&text("x"), &long)] {
        let command = Command::Reauthenticate(explained);
        let rejected = rig.session.submit(command.clone()).unwrap_err();
        assert_eq!(rejected.value, command);
        assert!(matches!(rejected.refusal, Refusal::PacketTooLarge { limit: 50, .. }));
    }
    rig.submit(anew("d")).unwrap();
    rig.peer_ok(challenge("c"));
    let rejected = rig.submit(answer(&"x".repeat(50))).unwrap_err();
    assert!(matches!(rejected, Refusal::PacketTooLarge { .. }));
    rig.submit(answer("d")).unwrap();
}

// [5.0 MQTT-3.1.2-29]
#[test]
fn an_explanation_that_was_declined_is_a_protocol_error_in_auth_too() {
    for accepted in [false, true] {
        let mut connect = authenticating();
        connect.properties.set_request_problem_information(false);
        let mut rig = Rig::new(V5);
        rig.open(connect);
        if accepted {
            rig.peer_ok(accepting(&text(METHOD)));
            rig.submit(anew("n")).unwrap();
        }
        let mut explained = challenge("c");
        explained.properties.set_reason_string(&text("why"));
        assert_eq!(rig.peer_wrong(explained), Violation::UnwantedProblemInformation);
    }
}

#[test]
fn a_new_connection_authenticates_from_the_start() {
    for state in STATES {
        let mut rig = rig_in(state);
        rig.cut();
        rig.accept(connack());
        assert_eq!(rig.submit(answer("a")), Err(Refusal::NoAuthenticationMethod), "{state:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    const SECRET: &str = "hush";
    let bytes = format!("{:?}", SECRET.as_bytes());
    let bytes = bytes.trim_matches(['[', ']']);
    let check = |shown: &dyn std::fmt::Debug| {
        let shown = format!("{shown:?}");
        assert!(!shown.contains(SECRET) && !shown.contains(bytes), "{shown}");
    };
    let mut connect = authenticating();
    connect.properties.set_authentication_data(&Binary::new(SECRET).unwrap());
    connect.password = Some(Binary::new(SECRET).unwrap());
    check(&connect);
    let mut rig = Rig::with_config(Config { trace: true, ..Config::default() });
    rig.open(connect);
    check(&rig.session);
    rig.duty();
    check(&rig.output);
    rig.peer_ok(challenge(SECRET));
    check(&rig.session);
    check(&rig.events());
    check(&answer(SECRET));
    rig.submit(answer(SECRET)).unwrap();
    check(&rig.session);
    check(&rig.session.take_trace().collect::<Vec<_>>());
}
