//! How a client meets brokers that are there, away, unwilling, silent or broken.

use std::future::IntoFuture;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use mqtt_client_core::codec::{PacketKind, QoS, ReasonCode, Version};
use mqtt_client_core::session::{Output, Timestamp};
use mqtt_client_core::{
    Driver, Duty, Event, Events, Failure, Offline, Options, PingError, PublishFailure, Reconnect,
    SESSION_NEVER_EXPIRES,
};
use mqtt_testkit::{BrokerConfig, Fault, World};

use crate::rig::{Dial, Rig, drain, failure};

const SECOND: Duration = Duration::from_secs(1);

fn gave_up<T: std::fmt::Debug>(outcome: Result<T, Offline>) -> Failure {
    match outcome {
        Err(Offline::GaveUp(error)) => error.failure,
        other => panic!("expected to give up: {other:?}"),
    }
}

#[test]
fn connecting_tells_session_present_and_the_limits() {
    let options = Options::builder().client_id("c").clean_start(false).session_expiry(SESSION_NEVER_EXPIRES);
    let mut rig = Rig::new(options);
    let client = rig.client.clone();
    assert!(!rig.run(client.connect()).expect("connected").session_present);
    rig.run(client.disconnect());
    assert!(!client.is_connected());
    let again = rig.run(client.connect()).expect("disconnect can be reopened");
    assert!(again.session_present && again.limits.receive_maximum > 0);
}

#[test]
fn the_first_connection_fails_at_once_unless_told_otherwise() {
    let mut rig = Rig::new(Options::builder().url("mqtt://nobody.example:1"));
    rig.dial = Dial::Fails;
    let client = rig.client.clone();
    let error = rig.run(client.connect()).expect_err("nobody is there").to_string();
    assert_eq!(rig.dials.len(), 1);
    assert!(error.contains("mqtt://nobody.example:1") && error.contains("connecting: "), "{error}");
}

#[test]
fn the_network_is_tried_again_with_growing_waits_until_it_is_back() {
    let mut rig = Rig::connected(Options::builder());
    rig.dial = Dial::Fails;
    rig.cut();
    rig.run_for(600 * SECOND);
    let waits: Vec<_> = rig.dials[1..].windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect();
    assert!(waits.len() > 20, "it goes on trying: {} attempts", waits.len());
    assert!(waits.iter().all(|wait| *wait <= 30 * SECOND), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > 10 * SECOND), "{waits:?}");
    rig.dial = Dial::Reaches;
    let client = rig.client.clone();
    rig.run(client.connect()).expect("connected again");
    assert_eq!(client.stats().reconnects, 1);
}

#[test]
fn the_number_of_tries_is_limited_if_wanted() {
    let reconnect = Reconnect { max_retries: Some(3), ..Reconnect::default() };
    let mut rig = Rig::connected(Options::builder().reconnect(reconnect));
    rig.dial = Dial::Fails;
    rig.cut();
    rig.run_for(600 * SECOND);
    // The loss itself is the first failure; three attempts follow it.
    assert_eq!(rig.dials.len(), 1 + 3);
    let client = rig.client.clone();
    let outcome = rig.run(client.publish("a", "x"));
    assert!(outcome.is_err(), "calls fail once reconnecting has given up");
}

#[test]
fn wrong_credentials_are_not_tried_again() {
    for version in [Version::V311, Version::V5] {
        let users = [("ann".to_owned(), b"right".to_vec())].into();
        let config = BrokerConfig { users, allow_anonymous: false, ..Default::default() };
        let reconnect = Reconnect { retry_initial: true, ..Reconnect::default() };
        let options =
            Options::builder().version(version).credentials("ann", Some(b"wrong")).reconnect(reconnect);
        let mut rig = Rig::with_broker(options, config);
        let client = rig.client.clone();
        match gave_up(rig.run(client.connect())) {
            Failure::Refused(connack) => assert_eq!(connack.reason, ReasonCode::BadUserNameOrPassword),
            other => panic!("{other:?}"),
        }
        assert_eq!(rig.dials.len(), 1);
    }
}

