//! SUBSCRIBE, UNSUBSCRIBE, and who gets what.

use mqtt_codec::{
    Packet, Publish, QoS, ReasonCode, Suback, SubscribeFilter, SubscriptionId, SubscriptionOptions, Unsuback,
    Version,
};
use mqtt_testkit::BrokerConfig;

use crate::bed::*;

// [3.1.1 MQTT-3.8.4-1] [5.0 MQTT-3.8.4-1] [3.1.1 MQTT-3.8.4-2] [5.0 MQTT-3.8.4-2] [3.1.1 MQTT-2.3.1-7]
// [5.0 MQTT-2.2.1-6] [3.1.1 MQTT-3.8.4-5] [5.0 MQTT-3.8.4-6] [3.1.1 MQTT-3.9.3-1] [5.0 MQTT-3.9.3-1]
// [3.1.1 MQTT-3.8.4-4] [5.0 MQTT-3.8.4-5]
#[test]
fn one_suback_answers_all_filters_in_order() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig {
            deny_subscribe: vec![filter("secret")],
            maximum_qos: AtLeastOnce,
            ..BrokerConfig::default()
        });
        let peer = bed.join(version, "a");
        let filters = [("a", AtMostOnce), ("secret", AtLeastOnce), ("b/#", ExactlyOnce), ("c", AtLeastOnce)];
        bed.say(peer, subscribe(77, &filters));
        let refused = if version == V5 { ReasonCode::NotAuthorized } else { ReasonCode::UnspecifiedError };
        // [5.0 MQTT-3.2.2-10]: QoS 2 is accepted, and granted as 1.
        let reasons = [ReasonCode::Success, refused, ReasonCode::GrantedQoS1, ReasonCode::GrantedQoS1];
        assert_eq!(bed.hear(peer), [Suback::new(id(77), reasons.to_vec()).into()]);
        assert!(bed.broker.is_subscribed("a", "b/#") && !bed.broker.is_subscribed("a", "secret"));
    }
}

// [3.1.1 MQTT-3.8.4-6] [5.0 MQTT-3.8.4-8]
#[test]
fn a_message_is_delivered_with_the_smaller_qos() {
    for version in VERSIONS {
        for granted in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            let mut bed = Bed::new(BrokerConfig::default());
            let from = bed.join(V5, "from");
            let to = bed.join(version, "to");
            bed.subscribe(to, &[("t", granted)]);
            for (n, published) in (1..).zip([AtMostOnce, AtLeastOnce, ExactlyOnce]) {
                bed.say(from, publish("t", published, if published == AtMostOnce { 0 } else { n }, "x"));
                let Packet::Publish(heard) = bed.hear_next(to) else { panic!() };
                assert_eq!(heard.qos, granted.min(published));
            }
        }
    }
}

// [3.1.1 MQTT-3.3.5-1] [5.0 MQTT-3.3.4-2] [5.0 MQTT-3.3.4-3] [5.0 MQTT-3.3.4-4]
#[test]
fn overlapping_subscriptions_bring_one_copy_with_the_highest_qos_and_all_identifiers() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let from = bed.join(V5, "from");
        let to = bed.join(version, "to");
        let filters = [("a/b", AtMostOnce), ("a/+", ExactlyOnce), ("#", AtLeastOnce), ("b/#", ExactlyOnce)];
        for (number, filter) in (1..).zip(filters) {
            let mut packet = subscribe(9, &[filter]);
            if version == V5 {
                packet.properties.set_subscription_identifier(SubscriptionId::new(number * 100).unwrap());
            }
            bed.say(to, packet);
            bed.hear_next(to);
        }
        bed.say(from, publish("a/b", ExactlyOnce, 1, "x"));
        let heard = bed.hear(to);
        let [Packet::Publish(publish)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(publish.qos, ExactlyOnce);
        let mut identifiers: Vec<_> =
            publish.properties.subscription_identifiers().map(SubscriptionId::get).collect();
        identifiers.sort_unstable();
        assert_eq!(identifiers, if version == V5 { vec![100, 200, 300] } else { vec![] });
    }
}

fn with_options(name: &str, options: SubscriptionOptions) -> mqtt_codec::Subscribe {
    mqtt_codec::Subscribe::new(id(1), vec![SubscribeFilter { filter: filter(name), options }])
}

// [5.0 MQTT-3.8.3-3]
#[test]
fn no_local_keeps_a_clients_own_messages_from_it() {
    let mut bed = Bed::new(BrokerConfig::default());
    let peer = bed.join(V5, "a");
    let other = bed.join(V5, "b");
    bed.say(peer, with_options("t", SubscriptionOptions { no_local: true, ..Default::default() }));
    bed.hear_next(peer);
    bed.say(peer, publish("t", AtMostOnce, 0, "own"));
    bed.say(other, publish("t", AtMostOnce, 0, "other's"));
    assert_eq!(bed.hear(peer), [publish("t", AtMostOnce, 0, "other's").into()]);
}

