//! The flagship: QoS 1 and QoS 2 exchanges in both directions, cut after every byte of either direction, with and
//! without a restart of the client's process, and resumed.

use std::collections::BTreeSet;

use mqtt_session::codec::QoS::{self, AtLeastOnce, ExactlyOnce};
use mqtt_session::codec::Version;
use mqtt_session_model::delivery::check_delivery;
use mqtt_session_model::news::End;
use mqtt_session_model::world::World;

const MESSAGES: [u64; 2] = [1, 2];

/// One kind of exchange.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    version: Version,
    qos: QoS,
    /// Whether the client's process dies with each cut, and another one goes on from what it stored.
    dies: bool,
    /// Whether the application acknowledges only after the cut.
    late: bool,
}

impl Exchange {
    fn all() -> impl Iterator<Item = Self> {
        let bits = |n: u32| [n & 1 != 0, n & 2 != 0, n & 4 != 0, n & 8 != 0];
        (0..16).map(bits).map(|[v5, qos2, dies, late]| Self {
            version: if v5 { Version::V5 } else { Version::V311 },
            qos: if qos2 { ExactlyOnce } else { AtLeastOnce },
            dies,
            late,
        })
    }

    /// Messages go both ways. The first connections are cut when so many bytes have arrived at the server and at the
    /// client, the last one is whole. How many bytes arrived on the last connection that was cut.
    fn run(self, cuts: &[(usize, usize)]) -> (usize, usize) {
        let mut world = World::new(self.version, 10, 10);
        world.is_mortal = self.dies;
        world.open();
        world.run(true);
        for n in MESSAGES {
            assert!(world.publish(n, self.qos));
            world.server.publish(n, self.qos);
        }
        let mut arrived = (0, 0);
        for (number, (at_server, at_client)) in cuts.iter().copied().enumerate() {
            if number > 0 {
                world.open();
            }
            (world.server_hears, world.client_hears) = (at_server, at_client);
            world.run(!self.late);
            arrived = (at_server - world.server_hears, at_client - world.client_hears);
            world.cut();
        }
        world.open();
        world.run(true);
        check_delivery(&world.server.received, self.qos, &MESSAGES);
        check_delivery(&world.delivered, self.qos, &MESSAGES);
        let ended: BTreeSet<_> = world.ended.iter().map(|(tag, _)| *tag).collect();
        assert!(ended.len() == world.ended.len() && ended.iter().eq(&MESSAGES), "{:?}", world.ended);
        assert!(world.ended.iter().all(|(_, end)| matches!(end, End::Acknowledged(_))), "{:?}", world.ended);
        world.check_nothing_left();
        arrived
    }
}

/// Any number of bytes: no cut.
const ALL: (usize, usize) = (usize::MAX, usize::MAX);

// [3.1.1 MQTT-4.3.2-1] [5.0 MQTT-4.3.2-3] [3.1.1 MQTT-4.3.3-1] [5.0 MQTT-4.3.3-3] [5.0 MQTT-4.3.3-5] [5.0 MQTT-4.3.3-6]
// [3.1.1 MQTT-4.3.2-2] [3.1.1 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-10]
#[test]
fn cut_after_every_byte_of_either_direction() {
    for exchange in Exchange::all() {
        let (to_server, to_client) = exchange.run(&[ALL]);
        assert!(to_server >= 16 && to_client >= 16, "{exchange:?}: {to_server} and {to_client} bytes");
        for at_server in 0..=to_server {
            for at_client in 0..=to_client {
                exchange.run(&[(at_server, at_client)]);
            }
        }
    }
}

/// CONNECT and CONNACK too, and what is resent.
#[test]
fn cut_again_after_every_byte_of_the_resumed_connection() {
    for exchange in Exchange::all() {
        let (to_server, to_client) = exchange.run(&[ALL]);
        for first in (0..=to_server)
            .map(|bytes| (bytes, usize::MAX))
            .chain((0..=to_client).map(|bytes| (usize::MAX, bytes)))
        {
            let (to_server, to_client) = exchange.run(&[first, ALL]);
            for bytes in 0..=to_server {
                exchange.run(&[first, (bytes, usize::MAX)]);
            }
            for bytes in 0..=to_client {
                exchange.run(&[first, (usize::MAX, bytes)]);
            }
        }
    }
}