#[test]
fn a_busy_broker_is_tried_again() {
    let mut rig = Rig::connected(Options::builder());
    rig.broker.inject(Fault::received(PacketKind::Connect).times(2).refuse(ReasonCode::ServerBusy));
    rig.cut();
    let client = rig.client.clone();
    rig.run(client.connect()).expect("at the third attempt");
    assert_eq!(rig.dials.len(), 4);
}

#[test]
fn a_silent_broker_ends_at_the_connect_timeout() {
    let mut rig = Rig::new(Options::builder().connect_timeout(3 * SECOND));
    rig.broker.inject(Fault::sent(PacketKind::Connack).withhold());
    let client = rig.client.clone();
    assert!(matches!(gave_up(rig.run(client.connect())), Failure::ConnectTimeout(_)));
    assert_eq!(rig.now.as_micros(), 3_000_000);
}

#[test]
fn a_dial_that_hangs_ends_at_the_same_deadline_and_by_disconnect() {
    let mut rig = Rig::new(Options::builder().connect_timeout(3 * SECOND));
    rig.dial = Dial::Hangs;
    let client = rig.client.clone();
    assert!(matches!(gave_up(rig.run(client.connect())), Failure::ConnectTimeout(_)));
    let mut connecting = client.connect();
    assert!(rig.poll(&mut connecting).is_none());
    rig.run(client.disconnect());
    assert!(matches!(rig.poll(&mut connecting), Some(Err(Offline::Disconnected))));
    assert_eq!(rig.now.as_micros(), 3_000_000, "nothing was on its way, so nothing was waited for");
}

#[test]
fn a_half_open_link_is_noticed_by_the_missing_pong() {
    let mut rig = Rig::connected(Options::builder().keep_alive(20 * SECOND).ping_timeout(5 * SECOND));
    rig.broker.inject(Fault::sent(PacketKind::Pingresp).always().lose());
    rig.run_for(26 * SECOND);
    assert!(rig.dials.len() > 1, "given up within keep alive and ping timeout");
}

#[test]
fn an_idle_link_is_kept_alive() {
    let mut rig = Rig::connected(Options::builder().keep_alive(20 * SECOND));
    rig.run_for(3600 * SECOND);
    assert_eq!(rig.dials.len(), 1);
}

#[test]
fn ping_gives_the_round_trip_or_says_that_there_is_no_link() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    rig.run(client.ping()).expect("an answer");
    rig.broker.inject(Fault::sent(PacketKind::Pingresp).lose());
    let mut pinging = client.ping();
    assert!(rig.poll(&mut pinging).is_none());
    rig.dial = Dial::Fails;
    rig.cut();
    assert!(matches!(rig.poll(&mut pinging), Some(Err(PingError::LinkLost))));
    assert!(matches!(rig.run(client.ping()), Err(PingError::NotConnected)));
}

#[test]
fn any_bytes_from_the_peer_end_the_connection_with_a_reason_and_it_is_made_anew() {
    for (version, bytes, reason) in [
        (Version::V5, &b"\xf0\x00"[..], Some(0x82)), // AUTH that nobody asked for
        (Version::V5, b"\x30\x03\x00\x01#", Some(0x81)), // no property length, and a wildcard
        (Version::V5, b"\x00\x00", Some(0x81)),      // packet type 0
        (Version::V5, b"\x30\xff\xff\xff\x7f", Some(0x95)), // larger than we said we take
        (Version::V5, b"\xff\xff\xff\xff\xff", Some(0x81)),
        (Version::V311, b"\x00\x00", None),
        (Version::V311, b"\x30\xff\xff\xff\x7f", None),
    ] {
        let mut rig = Rig::connected(Options::builder().version(version));
        let mut events = rig.client.events();
        rig.mtu = 0;
        rig.inject(bytes);
        let said = rig.unsent();
        match reason {
            Some(reason) => {
                assert_eq!((said[0], said[2]), (0xe0, reason), "{bytes:x?} answered by {said:x?}");
            }
            None => assert!(said.is_empty(), "3.1.1 has no word for it"),
        }
        rig.mtu = usize::MAX;
        rig.run_for(60 * SECOND);
        let events = drain(&mut events);
        assert!(
            matches!(
                &events[..],
                [
                    Event::Failed { failure: Failure::Protocol(_), .. },
                    Event::Attempt { .. },
                    Event::Connected { .. }
                ]
            ),
            "{bytes:x?}: {events:?}"
        );
    }
}

