//! Keep alive, pings and their deadlines, in virtual time.

use std::time::Duration;

use mqtt_session::codec::{Connect, Packet, Version};
use mqtt_session::{Command, Config, DisconnectCause, Event, Refusal, Timer, Timestamp};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

fn rig(version: Version, keep_alive: u16) -> Rig {
    rig_with(Config { version, ..Config::default() }, keep_alive)
}

fn rig_with(config: Config, keep_alive: u16) -> Rig {
    let version = config.version;
    let mut rig = Rig::with_config(config);
    rig.open(Connect { keep_alive, ..connect(version) });
    rig.sent();
    rig.peer_ok(connack());
    rig.events();
    rig
}

#[track_caller]
fn check_deadline(rig: &mut Rig, timer: Timer, seconds: u64) {
    let deadline = rig.deadline().expect("there is a deadline");
    assert_eq!((deadline.timer, deadline.at), (timer, Timestamp::from_micros(seconds * 1_000_000)));
}

// [3.1.1 MQTT-3.1.2-23] [5.0 MQTT-3.1.2-20]
#[test]
fn pingreq_leaves_before_the_keep_alive_expires() {
    both(|version| {
        let mut rig = rig(version, 60);
        check_deadline(&mut rig, Timer::KeepAlive, 59);
        rig.pass(59 * SECOND);
        assert_eq!(rig.sent(), [Packet::Pingreq]);
        check_deadline(&mut rig, Timer::PingResponse, 69);
        rig.pass(SECOND);
        rig.peer_ok(Packet::Pingresp);
        assert_eq!(rig.events(), [Event::Pong { tag: None, round_trip: SECOND }]);
        check_deadline(&mut rig, Timer::KeepAlive, 118);
    });
}

#[test]
fn any_packet_that_is_sent_puts_the_ping_off() {
    let mut rig = rig(V5, 60);
    for second in 1..=5 {
        rig.pass(10 * SECOND);
        rig.publish(second, AtMostOnce);
        rig.sent();
    }
    // Written at 50 s, read at 0 s: silence from the other side counts too.
    check_deadline(&mut rig, Timer::KeepAlive, 60);
}

#[test]
fn a_sender_who_hears_nothing_pings_nevertheless() {
    let mut rig = rig(V5, 60);
    for second in 1..60 {
        rig.pass(SECOND);
        rig.publish(second, AtMostOnce);
        assert_eq!(rig.sent().len(), 1, "{second}");
    }
    rig.pass(SECOND);
    assert_eq!(rig.sent(), [Packet::Pingreq]);
    for second in 61..70 {
        rig.publish(second, AtMostOnce);
        rig.sent();
        rig.pass(SECOND);
    }
    rig.pass(SECOND);
    rig.events();
    assert_eq!(rig.cause(), DisconnectCause::PingTimeout);
}

#[test]
fn a_half_open_link_is_noticed() {
    both(|version| {
        let mut rig = rig(version, 60);
        rig.pass(59 * SECOND);
        assert_eq!(rig.sent(), [Packet::Pingreq]);
        rig.pass(10 * SECOND - Duration::from_micros(1));
        assert_eq!(rig.session.phase(), mqtt_session::Phase::Ready);
        rig.pass(Duration::from_micros(1));
        assert_eq!(rig.cause(), DisconnectCause::PingTimeout);
    });
}

// [5.0 MQTT-3.1.2-21] [5.0 MQTT-3.2.2-21]
#[test]
fn the_servers_keep_alive_replaces_ours() {
    let check = |ours, theirs, expected: Option<u64>| {
        let mut rig = Rig::new(V5);
        rig.open(Connect { keep_alive: ours, ..connect(V5) });
        rig.sent();
        let mut connack = connack();
        connack.properties.set_server_keep_alive(theirs);
        rig.peer_ok(connack);
        assert_eq!(rig.session.limits().unwrap().keep_alive, theirs);
        assert_eq!(rig.deadline().map(|deadline| deadline.at.as_micros() / 1_000_000), expected);
    };
    check(60, 30, Some(29));
    check(0, 30, Some(29));
    check(60, 0, None);
}

