//! The codecs of other houses, each behind the same four functions.

use std::{hint::black_box, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use mqtt_protocol_core::mqtt::packet::{self as core_packet, GenericPacketTrait};
use mqtt5_protocol::packet::{FixedHeader, MqttPacket};
use ntex_bytes::{BytePageSize, BytePages};
use ntex_codec::{Decoder as _, Encoder as _};

use crate::{floor, inputs::Frames, measure::House};

/// A codec that owns what it decodes.
pub trait Peer: 'static {
    const NAME: &'static str;
    /// How its decoding counts.
    const DECODING: House = House::Peer;
    /// What packets are taken from, as a connection of that house would hold it.
    type Input;
    type Packet: 'static;
    /// What packets are encoded into.
    type Output;

    fn input(frames: &Frames) -> Self::Input;
    /// The next packet; `None` at the end, or if it is refused.
    fn decode(input: &mut Self::Input) -> Option<Self::Packet>;
    /// Decodes the next packet and looks at it where it is returned; says whether there was one.
    fn step(input: &mut Self::Input) -> bool;

    fn output() -> Self::Output;
    /// Writes a packet to the start of the output; says whether it could.
    fn encode(packet: &mut Self::Packet, output: &mut Self::Output) -> bool;
}

/// How much room an output has, in bytes.
const OUTPUT: usize = 1 << 17;

/// The family that began as mqttbytes: packets are read off a `BytesMut`.
macro_rules! mqttbytes_family {
    ($Peer:ident, $name:literal, $Packet:ty, $read:expr, $write:expr) => {
        pub struct $Peer;

        impl Peer for $Peer {
            const NAME: &'static str = $name;
            type Input = BytesMut;
            type Packet = $Packet;
            type Output = BytesMut;

            fn input(frames: &Frames) -> BytesMut {
                BytesMut::from(&frames.stream[..])
            }

            #[inline]
            fn decode(input: &mut BytesMut) -> Option<$Packet> {
                if input.is_empty() {
                    return None;
                }
                $read(input).ok()
            }

            #[inline]
            fn step(input: &mut BytesMut) -> bool {
                !input.is_empty() && black_box(&$read(input)).is_ok()
            }

            fn output() -> BytesMut {
                BytesMut::with_capacity(OUTPUT)
            }

            #[inline]
            fn encode(packet: &mut $Packet, output: &mut BytesMut) -> bool {
                output.clear();
                $write(packet, output)
            }
        }
    };
}

mqttbytes_family!(
    Rumqttc4,
    "rumqttc",
    rumqttc::Packet,
    |input| rumqttc::Packet::read(input, usize::MAX),
    |packet: &mut rumqttc::Packet, output| packet.write(output, usize::MAX).is_ok()
);
mqttbytes_family!(
    Rumqttc5,
    "rumqttc",
    rumqttc::v5::mqttbytes::v5::Packet,
    |input| rumqttc::v5::mqttbytes::v5::Packet::read(input, None),
    |packet: &mut rumqttc::v5::mqttbytes::v5::Packet, output| packet.write(output, None).is_ok()
);
mqttbytes_family!(
    Next4,
    "rumqttc-next",
    rumqttc_v4_next::Packet,
    |input| rumqttc_v4_next::Packet::read(input, usize::MAX),
    |packet: &mut rumqttc_v4_next::Packet, output| packet.write(output, usize::MAX).is_ok()
);
mqttbytes_family!(
    Next5,
    "rumqttc-next",
    rumqttc_v5_next::mqttbytes::v5::Packet,
    |input| rumqttc_v5_next::mqttbytes::v5::Packet::read(input, None),
    |packet: &mut rumqttc_v5_next::mqttbytes::v5::Packet, output| packet.write(output, None).is_ok()
);
mqttbytes_family!(
    Mqttbytes4,
    "mqttbytes",
    mqttbytes::v4::Packet,
    |input| mqttbytes::v4::read(input, usize::MAX),
    |packet: &mut mqttbytes::v4::Packet, output| match packet {
        mqttbytes::v4::Packet::Publish(publish) => publish.write(output).is_ok(),
        mqttbytes::v4::Packet::Subscribe(subscribe) => subscribe.write(output).is_ok(),
        _ => false,
    }
);
mqttbytes_family!(
    Mqttbytes5,
    "mqttbytes",
    mqttbytes::v5::Packet,
    |input| mqttbytes::v5::read(input, usize::MAX),
    |packet: &mut mqttbytes::v5::Packet, output| match packet {
        mqttbytes::v5::Packet::Publish(publish) => publish.write(output).is_ok(),
        mqttbytes::v5::Packet::Connect(connect) => connect.write(output).is_ok(),
        _ => false,
    }
);