// [3.1.1 MQTT-3.3.1-9] [5.0 MQTT-3.3.1-12] [5.0 MQTT-3.3.1-13]
#[test]
fn the_retain_flag_is_forwarded_only_to_who_asks() {
    for (version, as_published) in [(V311, false), (V5, false), (V5, true)] {
        let mut bed = Bed::new(BrokerConfig::default());
        let from = bed.join(V5, "from");
        let to = bed.join(version, "to");
        let options = SubscriptionOptions { retain_as_published: as_published, ..Default::default() };
        bed.say(to, with_options("t", options));
        bed.hear_next(to);
        bed.say(from, retained(publish("t", AtMostOnce, 0, "x")));
        bed.say(from, publish("t", AtMostOnce, 0, "y"));
        let kept = Publish { retain: as_published, ..publish("t", AtMostOnce, 0, "x") };
        assert_eq!(bed.hear(to), [kept.into(), publish("t", AtMostOnce, 0, "y").into()]);
    }
}

// [3.1.1 MQTT-3.10.4-1] [5.0 MQTT-3.10.4-1] [3.1.1 MQTT-3.10.4-2] [5.0 MQTT-3.10.4-2] [3.1.1 MQTT-3.10.4-4]
// [5.0 MQTT-3.10.4-4] [3.1.1 MQTT-3.10.4-5] [5.0 MQTT-3.10.4-5] [3.1.1 MQTT-3.10.4-6] [5.0 MQTT-3.10.4-6]
// [5.0 MQTT-3.11.3-1]
#[test]
fn unsubscribing_removes_exactly_these_filters() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        bed.subscribe(peer, &[("a/+", AtMostOnce), ("a/b", AtMostOnce), ("c", AtMostOnce)]);
        bed.say(peer, unsubscribe(5, &["c", "a/#", "a/b"]));
        let reasons = match version {
            V311 => vec![],
            V5 => vec![ReasonCode::Success, ReasonCode::NoSubscriptionExisted, ReasonCode::Success],
        };
        assert_eq!(bed.hear(peer), [Unsuback::new(id(5), reasons).into()]);
        bed.say(peer, publish("a/b", AtMostOnce, 0, "x"));
        bed.say(peer, publish("c", AtMostOnce, 0, "x"));
        assert_eq!(bed.hear(peer), [publish("a/b", AtMostOnce, 0, "x").into()]);
        bed.say(peer, unsubscribe(6, &["none"]));
        let reasons = if version == V5 { vec![ReasonCode::NoSubscriptionExisted] } else { vec![] };
        assert_eq!(bed.hear(peer), [Unsuback::new(id(6), reasons).into()]);
    }
}

// [3.1.1 MQTT-3.10.4-3] [5.0 MQTT-3.10.4-3]
#[test]
fn what_was_on_its_way_is_finished_after_an_unsubscribe() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let (peer, _) = bed.resume(version, "a");
        bed.subscribe(peer, &[("t", ExactlyOnce)]);
        bed.say(peer, publish("t", ExactlyOnce, 9, "x"));
        bed.say(peer, unsubscribe(2, &["t"]));
        bed.lose(peer);
        let (peer, _) = bed.resume(version, "a");
        assert_eq!(bed.hear(peer), [dup(publish("t", ExactlyOnce, 1, "x")).into()]);
        bed.say(peer, pubrec(1));
        assert_eq!(bed.hear(peer), [pubrel(1).into()]);
    }
}

#[test]
fn a_share_takes_turns_and_the_others_get_all() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let from = bed.join(V5, "from");
        let members: Vec<_> = ["a", "b", "c"].map(|name| bed.join(version, name)).into();
        for &member in &members {
            bed.subscribe(member, &[("$share/group/t/#", AtMostOnce)]);
        }
        bed.subscribe(members[0], &[("t/+", AtMostOnce)]);
        for payload in ["0", "1", "2", "3", "4", "5"] {
            bed.say(from, publish("t/x", AtMostOnce, 0, payload));
        }
        let message = |payload| Packet::from(publish("t/x", AtMostOnce, 0, payload));
        let both = ["0", "0", "1", "2", "3", "3", "4", "5"].map(message);
        assert_eq!(bed.hear(members[0]), both);
        assert_eq!(bed.hear(members[1]), ["1", "4"].map(message));
        assert_eq!(bed.hear(members[2]), ["2", "5"].map(message));
    }
}

