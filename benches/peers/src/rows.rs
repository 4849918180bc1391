//! The rows of the two tables of issue 3.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use mqtt_codec::{Decoder, Packet, Side, Version};

use crate::{
    floor, inputs,
    inputs::Frames,
    measure::{Candidate, House, Row},
    peers::{
        Core4, Core5, Mqtt5As4, Mqtt5As5, Mqttbytes4, Mqttbytes5, Next4, Next5, Ntex3, Ntex5, Peer, Rumqttc4,
        Rumqttc5,
    },
};

/// All rows.
pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, owned, frames) in [
        ("decode PUBLISH 3.1.1, 16 B, borrowed", "decode PUBLISH 3.1.1, 16 B, owned", inputs::publish(16)),
        ("decode PUBLISH 3.1.1, 64 B, borrowed", "decode PUBLISH 3.1.1, 64 B, owned", inputs::publish(64)),
        (
            "decode PUBLISH 3.1.1, 1 KiB, borrowed",
            "decode PUBLISH 3.1.1, 1 KiB, owned",
            inputs::publish(1024),
        ),
        (
            "decode PUBLISH 3.1.1, 64 KiB, borrowed",
            "decode PUBLISH 3.1.1, 64 KiB, owned",
            inputs::publish(65536),
        ),
        (
            "decode PUBLISH 3.1.1, mixed, borrowed",
            "decode PUBLISH 3.1.1, mixed, owned",
            inputs::publish_mixed(),
        ),
    ] {
        rows.push(borrowed(
            name,
            (0.5, Some(1.5)),
            &frames,
            |frame| black_box(&floor::publish(frame)).is_some(),
            Owning::None,
        ));
        rows.push(owned_v311(owned, (0.33, Some(1.4)), &frames));
    }
    let publish = inputs::publish_v5();
    rows.push(borrowed(
        "decode PUBLISH 5.0, properties, borrowed",
        (0.25, Some(1.5)),
        &publish,
        |frame| black_box(&floor::publish_v5(frame)).is_some(),
        Owning::V5,
    ));
    rows.push(owned_v5("decode PUBLISH 5.0, properties, owned", (0.25, Some(1.4)), &publish));
    let connect = inputs::connect_v5();
    rows.push(borrowed(
        "decode CONNECT 5.0",
        (0.25, Some(1.75)),
        &connect,
        |frame| black_box(&floor::connect_v5(frame)).is_some(),
        Owning::V5,
    ));
    let subscribe = inputs::subscribe();
    rows.push(borrowed(
        "decode SUBSCRIBE 3.1.1, ten filters",
        (0.25, Some(1.75)),
        &subscribe,
        |frame| black_box(&floor::subscribe(frame)).is_some(),
        Owning::V311,
    ));
    rows.push(borrowed(
        "decode PUBACK",
        (0.5, Some(2.0)),
        &inputs::puback(),
        |frame| black_box(&floor::puback(frame)).is_some(),
        Owning::V311,
    ));
    rows.push(owned_v311("stream of small PUBLISHes, 1 MiB, owned", (0.33, Some(1.43)), &inputs::stream()));

    let small = inputs::publish(64);
    rows.push(encode("encode PUBLISH 3.1.1, 64 B", 0.75, &small));
    rows.push(encode("encode PUBLISH 5.0, properties", 0.4, &publish));
    rows.push(encode("encode CONNECT 5.0", 0.6, &connect));
    rows.push(encode("encode SUBSCRIBE 3.1.1, ten filters", 0.6, &subscribe));
    rows.push(apart("encode PUBLISH 3.1.1, 64 KiB, payload apart", 0.25, &inputs::publish(65536)));
    rows
}

fn decoder(frames: &Frames) -> Decoder {
    Decoder::new(frames.version, Side::Client)
}

/// Decoding frames in place. Nothing else than mqttrs does that; the houses that own what they decode join in where
/// issue 3 compares with them.
fn borrowed(
    name: &'static str,
    goal: (f64, Option<f64>),
    frames: &Frames,
    scan: impl Fn(&[u8]) -> bool + 'static,
    owning: Owning,
) -> Row {
    let decoder = decoder(frames);
    let ours = each(frames, "mqtt-codec", House::Ours, move |frame| black_box(&decoder.parse(frame)).is_ok());
    let mut candidates = vec![ours, each(frames, "floor", House::Floor, scan), copy(frames)];
    if frames.version == Version::V311 {
        let mqttrs = |frame: &[u8]| matches!(black_box(&mqttrs::decode_slice(frame)), Ok(Some(_)));
        candidates.push(each(frames, "mqttrs", House::Peer, mqttrs));
    }
    match owning {
        Owning::None => {}
        Owning::V311 => candidates.extend(owning_v311(frames)),
        Owning::V5 => candidates.extend(owning_v5(frames)),
    }
    Row { name, goal, candidates }
}