/// The other one is back within a second, each time. What ends the connection names what both have in common.
#[test]
fn two_clients_with_one_id_do_not_fight() {
    let mut rig = Rig::connected(Options::builder().client_id("twin"));
    let mut events = rig.client.events();
    let mut thrown_out = 0;
    for _ in 0..3600 {
        if rig.client.is_connected() {
            drain(&mut events);
            rig.broker.disconnect("twin", ReasonCode::SessionTakenOver);
            rig.settle();
            thrown_out += 1;
            let events = drain(&mut events);
            let [Event::Failed { retry_in, failure, .. }] = &events[..] else { panic!("{events:?}") };
            let words = failure.to_string();
            assert!(
                words.contains("the client id \"twin\"") && words.contains("Session taken over"),
                "{words}"
            );
            assert!(*retry_in >= 15 * SECOND, "{retry_in:?}");
        }
        rig.run_for(SECOND);
    }
    assert!((3600 / 32..=3600 / 15).contains(&thrown_out), "{thrown_out} times in an hour");
}

/// A broker of 3.1.1 has no words for it: it closes. A link that ends before it was stable is one more failure in a row,
/// whatever CONNACK it began with.
#[test]
fn a_client_of_3_1_1_that_is_cut_off_again_and_again_comes_back_ever_later() {
    for link_lasts in [0, 1, 4].map(|seconds| seconds * SECOND) {
        let mut rig = Rig::connected(Options::builder().version(Version::V311).client_id("twin"));
        let (client, mut events) = (rig.client.clone(), rig.client.events());
        let waits: Vec<Duration> = (0..100)
            .map(|_| {
                rig.run(client.connect()).expect("the broker accepts");
                rig.run_for(link_lasts);
                drain(&mut events);
                rig.broker.disconnect("twin", ReasonCode::SessionTakenOver);
                rig.settle();
                match &drain(&mut events)[..] {
                    [Event::Failed { failure: Failure::Closed, retry_in, .. }] => *retry_in,
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        let ceilings = (0..).map(|failures| (SECOND / 2 * (1 << failures.min(6))).min(30 * SECOND));
        assert!(waits.iter().zip(ceilings).all(|(wait, ceiling)| *wait <= ceiling), "{waits:?}");
        let late = waits[10..].iter().sum::<Duration>() / 90;
        assert!((12 * SECOND..18 * SECOND).contains(&late), "{late:?} on average, and not 15 s: {waits:?}");
        assert_eq!(client.stats().reconnects, 99);
    }
}

/// Each comes back, and throws the other one out. Where the broker says so, both wait long. Where it only closes, the one
/// whose link was stable meanwhile comes back soon; the other one is cut off at once by that, and waits ever longer.
#[test]
fn twins_of_ours_leave_each_other_time() {
    for (version, dials) in [(Version::V311, 300..700), (Version::V5, 120..300)] {
        let mut world = World::new(BrokerConfig::default());
        let twins = [(); 2].map(|()| {
            let options = Options::builder().version(version).client_id("twin").build();
            let twin = world.add(options.expect("valid options"));
            world.run(twin.connect()).expect("the broker accepts");
            twin
        });
        world.run_for(3600 * SECOND);
        let dialed = world.dials().len();
        assert!(dials.contains(&dialed), "{version}: both together dialed {dialed} times in an hour");
        assert!(twins.iter().all(|twin| twin.stats().reconnects > 50), "{version}: and neither gave up");
        assert_eq!(world.broker().violations(), []);
    }
}

/// Lets time pass until the driver is to dial; when that is.
#[track_caller]
fn dials_again(driver: &mut Driver, mut now: Timestamp) -> Timestamp {
    loop {
        match driver.poll_io(now, &mut Output::new()) {
            Duty::Dial(_) => return now,
            Duty::Wait { deadline: Some(deadline), .. } => {
                now = now.max(deadline);
                driver.handle_timeout(now);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_error_of_the_network_is_final() {
    use io::ErrorKind::{
        AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkDown, NetworkUnreachable, NotFound, Other, PermissionDenied, TimedOut, UnexpectedEof,
    };
    for kind in [
        AddrNotAvailable,
        BrokenPipe,
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkDown,
        NetworkUnreachable,
        NotFound,
        Other,
        PermissionDenied,
        TimedOut,
        UnexpectedEof,
    ] {
        let (mut driver, mut events) = accepted();
        driver.handle_closed(Timestamp::ZERO, Some(("reading", kind.into())));
        let mut now = dials_again(&mut driver, Timestamp::ZERO);
        for doing in ["resolving", "connecting", "opening"] {
            driver.handle_dial_failed(now, doing, kind.into());
            now = dials_again(&mut driver, now);
        }
        let events = drain(&mut events);
        let failed = events.iter().filter(|event| matches!(event, Event::Failed { .. })).count();
        assert!(failed == 4 && !events.iter().any(|event| matches!(event, Event::Offline(_))), "{events:?}");
    }
}

/// Every day the link breaks, and mostly the broker is away for some time.
#[test]
fn after_ten_years_of_cuts_it_still_comes_back() {
    const DAYS: u64 = 3653;
    let mut rig = Rig::connected(Options::builder().keep_alive(Duration::ZERO));
    let client = rig.client.clone();
    let mut stream = rig.subscribe("a");
    for day in 0..DAYS {
        rig.run_for(24 * 3600 * SECOND);
        assert!(client.is_connected(), "day {day}");
        rig.dial = Dial::Fails;
        rig.cut();
        rig.run_for(day as u32 % 5 * 60 * SECOND);
        rig.dial = Dial::Reaches;
        rig.run(client.connect()).expect("it goes on trying");
        rig.publish("a", "x", QoS::ExactlyOnce);
        assert_eq!(rig.next(&mut stream).expect("subscribed again").text(), "x");
    }
    assert_eq!(client.stats().reconnects, DAYS);
}

#[test]
fn each_attempt_has_one_outcome() {
    let mut rig = Rig::connected(Options::builder());
    let mut events = rig.client.events();
    for dial in [Dial::Fails, Dial::Hangs, Dial::Reaches, Dial::Reaches] {
        rig.dial = dial;
        rig.cut();
        rig.run_for(120 * SECOND);
    }
    let client = rig.client.clone();
    rig.run(client.disconnect());
    let mut open = false;
    let (mut attempts, mut outcomes) = (0, 0);
    for event in drain(&mut events) {
        match event {
            Event::Attempt { .. } => {
                assert!(!open, "an attempt had no outcome");
                (open, attempts) = (true, attempts + 1);
            }
            Event::Connected { .. } | Event::Failed { .. } | Event::Offline(_) => {
                outcomes += usize::from(open);
                open = false;
            }
            _ => {}
        }
    }
    assert!(attempts > 5 && attempts == outcomes, "{attempts} attempts, {outcomes} outcomes");
}

#[test]
fn disconnect_drains_what_is_on_its_way() {
    let mut rig = Rig::connected(Options::builder().max_in_flight(1));
    let client = rig.client.clone();
    let completions: Vec<_> = (0..50)
        .map(|_| client.publish("a", "x").qos(QoS::ExactlyOnce).try_enqueue().expect("room"))
        .collect();
    let report = rig.run(client.disconnect());
    assert!(report.not_sent.is_empty());
    for completion in completions {
        rig.run(completion).expect("delivered before the goodbye");
    }
    assert!(!rig.broker.is_connected(&client.client_id()));
}

#[test]
fn disconnect_waits_no_longer_than_the_drain_timeout() {
    let mut rig = Rig::connected(Options::builder().drain_timeout(2 * SECOND));
    rig.broker.inject(Fault::sent(PacketKind::Puback).always().withhold());
    let client = rig.client.clone();
    drop(client.publish("a", "x").qos(QoS::AtLeastOnce).try_enqueue().expect("room"));
    let before = rig.now;
    rig.run(client.disconnect());
    assert_eq!(rig.now.saturating_since(before), 2 * SECOND);
}

#[test]
fn the_last_handle_disconnects_and_ends_the_driver() {
    let mut rig = Rig::connected(Options::builder());
    let stream = rig.subscribe("a");
    let id = rig.client.client_id();
    // A client of its own stands in for the one that the rig holds.
    let (spare, _driver) =
        mqtt_client_core::Driver::new(Options::default(), 1, std::task::Waker::noop().clone())
            .expect("there is no store");
    rig.client = spare;
    rig.settle();
    assert!(!rig.stopped && rig.broker.is_connected(&id), "a stream keeps the client");
    drop(stream);
    rig.run_for(SECOND);
    assert!(rig.stopped && !rig.broker.is_connected(&id));
}

#[test]
fn an_event_listener_that_never_reads_is_bounded_and_told() {
    let mut rig = Rig::connected(Options::builder());
    let mut events: Events = rig.client.events();
    rig.dial = Dial::Fails;
    rig.cut();
    rig.run_for(40_000 * SECOND);
    let events = drain(&mut events);
    assert!(matches!(events[0], Event::Missed(missed) if missed > 0), "{:?}", events[0]);
    assert_eq!(events.len(), 1 + 1024);
}

#[test]
fn the_end_of_the_driver_ends_every_call_and_every_listener() {
    let (client, driver) =
        Driver::new(Options::default(), 1, Waker::noop().clone()).expect("there is no store");
    let (mut connecting, mut events) = (pin!(client.connect()), client.events());
    let mut publishing = pin!(client.publish("a", "").qos(QoS::AtLeastOnce).into_future());
    let context = &mut Context::from_waker(Waker::noop());
    assert!(connecting.as_mut().poll(context).is_pending());
    assert!(publishing.as_mut().poll(context).is_pending());
    drop(driver);
    let Poll::Ready(outcome) = connecting.poll(context) else { panic!("still connecting") };
    assert!(matches!(gave_up(outcome), Failure::DriverEnded));
    let Poll::Ready(published) = publishing.poll(context) else { panic!("still publishing") };
    assert!(matches!(failure("a", &published), PublishFailure::NotSent(_)));
    assert!(matches!(drain(&mut events)[..], [Event::Offline(_)]));
    assert!(matches!(events.poll_next(context), Poll::Ready(None)));
}

#[test]
fn a_ping_ends_with_the_driver_and_none_starts_after_it() {
    let rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    let mut ping = client.ping();
    let context = &mut Context::from_waker(Waker::noop());
    assert!(pin!(&mut ping).poll(context).is_pending());
    drop(rig);
    assert!(matches!(pin!(ping).poll(context), Poll::Ready(Err(PingError::LinkLost))));
    assert!(matches!(pin!(client.ping()).poll(context), Poll::Ready(Err(PingError::NotConnected))));
}

/// A driver by hand, up to where CONNACK may come, or the end; and what the client tells.
fn begun() -> (Driver, Events) {
    let (client, mut driver) =
        Driver::new(Options::default(), 1, Waker::noop().clone()).expect("there is no store");
    let (events, mut output, now) = (client.events(), Output::new(), Timestamp::ZERO);
    drop(client.connect());
    assert!(matches!(driver.poll_io(now, &mut output), Duty::Dial(_)));
    driver.handle_dialed(now);
    driver.poll_io(now, &mut output);
    driver.handle_written(now, output.len());
    (driver, events)
}

/// The same behind its CONNACK.
fn accepted() -> (Driver, Events) {
    let (mut driver, events) = begun();
    let mut input = BytesMut::from(&[0x20, 3, 0, 0, 0][..]);
    while driver.handle_input(Timestamp::ZERO, &mut input) > 0 {}
    (driver, events)
}

fn failed(events: &mut Events) -> Option<Failure> {
    drain(events).into_iter().find_map(|event| match event {
        Event::Failed { failure, .. } => Some(failure),
        Event::Offline(Offline::GaveUp(error)) => Some(error.failure),
        _ => None,
    })
}

/// A broker that says why it goes often resets the connection too, while the client still writes.
#[test]
fn what_the_broker_said_counts_more_than_how_the_transport_failed() {
    let (mut driver, mut events) = accepted();
    // DISCONNECT with "server shutting down".
    let mut input = BytesMut::from(&[0xe0, 1, 0x8b][..]);
    while driver.handle_input(Timestamp::ZERO, &mut input) > 0 {}
    driver.handle_closed(Timestamp::ZERO, Some(("writing", io::ErrorKind::ConnectionReset.into())));
    let failed = failed(&mut events);
    assert!(
        matches!(&failed, Some(Failure::Disconnected(packet)) if packet.reason == ReasonCode::ServerShuttingDown),
        "{failed:?}"
    );
}

/// It is not the end yet: what had arrived is read, and only words of the peer's say more.
#[test]
fn a_write_that_failed_is_told_unless_the_peer_said_why() {
    let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
    for (read, expected) in
        [(None, "writing"), (Some(reset()), "writing"), (Some(io::Error::other("no more of you")), "reading")]
    {
        let (mut driver, mut events) = accepted();
        assert!(!driver.is_broken());
        driver.handle_write_failed(io::ErrorKind::BrokenPipe.into());
        assert!(driver.is_broken());
        driver.handle_closed(Timestamp::ZERO, read.map(|error| ("reading", error)));
        assert!(!driver.is_broken(), "the next connection is another one");
        match failed(&mut events) {
            Some(Failure::Io { doing, .. }) => assert_eq!(doing, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn topic_aliases_are_an_option_of_5_0() {
    let with = |version, max| {
        let options = Options::builder().version(version);
        [options.clone().topic_alias_maximum(max), options.max_outbound_aliases(max)]
            .map(|options| options.build().map(drop).map_err(|error| error.to_string()))
    };
    assert_eq!(with(Version::V5, 0), [Ok(()), Ok(())]);
    assert_eq!(with(Version::V5, u16::MAX), [Ok(()), Ok(())]);
    assert_eq!(with(Version::V311, 0), [Ok(()), Ok(())]);
    let refused = |option| Err(format!("{option}: 3.1.1 has no topic aliases"));
    assert_eq!(with(Version::V311, 1), [refused("topic_alias_maximum"), refused("max_outbound_aliases")]);
}

/// [5.0 3.2.2.3.7]: a client that brings no id is given one, and is that client from then on, in its log lines too.
#[test]
fn a_client_id_that_the_broker_chose_is_the_clients() {
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let hook = std::sync::Arc::clone(&lines);
    let mut rig = Rig::new(Options::builder().client_id("").on_packet(move |line| {
        hook.lock().expect("no panic").push((line.packet.kind, line.client_id.to_owned()));
    }));
    let client = rig.client.clone();
    let connected = rig.run(client.connect()).expect("accepted");
    let id = connected.limits.assigned_client_identifier.expect("chosen").as_str().to_owned();
    assert_eq!(client.client_id(), id);
    rig.cut();
    rig.run(client.connect()).expect("again");
    assert!(rig.broker.is_connected(&id), "it came back under that name");
    let lines = std::mem::take(&mut *lines.lock().expect("no panic"));
    let connects: Vec<_> = lines.iter().filter(|(kind, _)| *kind == PacketKind::Connect).collect();
    assert_eq!(connects, [&(PacketKind::Connect, String::new()), &(PacketKind::Connect, id)]);
}
