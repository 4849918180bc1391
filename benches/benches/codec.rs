//! Encoding and decoding single packets, and taking packets off a full receive buffer.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mqtt_benches::{PAYLOADS, client_id, message};
use mqtt_codec::{
    Ack, AckKind, Connect, Decoder, Packet, PacketId, QoS, Side, Subscribe, SubscribeFilter, Text,
    TopicFilter, TopicName, Version,
};

/// The size of a full receive buffer, in bytes.
const READ: usize = 64 * 1024;

/// Packets of each shape: name, version, packet.
fn packets() -> Vec<(String, Version, Packet)> {
    let publish = |payload| Packet::from(message(QoS::AtLeastOnce, payload));
    let mut packets: Vec<_> = PAYLOADS
        .iter()
        .map(|&payload| (format!("publish {payload} B"), Version::V311, publish(payload)))
        .collect();
    packets.push(("publish 5.0 with properties".to_owned(), Version::V5, with_properties()));
    packets.push(("puback".to_owned(), Version::V311, Ack::new(AckKind::Puback, PacketId::MIN).into()));
    packets.push(("connect".to_owned(), Version::V5, Connect::new(Version::V5, client_id()).into()));
    packets.push(("subscribe".to_owned(), Version::V5, subscribe()));
    packets
}

fn with_properties() -> Packet {
    let text = |text| Text::from_static(text).expect("plain ASCII");
    let mut publish = message(QoS::AtLeastOnce, 256);
    publish.properties.set_message_expiry_interval(3600);
    publish.properties.set_content_type(&text("application/json"));
    publish.properties.set_response_topic(&TopicName::from_static("reply/to").expect("a plain topic"));
    publish.properties.add_user_property(&text("trace"), &text("4bf92f3577b34da6"));
    publish.into()
}

fn subscribe() -> Packet {
    let filter = TopicFilter::from_static("site/+/oven/#").expect("a legal filter");
    Subscribe::new(PacketId::MIN, vec![SubscribeFilter::new(filter, QoS::AtLeastOnce)]).into()
}

fn encoded(packet: &Packet, version: Version) -> Bytes {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).expect("a legal packet");
    bytes.into()
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, version, packet) in packets() {
        let mut out = Vec::with_capacity(READ);
        group.throughput(Throughput::Bytes(encoded(&packet, version).len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                out.clear();
                black_box(&packet).encode(version, &mut out)
            });
        });
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, version, packet) in packets() {
        let frame = encoded(&packet, version);
        let sender = if matches!(packet, Packet::Connect(_) | Packet::Subscribe(_)) {
            Side::Client
        } else {
            Side::Server
        };
        let decoder = Decoder::new(version, sender);
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(BenchmarkId::new("borrowed", &name), |bencher| {
            bencher.iter(|| decoder.parse(black_box(&frame)).is_ok());
        });
        group.bench_function(BenchmarkId::new("owned", &name), |bencher| {
            bencher.iter(|| decoder.decode(black_box(&frame)));
        });
    }
    group.finish();
}

fn stream(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream of 64 KiB");
    for payload in [16, 256] {
        let frame = encoded(&message(QoS::AtMostOnce, payload).into(), Version::V311);
        let read = frame.repeat(READ / frame.len());
        let decoder = Decoder::new(Version::V311, Side::Server);
        group.throughput(Throughput::Elements((read.len() / frame.len()) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("publish {payload} B")), |bencher| {
            let fill = || BytesMut::from(&read[..]);
            let drain = |mut buffer: BytesMut| {
                let mut count = 0;
                while let Ok(Some(packet)) = decoder.decode_from(&mut buffer) {
                    count += usize::from(matches!(packet, Packet::Publish(_)));
                }
                count
            };
            bencher.iter_batched(fill, drain, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, encode, decode, stream);
criterion_main!(benches);