/// Which peers join in that own what they decode.
#[derive(Clone, Copy)]
enum Owning {
    None,
    V311,
    V5,
}

/// Taking owned packets off a receive buffer.
fn owned(
    name: &'static str,
    goal: (f64, Option<f64>),
    frames: &Frames,
    scan: impl Fn(&mut BytesMut) -> bool + 'static,
    peers: Vec<Candidate>,
) -> Row {
    let decoder = decoder(frames);
    let [stream, parts_stream, floor_stream] = [(); 3].map(|()| frames.stream.clone());
    let mut candidates = vec![
        Candidate::new(
            "mqtt-codec",
            House::Ours,
            frames.frames.len(),
            move || BytesMut::from(&stream[..]),
            move |buffer| {
                while let Ok(Some(packet)) = &decoder.receive_from(buffer) {
                    black_box(packet);
                }
                assert!(buffer.is_empty());
            },
        ),
        Candidate::new(
            "mqtt-codec in parts (`Publish`)",
            House::Beside,
            frames.frames.len(),
            move || BytesMut::from(&parts_stream[..]),
            move |buffer| {
                while let Ok(Some(packet)) = &decoder.decode_from(buffer) {
                    black_box(packet);
                }
                assert!(buffer.is_empty());
            },
        ),
        Candidate::new(
            "floor",
            House::Floor,
            frames.frames.len(),
            move || BytesMut::from(&floor_stream[..]),
            move |buffer| {
                while !buffer.is_empty() {
                    assert!(scan(buffer));
                }
            },
        ),
        copy(frames),
    ];
    candidates.extend(peers);
    Row { name, goal, candidates }
}

fn owned_v311(name: &'static str, goal: (f64, Option<f64>), frames: &Frames) -> Row {
    owned(
        name,
        goal,
        frames,
        |buffer| black_box(&floor::publish_owned(buffer)).is_some(),
        owning_v311(frames),
    )
}

fn owned_v5(name: &'static str, goal: (f64, Option<f64>), frames: &Frames) -> Row {
    owned(
        name,
        goal,
        frames,
        |buffer| black_box(&floor::publish_v5_owned(buffer)).is_some(),
        owning_v5(frames),
    )
}

