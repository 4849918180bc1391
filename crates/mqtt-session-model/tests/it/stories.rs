//! Random stories: a session beside its model, and messages over a bad link.

use std::fmt;

use mqtt_session_model::lockstep::Seen;
use mqtt_session_model::step::STEP_BYTES;
use mqtt_session_model::{delivery, lockstep, seeds};
use proptest::prelude::*;

/// A story, shown as `cargo xtask sim --lockstep` and `--delivery` take it.
struct Story(Vec<u8>);

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A head and steps of so many bytes, of which whole ones are left out to make it shorter.
fn story<const HEAD: usize, const STEP: usize>(steps: usize) -> impl Strategy<Value = Story> {
    (any::<[u8; HEAD]>(), prop::collection::vec(any::<[u8; STEP]>(), 0..steps))
        .prop_map(|(head, steps)| Story([&head[..], steps.as_flattened()].concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_does_what_the_model_does(story in story::<{ lockstep::HEAD }, STEP_BYTES>(300)) {
        lockstep::run(&story.0);
    }

    // [5.0 MQTT-3.3.4-7] [5.0 MQTT-4.9.0-2] [3.1.1 MQTT-4.6.0-1] [5.0 MQTT-4.6.0-1] [3.1.1 MQTT-4.6.0-2]
    // [3.1.1 MQTT-4.6.0-3] [5.0 MQTT-4.6.0-2] [5.0 MQTT-4.6.0-3]
    #[test]
    fn messages_keep_the_promise_of_their_qos(story in story::<{ delivery::HEAD }, { delivery::STEP }>(400)) {
        delivery::run(&story.0);
    }
}

/// A model proves something to those who have read it whole.
#[test]
fn the_model_is_short() {
    let lines = include_str!("../../src/model.rs").lines().count();
    assert!(lines < 400, "{lines} lines");
}

/// A story in which nothing happens proves nothing.
#[test]
fn stories_come_by_every_kind_of_news_and_every_rule() {
    let seen: Seen = (0..300).flat_map(|seed| lockstep::run(&seeds::story(seed, 4_000))).collect();
    let expected = [
        "blames AuthenticationMethod",
        "blames AuthenticationOutOfTurn",
        "blames ExpectedConnack",
        "blames Packet DecodeError FixedHeaderFlags",
        "blames Packet DecodeError PacketTooLarge",
        "blames PacketIdInUse",
        "blames PubrelBeforePubrec",
        "blames ReasonCount",
        "blames ReceiveMaximumExceeded",
        "blames SecondConnack",
        "blames TopicAlias",
        "blames UnexpectedAuthentication",
        "blames UnexpectedSession",
        "blames UnknownRequest",
        "blames UnknownTopicAlias",
        "blames UnsentAcknowledged",
        "blames UnwantedProblemInformation",
        "blames WrongAcknowledgement",
        "refuses AuthenticationUnderWay",
        "refuses NoAuthenticationMethod",
        "refuses NoChallenge",
        "refuses NotReady",
        "refuses PacketTooLarge",
        "refuses QosNotSupported ExactlyOnce AtLeastOnce",
        "refuses StoreFailed",
        "refuses WindowFull",
        "sends Alias",
        "sends Auth",
        "sends Connect",
        "sends Disconnect",
        "sends Immediately",
        "sends Pingreq",
        "sends Puback",
        "sends Pubcomp",
        "sends Publish",
        "sends Pubrec",
        "sends Pubrel",
        "sends Subscribe",
        "sends Unsubscribe",
        "tells Aborted",
        "tells Answered None",
        "tells Answered Some",
        "tells Auth Auth ContinueAuthentication",
        "tells Auth Auth Success",
        "tells Connected",
        "tells Disconnected ByPeer Disconnect",
        "tells Disconnected ByUs",
        "tells Disconnected LinkClosed",
        "tells Disconnected PingTimeout",
        "tells Disconnected ProtocolError ProtocolError",
        "tells Disconnected Refused",
        "tells Ended Acknowledged NoMatchingSubscribers",
        "tells Ended Acknowledged Success",
        "tells Ended Expired",
        "tells Ended Forbidden",
        "tells Ended Lost Received",
        "tells Ended Lost Sent",
        "tells Ended Lost Unsent",
        "tells Ended Refused QuotaExceeded",
        "tells Ended Written",
        "tells Message Publish AtLeastOnce",
        "tells Message Publish AtMostOnce",
        "tells Message Publish ExactlyOnce",
        "tells Refused",
    ];
    let missing: Vec<_> = expected.into_iter().filter(|what| !seen.contains(*what)).collect();
    assert_eq!(missing, [""; 0]);
}