#[test]
fn a_keep_alive_of_zero_is_off() {
    both(|version| {
        let mut rig = rig(version, 0);
        assert_eq!(rig.deadline(), None);
        rig.pass(1_000_000 * SECOND);
        assert_eq!(rig.sent(), []);
    });
}

#[test]
fn the_ping_delay_takes_no_more_than_half_of_a_short_keep_alive() {
    let check = |keep_alive, ping_delay: Duration, expected: Duration| {
        let mut rig = rig_with(Config { ping_delay, ..Config::default() }, keep_alive);
        let deadline = rig.deadline().unwrap();
        assert_eq!(deadline.at, Timestamp::ZERO + expected);
    };
    check(1, SECOND, SECOND / 2);
    check(10, 100 * SECOND, 5 * SECOND);
    check(10, Duration::ZERO, 10 * SECOND);
}

#[test]
fn a_late_or_early_timeout_does_no_harm() {
    let mut rig = rig(V5, 60);
    for _ in 0..10 {
        rig.pass(Duration::ZERO);
    }
    assert_eq!(rig.sent(), []);
    rig.pass(59 * SECOND);
    rig.pass(Duration::ZERO);
    assert_eq!(rig.sent(), [Packet::Pingreq], "one, however often the time is told");
}

#[test]
fn time_never_runs_backwards() {
    let mut rig = rig(V5, 60);
    rig.pass(30 * SECOND);
    rig.publish(1, AtMostOnce);
    rig.sent();
    rig.now = Timestamp::ZERO;
    rig.session.handle_timeout(rig.now);
    rig.publish(2, AtMostOnce);
    rig.sent();
    check_deadline(&mut rig, Timer::KeepAlive, 60);
}

#[test]
fn the_application_may_ping() {
    let mut rig = rig(V5, 0);
    rig.submit(Command::Ping { tag: 7 }).unwrap();
    assert_eq!(rig.sent(), [Packet::Pingreq]);
    rig.pass(2 * SECOND);
    rig.peer_ok(Packet::Pingresp);
    assert_eq!(rig.events(), [Event::Pong { tag: Some(7), round_trip: 2 * SECOND }]);
}

#[test]
fn pings_that_nobody_answers_are_bounded() {
    let mut rig = rig(V5, 0);
    let taken = (0..100).filter(|tag| rig.submit(Command::Ping { tag: *tag }).is_ok()).count();
    assert_eq!(taken, 16);
    assert_eq!(rig.submit(Command::Ping { tag: 0 }), Err(Refusal::Busy));
    rig.sent();
    rig.pass(10 * SECOND);
    assert_eq!(rig.duty(), mqtt_session::Duty::Close);
}

#[test]
fn a_pingresp_that_nobody_asked_for_is_ignored() {
    both(|version| {
        let mut rig = rig(version, 60);
        rig.peer_ok(Packet::Pingresp);
        assert_eq!(rig.events(), []);
    });
}

#[test]
fn an_answer_is_not_overdue_before_the_ping_is_written() {
    let mut rig = rig(V5, 60);
    let mut large = message(1, AtMostOnce);
    large.payload = vec![0; 10_000_000].into();
    rig.submit(Command::Publish { tag: 1, publish: large }).unwrap();
    rig.duty();
    // A slow link: 100 kB a second, while the peer has nothing to say.
    for _ in 0..100 {
        rig.pass(SECOND);
        rig.output.advance(100_000);
        rig.session.handle_written(rig.now, 100_000);
        rig.duty();
        assert_eq!(rig.session.phase(), mqtt_session::Phase::Ready);
    }
    assert!(rig.sent_bytes().ends_with(&[0xc0, 0]), "PINGREQ is out at last");
    rig.pass(10 * SECOND);
    rig.events();
    assert_eq!(rig.cause(), DisconnectCause::PingTimeout);
}
