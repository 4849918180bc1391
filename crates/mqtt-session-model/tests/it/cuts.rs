//! The flagship: an exchange of QoS 1 and QoS 2 messages in either direction, cut after every byte of either
//! direction, and resumed.

use mqtt_session::codec::QoS::{self, AtLeastOnce, ExactlyOnce};
use mqtt_session::codec::Version;
use mqtt_session_model::delivery::check_delivery;
use mqtt_session_model::news::End;
use mqtt_session_model::world::World;

/// Which stream of bytes is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    ToServer,
    ToClient,
}

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const MESSAGES: [u64; 3] = [1, 2, 3];

/// Publishes on one connection that is cut after `bytes`, then on as many as it takes. False if the cut came after
/// all was done.
fn publish_with_cut(version: Version, qos: QoS, cut: Cut, bytes: usize) -> bool {
    let mut world = open_with_cut(version, cut, bytes);
    for tag in MESSAGES {
        // Without a session yet there is nothing to be resumed: a cut in the handshake publishes later.
        world.publish(tag, qos);
    }
    world.run(true);
    let was_cut = heal(&mut world);
    let missing = MESSAGES.into_iter().filter(|tag| !world.ended.iter().any(|(ended, _)| ended == tag));
    for tag in missing.collect::<Vec<_>>() {
        assert!(world.publish(tag, qos));
        world.run(true);
    }
    check_delivery(&world.server.received, qos, &MESSAGES);
    assert!(world.ended.iter().all(|(_, end)| matches!(end, End::Acknowledged(_))), "{:?}", world.ended);
    assert_eq!(world.ended.len(), 3, "{:?}", world.ended);
    world.check_nothing_left();
    was_cut
}

fn receive_with_cut(version: Version, qos: QoS, cut: Cut, bytes: usize, late: bool) -> bool {
    let mut world = open_with_cut(version, cut, bytes);
    for n in MESSAGES {
        world.server.publish(n, qos);
    }
    world.run(!late);
    let was_cut = heal(&mut world);
    for n in MESSAGES {
        // A server that was never reached has no session to queue them in.
        if world.delivered.is_empty() && n == 1 && world.server.is_idle() {
            MESSAGES.into_iter().for_each(|n| world.server.publish(n, qos));
        }
        world.run(true);
    }
    check_delivery(&world.delivered, qos, &MESSAGES);
    world.check_nothing_left();
    was_cut
}

fn open_with_cut(version: Version, cut: Cut, bytes: usize) -> World {
    let mut world = World::new(version, 10, 10);
    world.open();
    world.run(true);
    match cut {
        Cut::ToServer => world.server_hears = Some(bytes),
        Cut::ToClient => world.client_hears = Some(bytes),
    }
    world
}

/// Connects again if the link was cut, which it tells.
fn heal(world: &mut World) -> bool {
    let was_cut = !world.is_connected();
    if was_cut {
        world.open();
    }
    world.server_hears = None;
    world.client_hears = None;
    world.run(true);
    was_cut
}

/// Cuts at 0, 1, 2 … bytes until the exchange is over before the cut.
fn cut_everywhere(run: impl Fn(Version, QoS, Cut, usize) -> bool) {
    VERSIONS.into_iter().for_each(|version| {
        for qos in [AtLeastOnce, ExactlyOnce] {
            for cut in [Cut::ToServer, Cut::ToClient] {
                let cuts = (0..).take_while(|bytes| run(version, qos, cut, *bytes)).count();
                assert!(cuts >= 12, "{version} {qos:?} {cut:?}: {cuts}");
            }
        }
    });
}

// [3.1.1 MQTT-4.3.2-1] [5.0 MQTT-4.3.2-3] [3.1.1 MQTT-4.3.3-1] [5.0 MQTT-4.3.3-3] [5.0 MQTT-4.3.3-5] [5.0 MQTT-4.3.3-6]
#[test]
fn publishing_cut_after_every_byte() {
    cut_everywhere(publish_with_cut);
}

// [3.1.1 MQTT-4.3.2-2] [3.1.1 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-10]
#[test]
fn receiving_cut_after_every_byte() {
    cut_everywhere(|version, qos, cut, bytes| receive_with_cut(version, qos, cut, bytes, false));
}

#[test]
fn receiving_cut_after_every_byte_and_acknowledged_after_the_cut() {
    VERSIONS.into_iter().for_each(|version| {
        for qos in [AtLeastOnce, ExactlyOnce] {
            let cut = |bytes| receive_with_cut(version, qos, Cut::ToClient, bytes, true);
            let cuts = (0..).take_while(|bytes| cut(*bytes)).count();
            assert!(cuts > 20, "{version} {qos:?}: {cuts}");
        }
    });
}

/// CONNECT and CONNACK too.
#[test]
fn connecting_cut_after_every_byte() {
    VERSIONS.into_iter().for_each(|version| {
        for bytes in 0..40 {
            for cut in [Cut::ToServer, Cut::ToClient] {
                let mut world = World::new(version, 10, 10);
                world.open();
                match cut {
                    Cut::ToServer => world.server_hears = Some(bytes),
                    Cut::ToClient => world.client_hears = Some(bytes),
                }
                world.run(true);
                heal(&mut world);
                assert!(world.publish(1, ExactlyOnce));
                world.run(true);
                check_delivery(&world.server.received, ExactlyOnce, &[1]);
                world.check_nothing_left();
            }
        }
    });
}
