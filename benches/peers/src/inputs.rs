//! The inputs, the same bytes for every codec: many packets of one shape, no two alike, so that no branch predictor
//! learns one by heart.

use bytes::Bytes;
use mqtt_codec::{
    Ack, AckKind, Binary, Connect, Packet, PacketId, Publish, PublishProperties, QoS, Subscribe,
    SubscribeFilter, Text, TopicFilter, TopicName, Version, Will,
};
use std::num::NonZero;

/// How many packets of a shape there are.
const PACKETS: usize = 64;

/// What a batch of large packets has at most, in bytes: it stays in the second-level cache.
const BATCH_BYTES: usize = 1 << 20;

/// Packets of one shape, each apart and all in a row.
#[derive(Clone)]
pub struct Frames {
    pub version: Version,
    pub frames: Vec<Bytes>,
    pub stream: Bytes,
}

impl Frames {
    fn new(version: Version, packets: impl IntoIterator<Item = Packet>) -> Self {
        let mut stream = Vec::new();
        let mut ends = vec![0];
        for packet in packets {
            packet.encode(version, &mut stream).expect("a legal packet");
            ends.push(stream.len());
        }
        let frames = ends.windows(2).map(|end| Bytes::copy_from_slice(&stream[end[0]..end[1]])).collect();
        Self { version, frames, stream: stream.into() }
    }
}

/// PUBLISH 3.1.1, QoS 0, a topic of 27 bytes, a payload of so many.
pub fn publish(payload: usize) -> Frames {
    let count = PACKETS.min(BATCH_BYTES / payload);
    let packets = (0..count)
        .map(|n| Publish::new(topic(&format!("site/line-{n:03}/oven-{n:02}/temp00")), noise(n, payload)));
    Frames::new(Version::V311, packets.map(Packet::from))
}

/// PUBLISH 3.1.1 of any QoS, topics of 6 to 60 bytes, payloads of 0 to 200.
pub fn publish_mixed() -> Frames {
    Frames::new(Version::V311, (0..4 * PACKETS).map(|n| mixed(n, 200).into()))
}

/// Small PUBLISHes, one mebibyte of them.
pub fn stream() -> Frames {
    let mut len = 0;
    let packets = (0..).map(|n| mixed(n, 24)).take_while(move |publish| {
        len += publish.encoded_len(Version::V311).expect("a legal packet");
        len <= BATCH_BYTES
    });
    Frames::new(Version::V311, packets.map(Packet::from))
}

/// PUBLISH 5.0, QoS 1, with content type, two user properties, correlation data and a topic alias.
pub fn publish_v5() -> Frames {
    let packets = (0..PACKETS).map(|n| {
        let properties = PublishProperties::new()
            .with_topic_alias(NonZero::new(n as u16 + 1).expect("not zero"))
            .with_content_type(&text(["application/json", "text/plain", "application/cbor"][n % 3]))
            .with_correlation_data(&binary(noise(n, 8 + n % 9)))
            .with_user_property(&text("trace"), &text(&format!("{:016x}", n * 7919)))
            .with_user_property(&text("unit"), &text(["celsius", "bar", "percent"][n % 3]));
        let topic = topic(&format!("site/line-{n}/oven/temperature"));
        Publish { qos: QoS::AtLeastOnce, packet_id: id(n), properties, ..Publish::new(topic, noise(n, 64)) }
    });
    Frames::new(Version::V5, packets.map(Packet::from))
}

/// CONNECT 5.0 with all it may have: properties, will with properties, user name, password.
pub fn connect_v5() -> Frames {
    let packets = (0..PACKETS).map(|n| {
        let mut connect = Connect::new(Version::V5, text(&format!("sensor-{n}-of-line-7")));
        connect.properties.set_session_expiry_interval(3600);
        connect.properties.set_receive_maximum(NonZero::new(20).expect("not zero"));
        connect.properties.set_maximum_packet_size(NonZero::new(1 << 20).expect("not zero"));
        connect.properties.set_topic_alias_maximum(10);
        connect.properties.set_request_problem_information(true);
        connect.properties.add_user_property(&text("build"), &text(&format!("1.{n}.0")));
        let mut will = Will::new(topic(&format!("site/line-{n}/status")), binary(noise(n, 12)));
        will.qos = QoS::AtLeastOnce;
        will.properties.set_will_delay_interval(30);
        will.properties.set_content_type(&text("text/plain"));
        connect.will = Some(will);
        connect.username = Some(text(["operator", "sensor", "gateway-7"][n % 3]));
        connect.password = Some(binary(Bytes::from(format!("secret-{n}"))));
        connect
    });
    Frames::new(Version::V5, packets.map(Packet::from))
}

/// SUBSCRIBE 3.1.1 with ten filters.
pub fn subscribe() -> Frames {
    let packets = (0..PACKETS).map(|n| {
        let filters = (0..10).map(|k| {
            let filter = match (n + k) % 4 {
                0 => format!("site/line-{n}/oven/#"),
                1 => format!("site/+/oven-{k}/temperature"),
                2 => format!("site/line-{k}/+/state"),
                _ => format!("plant/{n}/{k}/alarm"),
            };
            SubscribeFilter::new(TopicFilter::new(filter).expect("a legal filter"), qos(n + k))
        });
        Subscribe::new(id(n).expect("not zero"), filters.collect())
    });
    Frames::new(Version::V311, packets.map(Packet::from))
}

/// PUBACK 3.1.1.
pub fn puback() -> Frames {
    let packets = (0..4 * PACKETS).map(|n| Ack::new(AckKind::Puback, id(n * 31).expect("not zero")));
    Frames::new(Version::V311, packets.map(Packet::from))
}

/// A PUBLISH whose lengths and flags follow no pattern.
fn mixed(n: usize, payload: usize) -> Publish {
    let dice = scatter(n as u64);
    let topic =
        topic(&"site/line-7/oven-12/temperature/zone-3/raw/average/of/minute"[..6 + dice as usize % 55]);
    let qos = qos(dice as usize >> 8);
    let packet_id = if qos == QoS::AtMostOnce { None } else { id(n) };
    let payload = noise(n, (dice >> 16) as usize % payload);
    Publish { qos, packet_id, retain: dice >> 40 & 1 == 1, ..Publish::new(topic, payload) }
}

fn qos(n: usize) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][n % 3]
}

fn id(n: usize) -> Option<PacketId> {
    PacketId::new((n % 0xFFFF) as u16 + 1)
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).expect("a legal topic")
}

fn text(text: &str) -> Text {
    Text::new(text).expect("legal text")
}

fn binary(bytes: Bytes) -> Binary {
    Binary::new(bytes).expect("short")
}

pub fn noise(seed: usize, len: usize) -> Bytes {
    (0..len).map(|at| scatter((seed * 0x1_0001 + at) as u64) as u8).collect()
}

/// SplitMix64: the same numbers in every run.
fn scatter(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
