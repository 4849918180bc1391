//! The flagship: QoS 1 and QoS 2 exchanges in both directions, cut after every byte of either direction, with and
//! without a restart of the client's process, and resumed.

use mqtt_session::codec::QoS::{self, AtLeastOnce, ExactlyOnce};
use mqtt_session::codec::Version;
use mqtt_session_model::delivery::check_delivery;
use mqtt_session_model::news::End;
use mqtt_session_model::world::World;

const MESSAGES: [u64; 2] = [1, 2];

/// What a cut is to the client's process, which has a store that takes its time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Process {
    GoesOn,
    /// It dies, and another one goes on from what is stored, with what was being written.
    DiesWritten,
    /// The same, without.
    DiesUnwritten,
}

/// One kind of exchange.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    version: Version,
    qos: QoS,
    process: Process,
    /// Whether the application acknowledges only after the cut.
    late: bool,
}

impl Exchange {
    fn all() -> impl Iterator<Item = Self> {
        let processes = [Process::GoesOn, Process::DiesWritten, Process::DiesUnwritten];
        processes.into_iter().flat_map(|process| {
            (0..8).map(move |n: u32| Self {
                version: if n & 1 == 0 { Version::V311 } else { Version::V5 },
                qos: if n & 2 == 0 { AtLeastOnce } else { ExactlyOnce },
                late: n & 4 == 0,
                process,
            })
        })
    }

    /// Messages go both ways. The first connections are cut when so many bytes have arrived at the server and at the
    /// client, the last one is whole. How many bytes arrived on the last connection that was cut.
    fn run(self, cuts: &[(usize, usize)]) -> (usize, usize) {
        let mut world = World::new(self.version, 10, 10).with_store();
        world.open();
        world.run(true);
        for n in MESSAGES {
            assert!(world.publish(n, self.qos));
            world.server.publish(n, self.qos);
        }
        let (mut arrived, mut lost) = ((0, 0), Vec::new());
        for (number, (at_server, at_client)) in cuts.iter().copied().enumerate() {
            if number > 0 {
                world.open();
            }
            (world.server_hears, world.client_hears) = (at_server, at_client);
            world.run(!self.late);
            arrived = (at_server - world.server_hears, at_client - world.client_hears);
            lost.extend(match self.process {
                Process::GoesOn => {
                    world.cut();
                    Vec::new()
                }
                Process::DiesWritten => world.restart(true),
                Process::DiesUnwritten => world.restart(false),
            });
        }
        world.open();
        world.run(true);
        // What the store had not got was never sent, and is published anew.
        lost.iter().for_each(|n| assert!(world.publish(*n, self.qos)));
        world.run(true);
        check_delivery(&world.server.received, self.qos, &MESSAGES);
        check_delivery(&world.delivered, self.qos, &MESSAGES);
        assert!(world.ended.keys().eq(&MESSAGES), "{:?}", world.ended);
        assert!(world.ended.values().all(|end| matches!(end, End::Acknowledged(_))), "{:?}", world.ended);
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