// [5.0 MQTT-4.8.2-3] [5.0 MQTT-4.8.2-4]
#[test]
fn a_share_prefers_connected_members_and_finishes_what_it_started() {
    let mut bed = Bed::new(BrokerConfig::default());
    let from = bed.join(V5, "from");
    let (a, _) = bed.resume(V5, "a");
    let (b, _) = bed.resume(V5, "b");
    bed.subscribe(a, &[("$share/g/t", AtLeastOnce)]);
    bed.subscribe(b, &[("$share/g/t", ExactlyOnce)]);
    bed.say(from, publish("t", ExactlyOnce, 1, "to a"));
    assert_eq!(bed.hear(a), [publish("t", AtLeastOnce, 1, "to a").into()]);
    bed.lose(a);
    bed.say(from, publish("t", ExactlyOnce, 2, "to b"));
    bed.say(from, publish("t", ExactlyOnce, 3, "to b again"));
    assert_eq!(
        bed.hear(b),
        [publish("t", ExactlyOnce, 1, "to b").into(), publish("t", ExactlyOnce, 2, "to b again").into()]
    );
    bed.lose(b);
    bed.say(from, publish("t", AtLeastOnce, 4, "to a, when it comes"));
    let (a, _) = bed.resume(V5, "a");
    assert_eq!(
        bed.hear(a),
        [
            dup(publish("t", AtLeastOnce, 1, "to a")).into(),
            publish("t", AtLeastOnce, 2, "to a, when it comes").into()
        ]
    );
}

// [5.0 MQTT-4.8.2-5] [5.0 MQTT-4.8.2-6]
#[test]
fn a_share_does_not_give_a_refused_or_unfinished_message_to_another() {
    let mut bed = Bed::new(BrokerConfig::default());
    let from = bed.join(V5, "from");
    let members = ["a", "b"].map(|name| bed.join(V5, name));
    for member in members {
        bed.subscribe(member, &[("$share/g/t", ExactlyOnce)]);
    }
    bed.say(from, publish("t", ExactlyOnce, 1, "x"));
    bed.hear_next(members[0]);
    bed.say(members[0], pubrec(1).with_reason(ReasonCode::ImplementationSpecificError));
    assert_eq!(bed.hear(members[0]), []);
    assert_eq!(bed.hear(members[1]), []);
    assert_eq!(bed.broker.backlog("a"), Some(0));

    bed.say(from, publish("t", ExactlyOnce, 2, "to b, whose session ends"));
    assert_eq!(bed.hear(members[1]).len(), 1);
    bed.lose(members[1]);
    assert_eq!(bed.hear(members[0]), []);
}

#[test]
fn dollar_topics_are_not_for_leading_wildcards() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        bed.subscribe(peer, &[("#", AtMostOnce), ("+/x", AtMostOnce)]);
        bed.say(peer, publish("$SYS/x", AtMostOnce, 0, "x"));
        assert_eq!(bed.hear(peer), []);
        bed.subscribe(peer, &[("$SYS/#", AtMostOnce)]);
        bed.say(peer, publish("$SYS/x", AtMostOnce, 0, "x"));
        assert_eq!(bed.hear(peer).len(), 1);
    }
}

/// What a SUBSCRIBE for something that the configuration rules out leads to.
#[track_caller]
fn check_ruled_out(
    version: Version,
    config: BrokerConfig,
    name: &str,
    identifier: u32,
    expected: ReasonCode,
) {
    let mut bed = Bed::new(config);
    let peer = bed.join(version, "a");
    let mut packet = subscribe(1, &[(name, QoS::AtMostOnce)]);
    if let Some(identifier) = SubscriptionId::new(identifier) {
        packet.properties.set_subscription_identifier(identifier);
    }
    bed.say(peer, packet);
    match version {
        V311 => assert_eq!(bed.hear(peer), [Suback::new(id(1), vec![expected]).into()]),
        V5 => assert_eq!(bed.end(peer), Some(expected)),
    }
}

// [3.1.1 MQTT-3.8.3-2]
#[test]
fn what_the_connack_ruled_out_is_refused() {
    let without = |change: fn(&mut BrokerConfig)| {
        let mut config = BrokerConfig::default();
        change(&mut config);
        config
    };
    let wildcards = || without(|config| config.wildcard_available = false);
    let shares = || without(|config| config.shared_available = false);
    let identifiers = || without(|config| config.subscription_identifiers_available = false);
    let unspecified = ReasonCode::UnspecifiedError;
    check_ruled_out(V311, wildcards(), "a/+", 0, unspecified);
    check_ruled_out(V5, wildcards(), "a/+", 0, ReasonCode::WildcardSubscriptionsNotSupported);
    check_ruled_out(V311, shares(), "$share/g/t", 0, unspecified);
    check_ruled_out(V5, shares(), "$share/g/t", 0, ReasonCode::SharedSubscriptionsNotSupported);
    check_ruled_out(V5, identifiers(), "t", 5, ReasonCode::SubscriptionIdentifiersNotSupported);
}

#[test]
fn a_filter_of_absurdly_many_levels_is_refused() {
    let mut bed = Bed::new(BrokerConfig::default());
    let peer = bed.join(V5, "a");
    let deep = "/".repeat(60_000);
    bed.say(peer, subscribe(1, &[(&deep, AtMostOnce), ("t", AtMostOnce)]));
    let reasons = vec![ReasonCode::TopicFilterInvalid, ReasonCode::Success];
    assert_eq!(bed.hear(peer), [Suback::new(id(1), reasons).into()]);
    bed.say(peer, publish(&deep, AtMostOnce, 0, "x"));
    bed.say(peer, unsubscribe(2, &[&deep]));
    assert!(!bed.is_closed(peer));
}
