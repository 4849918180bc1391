//! Whatever bytes come, the broker neither panics nor forgets that a connection has ended.

use std::time::Duration;

use mqtt_codec::{Packet, Publish, SubscriptionId, Version};
use mqtt_testkit::BrokerConfig;

use crate::bed::*;

/// Seeded numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as usize % count
    }

    fn packet(&mut self, version: Version) -> Packet {
        let n = 1 + self.below(5) as u16;
        let topics = ["a", "a/b", "$SYS/x", "/", "a/b/c"];
        let filters = ["a", "#", "+/b", "$share/g/#", "a/b/c/#"];
        let qos = [AtMostOnce, AtLeastOnce, ExactlyOnce][self.below(3)];
        let payload = ["", "x", "payload"][self.below(3)];
        match self.below(12) {
            0 => lasting(version, ["a", "b", ""][self.below(3)]).into(),
            1 => hello(version, ["a", "b", ""][self.below(3)]).into(),
            2..=4 => {
                let packet_id = if qos == AtMostOnce { 0 } else { n };
                let message = publish(topics[self.below(5)], qos, packet_id, payload);
                Publish { retain: self.below(2) == 0, dup: packet_id != 0 && self.below(3) == 0, ..message }
                    .into()
            }
            5 | 6 => {
                let mut packet =
                    subscribe(n, &[(filters[self.below(5)], qos), (filters[self.below(5)], qos)]);
                if version == V5 {
                    packet.properties.set_subscription_identifier(SubscriptionId::new(7).unwrap());
                }
                packet.into()
            }
            7 => unsubscribe(n, &[filters[self.below(5)]]).into(),
            8 => puback(n).into(),
            9 => pubrec(n).into(),
            10 => [pubrel(n), pubcomp(n)][self.below(2)].clone().into(),
            _ => [Packet::Pingreq, goodbye().into()][self.below(2)].clone(),
        }
    }
}

/// Peers of both versions say random packets, some of them damaged, in random pieces.
fn storm(seed: u64, damage: usize) {
    let mut dice = Dice(seed);
    let mut bed = Bed::new(BrokerConfig { max_queued: 50, max_sessions: 20, ..BrokerConfig::default() });
    let mut peers: Vec<Peer> = Vec::new();
    for _ in 0..300 {
        if peers.len() < 4 {
            let version = VERSIONS[dice.below(2)];
            let peer = bed.open(version);
            bed.say(peer, hello(version, ["a", "b", "c"][dice.below(3)]));
            peers.push(peer);
        }
        let at = dice.below(peers.len());
        let peer = peers[at];
        let mut bytes = Vec::new();
        dice.packet(peer.version).encode(peer.version, &mut bytes).unwrap();
        if dice.below(100) < damage {
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        }
        let cut = dice.below(bytes.len() + 1);
        bed.say_bytes(peer, &bytes[..cut]);
        bed.say_bytes(peer, &bytes[cut..]);
        bed.hear(peer); // whatever the broker says can be decoded
        match dice.below(30) {
            0 => bed.lose(peer),
            1 => bed.pass(Duration::from_secs(20)),
            _ => {}
        }
        if bed.is_closed(peer) {
            peers.remove(at);
        }
    }
    peers.into_iter().for_each(|peer| bed.lose(peer));
    assert_eq!(bed.broker.connection_count(), 0);
    assert!(!["a", "b", "c"].iter().any(|id| bed.broker.is_connected(id)));
    bed.pass(Duration::from_secs(1_000_000));
    assert_eq!(bed.broker.poll_deadline(), None);
}

#[test]
fn random_packets_find_the_broker_calm() {
    (0..150).for_each(|seed| storm(seed, 0));
}

#[test]
fn damaged_packets_find_the_broker_calm() {
    (1_000..1_150).for_each(|seed| storm(seed, 20));
}

#[test]
fn random_bytes_find_the_broker_calm() {
    for seed in 0..2_000 {
        let mut dice = Dice(seed);
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = if seed % 2 == 0 { bed.open(V5) } else { bed.join(VERSIONS[dice.below(2)], "a") };
        let bytes: Vec<u8> = (0..dice.below(60)).map(|_| dice.below(256) as u8).collect();
        bytes.chunks(1 + dice.below(10)).for_each(|chunk| bed.say_bytes(peer, chunk));
        bed.hear(peer);
        bed.lose(peer);
        assert_eq!(bed.broker.connection_count(), 0);
    }
}
