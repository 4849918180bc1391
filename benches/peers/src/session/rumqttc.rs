//! rumqttc and rumqttc-next: `MqttState` between the packets of their codec, as their event loop drives it.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use mqtt_codec::{QoS, Version};

use super::{Client, MESSAGES};
use crate::measure::House;

macro_rules! mqtt_state {
    ($Client:ident, $name:literal, $house:ident) => {
        pub struct $Client {
            state: $house::MqttState,
            output: BytesMut,
        }

        impl Client for $Client {
            const NAME: &'static str = $name;
            const HOUSE: House = House::Peer;
            type Message = $house::Request;

            fn connected(_: Version) -> Self {
                Self { state: $house::state(MESSAGES as u16), output: BytesMut::with_capacity(1 << 17) }
            }

            fn message(qos: QoS, topic: &'static str, payload: &Bytes) -> Self::Message {
                let qos = match qos {
                    QoS::AtMostOnce => $house::QoS::AtMostOnce,
                    QoS::AtLeastOnce => $house::QoS::AtLeastOnce,
                    QoS::ExactlyOnce => $house::QoS::ExactlyOnce,
                };
                $house::Request::Publish($house::message(qos, topic, payload.clone()))
            }

            fn publish(&mut self, messages: Vec<Self::Message>) {
                for message in messages {
                    let packet = self.state.handle_outgoing_packet(message).expect("the window has room");
                    let packet = packet.expect("no identifier is in use twice");
                    packet.write(&mut self.output, $house::LIMIT).expect("a legal packet");
                }
            }

            fn read(&mut self, mut input: BytesMut) -> usize {
                while !input.is_empty() {
                    let packet = $house::Packet::read(&mut input, $house::LIMIT).expect("a legal packet");
                    let answer = self.state.handle_incoming_packet(packet).expect("the rules are kept");
                    if let Some(packet) = answer {
                        packet.write(&mut self.output, $house::LIMIT).expect("a legal packet");
                    }
                }
                let mut count = 0;
                while let Some(event) = self.state.events.pop_front() {
                    use $house::{Event::Incoming, Packet::*};
                    if let Incoming(Publish(_) | PubAck(_) | PubComp(_)) = black_box(&event) {
                        count += 1;
                    }
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

mqtt_state!(Rumqttc4, "rumqttc", rumqttc_v4);
mqtt_state!(Rumqttc5, "rumqttc", rumqttc_v5);
mqtt_state!(Next4, "rumqttc-next", next_v4);
mqtt_state!(Next5, "rumqttc-next", next_v5);

mod rumqttc_v4 {
    use bytes::Bytes;
    pub use rumqttc::{Event, MqttState, Packet, Publish, QoS, Request};

    pub const LIMIT: usize = usize::MAX;

    pub fn state(window: u16) -> MqttState {
        MqttState::new(window, false)
    }

    pub fn message(qos: QoS, topic: &str, payload: Bytes) -> Publish {
        Publish { dup: false, qos, retain: false, topic: topic.to_owned(), pkid: 0, payload }
    }
}

mod rumqttc_v5 {
    use bytes::Bytes;
    pub use rumqttc::v5::{
        Event, MqttState, Request,
        mqttbytes::{
            QoS,
            v5::{Packet, Publish},
        },
    };

    pub const LIMIT: Option<u32> = None;

    pub fn state(window: u16) -> MqttState {
        MqttState::new(window, false)
    }

    pub fn message(qos: QoS, topic: &'static str, payload: Bytes) -> Publish {
        let topic = Bytes::from_static(topic.as_bytes());
        Publish { dup: false, qos, retain: false, topic, pkid: 0, payload, properties: None }
    }
}

mod next_v4 {
    use bytes::Bytes;
    pub use rumqttc_v4_next::{Event, MqttState, Packet, Publish, QoS, Request};

    pub const LIMIT: usize = usize::MAX;

    pub fn state(window: u16) -> MqttState {
        MqttState::builder(window).build()
    }

    pub fn message(qos: QoS, topic: &'static str, payload: Bytes) -> Publish {
        let topic = Bytes::from_static(topic.as_bytes());
        Publish { dup: false, qos, retain: false, topic, pkid: 0, payload }
    }
}

mod next_v5 {
    use bytes::Bytes;
    use rumqttc_v5_next::{ConnAck, ConnectReturnCode};
    pub use rumqttc_v5_next::{
        Event, MqttState, Request,
        mqttbytes::{
            QoS,
            v5::{Packet, Publish},
        },
    };

    pub const LIMIT: Option<u32> = None;

    pub fn state(window: u16) -> MqttState {
        let mut state = MqttState::builder(window).build();
        let connack = ConnAck { session_present: false, code: ConnectReturnCode::Success, properties: None };
        state.handle_incoming_packet(Packet::ConnAck(connack)).expect("a first CONNACK");
        state.events.clear();
        state
    }

    pub fn message(qos: QoS, topic: &'static str, payload: Bytes) -> Publish {
        let topic = Bytes::from_static(topic.as_bytes());
        Publish { dup: false, qos, retain: false, topic, pkid: 0, payload, properties: None }
    }
}
