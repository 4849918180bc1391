//! Retained messages.

use std::time::Duration;

use mqtt_codec::{Packet, ReasonCode, RetainHandling, SubscribeFilter, SubscriptionId, SubscriptionOptions};
use mqtt_testkit::BrokerConfig;

use crate::bed::*;

/// What a client of this version gets retained when it subscribes to `name` at QoS 2.
#[track_caller]
fn retained_for(bed: &mut Bed, version: mqtt_codec::Version, name: &str) -> Vec<Packet> {
    let peer = bed.join(version, "asks");
    bed.subscribe(peer, &[(name, ExactlyOnce)]);
    let heard = bed.hear(peer);
    bed.say(peer, goodbye());
    heard
}

// [3.1.1 MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-6] [3.1.1 MQTT-3.3.1-7] [3.1.1 MQTT-3.3.1-8] [3.1.1 MQTT-3.3.1-10]
// [3.1.1 MQTT-3.3.1-11] [3.1.1 MQTT-3.3.1-12] [5.0 MQTT-3.3.1-5] [5.0 MQTT-3.3.1-6] [5.0 MQTT-3.3.1-7]
// [5.0 MQTT-3.3.1-8] [5.0 MQTT-3.3.1-9]
#[test]
fn the_last_retained_message_of_each_topic_is_kept() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let from = bed.join(version, "from");
        bed.say(from, retained(publish("a/1", AtLeastOnce, 1, "old")));
        bed.say(from, retained(publish("a/1", AtMostOnce, 0, "new")));
        bed.say(from, publish("a/1", AtMostOnce, 0, "not retained"));
        bed.say(from, retained(publish("a/2", ExactlyOnce, 2, "two")));
        bed.say(from, retained(publish("b", AtMostOnce, 0, "b")));
        assert_eq!(bed.broker.retained_count(), 3);
        assert_eq!(
            retained_for(&mut bed, version, "a/+"),
            [
                retained(publish("a/1", AtMostOnce, 0, "new")).into(),
                retained(publish("a/2", ExactlyOnce, 1, "two")).into()
            ]
        );
        bed.say(from, retained(publish("a/1", AtMostOnce, 0, "")));
        bed.say(from, retained(publish("never", AtMostOnce, 0, "")));
        assert_eq!(bed.broker.retained_count(), 2);
        assert_eq!(retained_for(&mut bed, version, "a/1"), []);
        assert_eq!(retained_for(&mut bed, version, "never"), []);
    }
}

// [3.1.1 MQTT-3.8.4-3] [5.0 MQTT-3.8.4-4] [5.0 MQTT-3.3.1-9] [5.0 MQTT-3.3.1-10] [5.0 MQTT-3.3.1-11]
#[test]
fn retain_handling_decides_what_a_subscription_brings() {
    for (handling, first, again) in [
        (RetainHandling::SendAtSubscribe, 1, 1),
        (RetainHandling::SendIfNew, 1, 0),
        (RetainHandling::DoNotSend, 0, 0),
    ] {
        for version in VERSIONS {
            if version == V311 && handling != RetainHandling::SendAtSubscribe {
                continue;
            }
            let mut bed = Bed::new(BrokerConfig::default());
            let peer = bed.join(version, "a");
            bed.say(peer, retained(publish("t", AtMostOnce, 0, "x")));
            let options = SubscriptionOptions { retain_handling: handling, ..Default::default() };
            for expected in [first, again] {
                let wanted = SubscribeFilter { filter: filter("t"), options };
                bed.say(peer, mqtt_codec::Subscribe::new(id(1), vec![wanted]));
                let heard = bed.hear(peer);
                assert!(matches!(heard[0], Packet::Suback(_)));
                assert_eq!(heard.len() - 1, expected, "{handling:?}");
            }
        }
    }
}

#[test]
fn a_retained_message_carries_the_subscriptions_identifier_and_none_goes_to_a_share() {
    let mut bed = Bed::new(BrokerConfig::default());
    let peer = bed.join(V5, "a");
    bed.say(peer, retained(publish("t", AtMostOnce, 0, "x")));
    let mut packet = subscribe(1, &[("t", AtMostOnce)]);
    packet.properties.set_subscription_identifier(SubscriptionId::new(7).unwrap());
    bed.say(peer, packet);
    bed.hear_next(peer);
    let Packet::Publish(heard) = bed.hear_next(peer) else { panic!() };
    assert!(heard.properties.subscription_identifiers().eq([SubscriptionId::new(7).unwrap()]));
    assert_eq!(retained_for(&mut bed, V5, "$share/g/t"), []);
}

// [5.0 MQTT-3.3.2-5] [5.0 MQTT-3.3.2-6]
#[test]
fn a_retained_message_expires() {
    let mut bed = Bed::new(BrokerConfig::default());
    let peer = bed.join(V5, "a");
    let mut message = retained(publish("t", AtMostOnce, 0, "x"));
    message.properties.set_message_expiry_interval(10);
    bed.say(peer, message.clone());
    bed.pass(Duration::from_secs(9));
    message.properties.set_message_expiry_interval(1);
    assert_eq!(retained_for(&mut bed, V5, "#"), [message.into()]);
    bed.pass(Duration::from_secs(1));
    assert_eq!(retained_for(&mut bed, V5, "#"), []);
    assert_eq!(bed.broker.retained_count(), 0);
}

#[test]
fn without_room_a_retained_message_is_refused() {
    let mut bed = Bed::new(BrokerConfig { max_retained: 1, ..BrokerConfig::default() });
    let peer = bed.join(V5, "a");
    bed.say(peer, retained(publish("a", AtLeastOnce, 1, "x")));
    bed.say(peer, retained(publish("b", AtLeastOnce, 2, "x")));
    bed.say(peer, retained(publish("a", AtLeastOnce, 3, "y")));
    let refused = puback(2).with_reason(ReasonCode::QuotaExceeded);
    assert_eq!(
        bed.hear(peer),
        [unheard(V5, puback(1)).into(), refused.into(), unheard(V5, puback(3)).into()]
    );
    assert_eq!(bed.broker.retained_count(), 1);
}