/// ntex: the codec keeps state, and takes what it encodes by value; the clone is part of its price.
macro_rules! ntex {
    ($Peer:ident, $version:ident) => {
        pub struct $Peer;

        impl Peer for $Peer {
            const NAME: &'static str = "ntex-mqtt";
            type Input = (ntex_mqtt::$version::codec::Codec, ntex_bytes::BytesMut);
            type Packet = ntex_mqtt::$version::codec::Decoded;
            type Output = (ntex_mqtt::$version::codec::Codec, BytePages);

            fn input(frames: &Frames) -> Self::Input {
                let codec = ntex_mqtt::$version::codec::Codec::new();
                (codec, ntex_bytes::BytesMut::from(&frames.stream[..]))
            }

            #[inline]
            fn decode((codec, buffer): &mut Self::Input) -> Option<Self::Packet> {
                codec.decode(buffer).ok()?
            }

            #[inline]
            fn step((codec, buffer): &mut Self::Input) -> bool {
                matches!(black_box(&codec.decode(buffer)), Ok(Some(_)))
            }

            fn output() -> Self::Output {
                (ntex_mqtt::$version::codec::Codec::new(), BytePages::new(BytePageSize::Size64))
            }

            #[inline]
            fn encode(packet: &mut Self::Packet, (codec, pages): &mut Self::Output) -> bool {
                use ntex_mqtt::$version::codec::{Decoded, Encoded};
                pages.clear();
                let packet = match packet {
                    Decoded::Packet(packet, _) => Encoded::Packet(packet.clone()),
                    Decoded::Publish(publish, payload, _) => {
                        Encoded::Publish(publish.clone(), Some(payload.clone()))
                    }
                    Decoded::PayloadChunk(..) => return false,
                };
                codec.encodev(packet, pages).is_ok()
            }
        }
    };
}
ntex!(Ntex3, v3);
ntex!(Ntex5, v5);

/// mqtt-protocol-core: parses bodies; that of a PUBLISH must come in an `Arc` of its own, which is part of its price.
/// The fixed header is scanned as the floor does it, for that code of it is not public: no user can decode a packet at
/// this price, so that decoding is shown beside the others.
macro_rules! protocol_core {
    ($Peer:ident, $version:ident) => {
        pub struct $Peer;

        impl Peer for $Peer {
            const NAME: &'static str = "mqtt-protocol-core (bodies)";
            const DECODING: House = House::Beside;
            type Input = Bytes;
            type Packet = core_packet::Packet;
            type Output = Vec<u8>;

            fn input(frames: &Frames) -> Bytes {
                frames.stream.clone()
            }

            #[inline]
            fn decode(input: &mut Bytes) -> Option<Self::Packet> {
                use core_packet::$version;
                let (first, at, len) = floor::header(input)?;
                let body = input.get(at..at + len)?;
                let packet = match first >> 4 {
                    1 => $version::Connect::parse(body).ok()?.0.into(),
                    3 => $version::Publish::parse(first & 15, Arc::from(body)).ok()?.0.into(),
                    4 => $version::Puback::parse(body).ok()?.0.into(),
                    8 => $version::Subscribe::parse(body).ok()?.0.into(),
                    _ => return None,
                };
                input.advance(at + len);
                Some(packet)
            }

            #[inline]
            fn step(input: &mut Bytes) -> bool {
                use core_packet::$version;
                let Some((first, at, len)) = floor::header(input) else { return false };
                let Some(body) = input.get(at..at + len) else { return false };
                let found = match first >> 4 {
                    1 => black_box(&$version::Connect::parse(body)).is_ok(),
                    3 => black_box(&$version::Publish::parse(first & 15, Arc::from(body))).is_ok(),
                    4 => black_box(&$version::Puback::parse(body)).is_ok(),
                    8 => black_box(&$version::Subscribe::parse(body)).is_ok(),
                    _ => false,
                };
                input.advance(at + len);
                found
            }

            fn output() -> Vec<u8> {
                Vec::new()
            }

            #[inline]
            fn encode(packet: &mut Self::Packet, output: &mut Vec<u8>) -> bool {
                *output = packet.to_continuous_buffer();
                true
            }
        }
    };
}
protocol_core!(Core4, v3_1_1);
protocol_core!(Core5, v5_0);

/// mqtt5-protocol: a header, then a body that takes what it needs off a buffer.
macro_rules! mqtt5 {
    ($Peer:ident, $level:literal) => {
        pub struct $Peer;

        impl Peer for $Peer {
            const NAME: &'static str = "mqtt5-protocol";
            type Input = Bytes;
            type Packet = mqtt5_protocol::Packet;
            type Output = BytesMut;

            fn input(frames: &Frames) -> Bytes {
                frames.stream.clone()
            }

            #[inline]
            fn decode(input: &mut Bytes) -> Option<Self::Packet> {
                if input.is_empty() {
                    return None;
                }
                let header = FixedHeader::decode(input).ok()?;
                let mut body = input.split_to(header.remaining_length as usize);
                mqtt5_protocol::Packet::decode_from_body_with_version(
                    header.packet_type,
                    &header,
                    &mut body,
                    $level,
                )
                .ok()
            }

            #[inline]
            fn step(input: &mut Bytes) -> bool {
                let Ok(header) = FixedHeader::decode(input) else { return false };
                let mut body = input.split_to(header.remaining_length as usize);
                let (kind, packet) =
                    (header.packet_type, mqtt5_protocol::Packet::decode_from_body_with_version);
                black_box(&packet(kind, &header, &mut body, $level)).is_ok()
            }

            fn output() -> BytesMut {
                BytesMut::with_capacity(OUTPUT)
            }

            #[inline]
            fn encode(packet: &mut Self::Packet, output: &mut BytesMut) -> bool {
                output.clear();
                match packet {
                    mqtt5_protocol::Packet::Publish(publish) => publish.encode(output).is_ok(),
                    mqtt5_protocol::Packet::Connect(connect) => connect.encode(output).is_ok(),
                    mqtt5_protocol::Packet::Subscribe(subscribe) => subscribe.encode(output).is_ok(),
                    _ => false,
                }
            }
        }
    };
}
mqtt5!(Mqtt5As4, 4);
mqtt5!(Mqtt5As5, 5);