fn owning_v311(frames: &Frames) -> Vec<Candidate> {
    [
        decoding::<Rumqttc4>(frames),
        decoding::<Next4>(frames),
        decoding::<Mqttbytes4>(frames),
        decoding::<Core4>(frames),
        decoding::<Ntex3>(frames),
        decoding::<Mqtt5As4>(frames),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn owning_v5(frames: &Frames) -> Vec<Candidate> {
    [
        decoding::<Rumqttc5>(frames),
        decoding::<Next5>(frames),
        decoding::<Mqttbytes5>(frames),
        decoding::<Core5>(frames),
        decoding::<Ntex5>(frames),
        decoding::<Mqtt5As5>(frames),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// All packets that a peer reads of these frames.
fn packets<P: Peer>(frames: &Frames) -> Vec<P::Packet> {
    let mut input = P::input(frames);
    std::iter::from_fn(|| P::decode(&mut input)).collect()
}

/// A peer that owns what it decodes; none if it refuses these frames.
fn decoding<P: Peer>(frames: &Frames) -> Option<Candidate> {
    let count = frames.frames.len();
    if packets::<P>(frames).len() != count {
        eprintln!("{} does not read these packets", P::NAME);
        return None;
    }
    let frames = frames.clone();
    Some(Candidate::new(
        P::NAME,
        P::DECODING,
        count,
        move || P::input(&frames),
        |input| {
            while P::step(input) {}
        },
    ))
}

/// Works on each frame where it lies.
fn each(
    frames: &Frames,
    name: &'static str,
    house: House,
    work: impl Fn(&[u8]) -> bool + 'static,
) -> Candidate {
    let frames = frames.frames.clone();
    assert!(frames.iter().all(|frame| work(frame)), "{name} does not read these packets");
    Candidate::new(
        name,
        house,
        frames.len(),
        || (),
        move |()| {
            for frame in &frames {
                assert!(work(black_box(frame)));
            }
        },
    )
}

/// Copies each frame.
fn copy(frames: &Frames) -> Candidate {
    let out = std::cell::RefCell::new(Vec::with_capacity(frames.stream.len()));
    each(frames, "memcpy", House::Copy, move |frame| {
        let mut out = out.borrow_mut();
        out.clear();
        out.extend_from_slice(frame);
        black_box(&mut *out);
        true
    })
}

/// Encoding what was decoded of these frames.
fn encode(name: &'static str, goal: f64, frames: &Frames) -> Row {
    let decoder = decoder(frames);
    let version = frames.version;
    let ours = our_packets(frames, decoder);
    let mut out = Vec::with_capacity(1 << 17);
    let ours = Candidate::new(
        "mqtt-codec",
        House::Ours,
        ours.len(),
        || (),
        move |()| {
            for packet in &ours {
                out.clear();
                packet.encode(version, &mut out).expect("a legal packet");
                black_box(&mut out);
            }
        },
    );
    let mut candidates = vec![ours, copy(frames)];
    match version {
        Version::V311 => {
            candidates.push(encoding_mqttrs(frames));
            candidates.extend(
                [
                    encoding::<Rumqttc4>(frames),
                    encoding::<Next4>(frames),
                    encoding::<Mqttbytes4>(frames),
                    encoding::<Core4>(frames),
                    encoding::<Ntex3>(frames),
                    encoding::<Mqtt5As4>(frames),
                ]
                .into_iter()
                .flatten(),
            );
        }
        Version::V5 => candidates.extend(
            [
                encoding::<Rumqttc5>(frames),
                encoding::<Next5>(frames),
                encoding::<Mqttbytes5>(frames),
                encoding::<Core5>(frames),
                encoding::<Ntex5>(frames),
                encoding::<Mqtt5As5>(frames),
            ]
            .into_iter()
            .flatten(),
        ),
    }
    Row { name, goal: (goal, None), candidates }
}

/// Encoding heads; the payload stays where it is, for a vectored write to borrow. Who queues the packet instead counts
/// one more reference to the payload, as ntex-mqtt does; that is shown beside.
fn apart(name: &'static str, goal: f64, frames: &Frames) -> Row {
    let borrowing = heads("mqtt-codec", House::Ours, frames, |head, payload| {
        black_box((head, payload));
    });
    let counting = heads("mqtt-codec, payload cloned", House::Beside, frames, |head, payload| {
        black_box((head, payload.clone()));
    });
    let ntex = encoding::<Ntex3>(frames);
    let candidates = [borrowing, counting, copy(frames)].into_iter().chain(ntex).collect();
    Row { name, goal: (goal, None), candidates }
}

fn heads(
    name: &'static str,
    house: House,
    frames: &Frames,
    hand_out: impl Fn(&mut Vec<u8>, &Bytes) + 'static,
) -> Candidate {
    let version = frames.version;
    let publishes: Vec<_> = our_packets(frames, decoder(frames))
        .into_iter()
        .map(|packet| match packet {
            Packet::Publish(publish) => publish,
            other => unreachable!("{other:?} is no PUBLISH"),
        })
        .collect();
    let mut head = Vec::with_capacity(1 << 10);
    Candidate::new(
        name,
        house,
        publishes.len(),
        || (),
        move |()| {
            for publish in &publishes {
                head.clear();
                publish.encode_head(version, &mut head).expect("a legal packet");
                hand_out(&mut head, &publish.payload);
            }
        },
    )
}

fn our_packets(frames: &Frames, decoder: Decoder) -> Vec<Packet> {
    frames.frames.iter().map(|frame| decoder.decode(frame).expect("a legal packet")).collect()
}

/// A peer that encodes; none if it can't.
fn encoding<P: Peer>(frames: &Frames) -> Option<Candidate> {
    let mut packets = packets::<P>(frames);
    let mut output = P::output();
    if packets.len() != frames.frames.len()
        || !packets.iter_mut().all(|packet| P::encode(packet, &mut output))
    {
        eprintln!("{} does not write these packets", P::NAME);
        return None;
    }
    Some(Candidate::new(
        P::NAME,
        House::Peer,
        packets.len(),
        || (),
        move |()| {
            for packet in &mut packets {
                assert!(P::encode(packet, &mut output));
                black_box(&mut output);
            }
        },
    ))
}

/// mqttrs borrows what it decodes, so that the frames it encodes from live as long as the program.
fn encoding_mqttrs(frames: &Frames) -> Candidate {
    let frames: &'static [Bytes] = Vec::leak(frames.frames.clone());
    let decode = |frame| mqttrs::decode_slice(frame).ok().flatten().expect("a legal packet");
    let packets: Vec<mqttrs::Packet<'static>> = frames.iter().map(|frame| decode(frame)).collect();
    let mut out = vec![0; 1 << 17];
    Candidate::new(
        "mqttrs",
        House::Peer,
        packets.len(),
        || (),
        move |()| {
            for packet in &packets {
                assert!(mqttrs::encode_slice(packet, &mut out).is_ok());
                black_box(&mut out);
            }
        },
    )
}
