//! mqtt-protocol-core: its `Connection`, which answers by itself; a packet is built with the identifier that was asked
//! for first.

use std::{hint::black_box, sync::Arc};

use bytes::{Bytes, BytesMut};
use mqtt_codec::{QoS, Version};
use mqtt_protocol_core::mqtt::{
    self,
    common::Cursor,
    connection::Event,
    packet::{GenericPacketTrait, Packet, Qos},
};

use super::Client;
use crate::measure::House;

macro_rules! connection {
    ($Client:ident, $version:ident, $Version:ident, $clean:ident, $code:ident = $Code:ident::$Yes:ident,
     $Publish:ident) => {
        pub struct $Client {
            connection: mqtt::Connection<mqtt::role::Client>,
            output: Vec<u8>,
        }

        impl $Client {
            /// Writes what is to be written; says how many messages came in or came to their end.
            #[inline]
            fn handle(output: &mut Vec<u8>, events: Vec<Event>) -> usize {
                let mut count = 0;
                for event in events {
                    match black_box(&event) {
                        Event::RequestSendPacket { packet, .. } => {
                            for part in packet.to_buffers() {
                                output.extend_from_slice(&part);
                            }
                        }
                        Event::NotifyPacketIdReleased(_)
                        | Event::NotifyPacketReceived(Packet::$Publish(_)) => count += 1,
                        _ => {}
                    }
                }
                count
            }
        }

        impl Client for $Client {
            const NAME: &'static str = "mqtt-protocol-core";
            const HOUSE: House = House::Peer;
            type Message = (Qos, &'static str, Arc<[u8]>);

            fn connected(_: Version) -> Self {
                use mqtt::packet::$version::{Connack, Connect};
                let mut connection = mqtt::Connection::new(mqtt::Version::$Version);
                connection.set_auto_pub_response(true);
                let connect = Connect::builder().$clean(false).client_id("bench").expect("a legal name");
                connection.send(connect.build().expect("a plain CONNECT").into());
                let connack = Connack::builder().session_present(false).$code(mqtt::result_code::$Code::$Yes);
                let connack = connack.build().expect("a plain CONNACK").to_continuous_buffer();
                connection.recv(&mut Cursor::new(&connack[..]));
                Self { connection, output: Vec::with_capacity(1 << 17) }
            }

            fn message(qos: QoS, topic: &'static str, payload: &Bytes) -> Self::Message {
                let qos = match qos {
                    QoS::AtMostOnce => Qos::AtMostOnce,
                    QoS::AtLeastOnce => Qos::AtLeastOnce,
                    QoS::ExactlyOnce => Qos::ExactlyOnce,
                };
                (qos, topic, Arc::from(&payload[..]))
            }

            fn publish(&mut self, messages: Vec<Self::Message>) {
                for (qos, topic, payload) in messages {
                    let id = self.connection.acquire_packet_id().expect("the window has room");
                    let publish = mqtt::packet::$version::Publish::builder()
                        .topic_name(topic)
                        .expect("a legal topic")
                        .qos(qos)
                        .packet_id(id)
                        .payload(payload)
                        .build()
                        .expect("a legal packet");
                    Self::handle(&mut self.output, self.connection.send(publish.into()));
                }
            }

            fn read(&mut self, input: BytesMut) -> usize {
                let mut cursor = Cursor::new(&input[..]);
                let mut count = 0;
                while cursor.position() < input.len() as u64 {
                    count += Self::handle(&mut self.output, self.connection.recv(&mut cursor));
                }
                count
            }

            fn write(&mut self, transport: &mut impl FnMut(&[u8])) {
                transport(&self.output);
                self.output.clear();
            }
        }
    };
}

connection!(Core4, v3_1_1, V3_1_1, clean_session, return_code = ConnectReturnCode::Accepted, V3_1_1Publish);
connection!(Core5, v5_0, V5_0, clean_start, reason_code = ConnectReasonCode::Success, V5_0Publish);
