//! What an attempt uses, said anew before each one.

use std::future::{pending, poll_fn, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use mqtt_client_core::codec::{ReasonCode, Version};
use mqtt_client_core::{
    Attempt, Endpoint, Event, Failure, Offline, Options, OptionsBuilder, ProviderError, Reconnect,
};
use mqtt_testkit::BrokerConfig;

use crate::rig::{Dial, Rig, drain};

const SECOND: Duration = Duration::from_secs(1);

/// Options whose tokens count up from 1, and the count.
fn tokens() -> (OptionsBuilder, Arc<AtomicU32>) {
    let given = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&given);
    let options = Options::builder().client_id("c").before_attempt(move |attempt: Attempt| {
        let token = format!("token {}", count.fetch_add(1, Ordering::Relaxed) + 1);
        ready(attempt.with_credentials("ann", Some(token.as_bytes())).map_err(ProviderError::from))
    });
    (options, given)
}

/// A broker that takes this token and no other.
fn accept_only(rig: &mut Rig, token: &str) {
    rig.broker.set_users([("ann".to_owned(), token.as_bytes().to_vec())].into());
}

fn strict() -> BrokerConfig {
    let users = [("ann".to_owned(), b"token 1".to_vec())].into();
    BrokerConfig { users, allow_anonymous: false, ..BrokerConfig::default() }
}

/// Attempts and their outcomes, in short.
fn story(events: &[Event]) -> String {
    let letters = events.iter().map(|event| match event {
        Event::Attempt { .. } => 'A',
        Event::Connected { .. } => 'C',
        Event::Failed { .. } => 'F',
        Event::Offline(_) => 'O',
        _ => '?',
    });
    letters.collect()
}

#[test]
fn an_expired_token_is_never_used_again() {
    for version in [Version::V311, Version::V5] {
        let (options, given) = tokens();
        let mut rig = Rig::with_broker(options.version(version), strict());
        let client = rig.client.clone();
        let mut events = client.events();
        rig.run(client.connect()).expect("the first token is good");
        for n in 2..=5 {
            accept_only(&mut rig, &format!("token {n}"));
            rig.cut();
            rig.run_for(60 * SECOND);
            assert!(client.is_connected(), "{version}: with token {n}");
        }
        assert_eq!(given.load(Ordering::Relaxed), 5, "asked once for each attempt");
        assert_eq!(story(&drain(&mut events)), "ACFACFACFACFAC");
    }
}

#[test]
fn a_broker_that_ends_a_link_over_its_token_is_asked_with_a_fresh_one_and_believed_about_that() {
    let (options, given) = tokens();
    let mut rig = Rig::with_broker(options, strict());
    let client = rig.client.clone();
    rig.run(client.connect()).expect("the first token is good");
    let expired = |rig: &mut Rig| {
        rig.broker.disconnect("c", ReasonCode::NotAuthorized);
        rig.run_for(60 * SECOND);
    };
    accept_only(&mut rig, "token 2");
    expired(&mut rig);
    assert!(client.is_connected());
    expired(&mut rig);
    match rig.run(client.connect()) {
        Err(Offline::GaveUp(error)) => assert!(matches!(error.failure, Failure::Refused(_)), "{error}"),
        other => panic!("a fresh token that is refused is final: {other:?}"),
    }
    assert_eq!(given.load(Ordering::Relaxed), 4, "and `connect` by hand asks again");
}

#[test]
fn an_attempt_is_told_why_the_one_before_ended_and_goes_where_it_is_sent() {
    let provide = |attempt: Attempt| {
        let elsewhere = match attempt.failure() {
            None => "first.example",
            Some(Failure::Closed) => "second.example",
            Some(other) => panic!("{other}"),
        };
        assert_eq!(attempt.endpoint().host(), "listed.example", "each starts from the options");
        ready(Ok(attempt.with_endpoint(Endpoint::tcp(elsewhere, 1))))
    };
    let mut rig = Rig::connected(Options::builder().url("mqtt://listed.example").before_attempt(provide));
    rig.cut();
    rig.run_for(60 * SECOND);
    let hosts: Vec<&str> = rig.dialed.iter().map(Endpoint::host).collect();
    assert_eq!(hosts, ["first.example", "second.example"]);
}

#[test]
fn a_provider_that_fails_is_asked_again_after_a_wait_unless_it_says_that_this_is_in_vain() {
    let failing = |permanent: bool| {
        Options::builder()
            .endpoint(Endpoint::tcp("a", 1))
            .or_endpoint(Endpoint::tcp("b", 1))
            .reconnect(Reconnect { retry_initial: true, max_retries: Some(3), ..Reconnect::default() })
            .before_attempt(move |attempt| {
                ready(match (attempt.number(), permanent) {
                    (3.., false) => Ok(attempt),
                    (_, false) => Err(ProviderError::temporary("the vault is locked")),
                    (_, true) => Err(ProviderError::permanent("the vault is gone")),
                })
            })
    };
    let mut rig = Rig::new(failing(false));
    let client = rig.client.clone();
    let mut events = client.events();
    rig.run(client.connect()).expect("the third answer is good");
    assert_eq!(story(&drain(&mut events)), "AFAFAC");
    assert!(rig.now.as_micros() > 0, "it waits between");
    assert_eq!(rig.dialed, [Endpoint::tcp("a", 1)], "the brokers are not to blame");

    let mut rig = Rig::new(failing(true));
    let client = rig.client.clone();
    let mut events = client.events();
    let error = rig.run(client.connect()).expect_err("it is in vain").to_string();
    assert_eq!(error, "the client gave up: mqtt://a:1: preparing to connect: the vault is gone");
    assert_eq!(story(&drain(&mut events)), "AO");
}

#[test]
fn a_provider_that_never_answers_is_given_up_at_the_connect_timeout() {
    let options = Options::builder().connect_timeout(3 * SECOND).before_attempt(|_| pending());
    let mut rig = Rig::new(options);
    let client = rig.client.clone();
    let mut events = client.events();
    let outcome = rig.run(client.connect());
    assert!(
        matches!(&outcome, Err(Offline::GaveUp(error)) if matches!(error.failure, Failure::ConnectTimeout(_))),
        "{outcome:?}"
    );
    assert_eq!(rig.now.as_micros(), 3_000_000);
    assert_eq!((story(&drain(&mut events)).as_str(), rig.dials.len()), ("AO", 0));
    // Leaving does not wait for it either.
    let connecting = client.connect();
    rig.run_for(SECOND);
    rig.run(client.disconnect());
    drop(connecting);
}

#[test]
fn the_time_a_provider_takes_is_part_of_connecting() {
    for (seconds, in_time) in [(9, true), (11, false)] {
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let provide = move |attempt| {
            let is_done = Arc::clone(&is_done);
            async move {
                poll_fn(|_| if is_done.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending })
                    .await;
                Ok(attempt)
            }
        };
        let mut rig = Rig::new(Options::builder().connect_timeout(10 * SECOND).before_attempt(provide));
        let client = rig.client.clone();
        let connecting = client.connect();
        rig.dial = Dial::Hangs;
        rig.run_for(seconds * SECOND);
        done.store(true, Ordering::Relaxed);
        rig.settle();
        assert_eq!(rig.dials.len(), usize::from(in_time), "after {seconds} s");
        // The dial has what is left.
        rig.run_for(SECOND);
        assert!(rig.run(connecting).is_err());
        assert!(rig.now.as_micros() <= 12_000_000, "{}", rig.now);
    }
}
