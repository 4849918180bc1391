//! Random traffic over a link that drops at random, against an honest server: QoS 1 at least once, QoS 2 exactly
//! once and in order, in both directions; quotas kept; nothing left over.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_session::codec::{QoS, Version};
use proptest::prelude::*;

use crate::cuts::check_delivery;
use crate::support::*;
use crate::world::{End, World};

/// How many publishes may be unacknowledged, in either direction; small, so that it is often reached.
const WINDOW: u16 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// The application publishes.
    Publish(QoS),
    /// Somebody else publishes for it.
    Deliver(QoS),
    /// So many bytes travel.
    HearAtServer(usize),
    HearAtClient(usize),
    Flush,
    /// The server handles so many packets.
    Serve(usize),
    /// The application acknowledges one of the messages that it has.
    Acknowledge(usize),
    /// The link is cut, and opened again.
    Cut,
    Pass(u64),
    /// The server loses its session.
    Forget,
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![1 => Just(AtMostOnce), 3 => Just(AtLeastOnce), 4 => Just(ExactlyOnce)]
}

fn steps(with_loss: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => qos().prop_map(Step::Publish),
        6 => qos().prop_map(Step::Deliver),
        10 => (0..40_usize).prop_map(Step::HearAtServer),
        10 => (0..40_usize).prop_map(Step::HearAtClient),
        10 => Just(Step::Flush),
        10 => (0..4_usize).prop_map(Step::Serve),
        8 => (0..6_usize).prop_map(Step::Acknowledge),
        3 => Just(Step::Cut),
        1 => (0..5_000_u64).prop_map(Step::Pass),
        u32::from(with_loss) => Just(Step::Forget),
    ];
    prop::collection::vec(step, 0..300)
}

/// What was asked for, by QoS: the numbers of the messages.
#[derive(Default)]
struct Asked {
    published: BTreeMap<u64, QoS>,
    delivered: BTreeMap<u64, QoS>,
}

/// Numbers count per QoS, so that each QoS has its own 1, 2, 3 …
fn next(asked: &BTreeMap<u64, QoS>, qos: QoS) -> u64 {
    let base = 1_000_000 * u64::from(qos.as_u8());
    base + 1 + asked.values().filter(|asked| **asked == qos).count() as u64
}

fn play(version: Version, steps: Vec<Step>) -> (World, Asked) {
    let mut world = World::new(version, WINDOW, WINDOW);
    let mut asked = Asked::default();
    world.open();
    world.run(true);
    for step in steps {
        match step {
            Step::Publish(qos) => {
                let n = next(&asked.published, qos);
                if world.publish(n, qos) {
                    asked.published.insert(n, qos);
                }
            }
            Step::Deliver(qos) => {
                let n = next(&asked.delivered, qos);
                asked.delivered.insert(n, qos);
                world.server.publish(n, qos);
            }
            Step::HearAtServer(bytes) => {
                world.hear_at_server(bytes);
            }
            Step::HearAtClient(bytes) => {
                world.hear_at_client(bytes);
            }
            Step::Flush => {
                world.flush();
            }
            Step::Serve(packets) => {
                for _ in 0..packets {
                    world.server.step();
                }
            }
            Step::Acknowledge(place) => world.acknowledge(place),
            Step::Cut => {
                world.cut();
                world.open();
            }
            Step::Pass(millis) => world.pass(Duration::from_millis(millis)),
            Step::Forget => {
                world.server.forget();
                world.cut();
                world.open();
                // The client gets to know: a CONNACK that is lost here would hide the loss, and nothing in the
                // protocol could tell the next server session from the lost one.
                world.flush();
                world.hear_at_server(usize::MAX);
                world.server.step();
                world.hear_at_client(usize::MAX);
            }
        }
        assert!(world.session.in_flight() <= WINDOW.into());
        assert!(world.session.publish_room() <= WINDOW.into());
    }
    // Heal: what is still there arrives now. A session may need a second connection to be found lost.
    world.run(true);
    for round in 0..2 {
        if round == 1 {
            world.cut();
            world.open();
        }
        world.run(true);
    }
    assert_eq!(world.session.in_flight(), 0);
    assert_eq!(world.session.publish_room(), WINDOW.into());
    assert_eq!(world.session.inbound_unacknowledged(), 0);
    assert!(world.server.is_idle());
    (world, asked)
}

fn numbers(got: &[(u64, QoS)], qos: QoS) -> Vec<(u64, QoS)> {
    let base = 1_000_000 * u64::from(qos.as_u8());
    got.iter().filter(|(_, got)| *got == qos).map(|(n, qos)| (n - base, *qos)).collect()
}

fn count(asked: &BTreeMap<u64, QoS>, qos: QoS) -> u64 {
    asked.values().filter(|asked| **asked == qos).count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    // [5.0 MQTT-3.3.4-7] [5.0 MQTT-4.9.0-2] [3.1.1 MQTT-4.6.0-1] [5.0 MQTT-4.6.0-1] [3.1.1 MQTT-4.6.0-2]
    // [3.1.1 MQTT-4.6.0-3] [5.0 MQTT-4.6.0-2] [5.0 MQTT-4.6.0-3]
    #[test]
    fn a_kept_session_loses_nothing_and_doubles_no_qos_2(v5: bool, steps in steps(false)) {
        let (world, asked) = play(if v5 { V5 } else { V311 }, steps);
        for qos in [AtLeastOnce, ExactlyOnce] {
            check_delivery(&numbers(&world.server.received, qos), qos, count(&asked.published, qos));
            check_delivery(&numbers(&world.delivered, qos), qos, count(&asked.delivered, qos));
        }
        let mut ended = BTreeMap::new();
        for (tag, end) in &world.ended {
            prop_assert!(ended.insert(*tag, *end).is_none(), "{tag} ended twice");
        }
        for (tag, qos) in &asked.published {
            let end = ended.get(tag).copied();
            match qos {
                AtMostOnce => prop_assert!(matches!(end, Some(End::Written | End::Lost(_)))),
                AtLeastOnce | ExactlyOnce => prop_assert_eq!(end, Some(End::Acknowledged)),
            }
        }
    }

    #[test]
    fn a_session_that_the_server_loses_names_each_loss_and_doubles_no_qos_2(v5: bool, steps in steps(true)) {
        let (world, asked) = play(if v5 { V5 } else { V311 }, steps);
        let mut ended = BTreeMap::new();
        for (tag, end) in &world.ended {
            prop_assert!(ended.insert(*tag, *end).is_none(), "{tag} ended twice");
        }
        prop_assert_eq!(ended.len(), asked.published.len());
        for (tag, qos) in asked.published {
            let copies = world.server.received.iter().filter(|(n, _)| *n == tag).count();
            if ended[&tag] == End::Acknowledged {
                prop_assert!(copies >= 1);
            }
            if qos == ExactlyOnce {
                prop_assert!(copies <= 1);
            }
        }
        for (n, qos) in asked.delivered {
            let copies = world.delivered.iter().filter(|(got, _)| *got == n).count();
            prop_assert!(qos == AtLeastOnce || copies <= 1, "{n} came {copies} times");
        }
    }
}
