//! mqtt-session, driven as the loop on its first page says; the clock is read where that loop reads it.

use std::{hint::black_box, time::Instant};

use bytes::{Bytes, BytesMut};
use mqtt_codec::{Connack, Connect, Packet, Publish, QoS, ReasonCode, Text, TopicName, Version};
use mqtt_session::{Command, Config, Event, Output, Session, Timestamp};

use super::{Client, MESSAGES};
use crate::measure::House;

pub struct Ours {
    session: Session,
    output: Output,
    epoch: Instant,
}

impl Ours {
    #[inline]
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.epoch.elapsed()
    }
}

impl Client for Ours {
    const NAME: &'static str = "mqtt-session";
    const HOUSE: House = House::Ours;
    type Message = Command;

    fn connected(version: Version) -> Self {
        let config = Config {
            version,
            max_in_flight: MESSAGES as u16,
            max_inbound: MESSAGES as u16,
            ..Config::default()
        };
        let mut client = Self { session: Session::new(config), output: Output::new(), epoch: Instant::now() };
        let mut connect = Connect::new(version, Text::new("bench").expect("legal text"));
        connect.clean_start = false;
        let now = client.now();
        client.session.handle_opened(now, connect).expect("a plain CONNECT");
        client.write(&mut |_| ());
        let mut connack = Vec::new();
        let packet = Packet::Connack(Connack::new(false, ReasonCode::Success));
        packet.encode(version, &mut connack).expect("a legal packet");
        client.read(BytesMut::from(&connack[..]));
        client
    }

    fn message(qos: QoS, topic: &'static str, payload: &Bytes) -> Command {
        let topic = TopicName::from_static(topic).expect("a legal topic");
        Command::Publish { tag: 0, publish: Publish { qos, ..Publish::new(topic, payload.clone()) } }
    }

    fn id(nth: usize) -> u16 {
        (nth % 0xFFFF) as u16 + 1
    }

    fn publish(&mut self, messages: Vec<Command>) {
        for command in messages {
            self.session.submit(command).expect("the window has room");
        }
    }

    fn read(&mut self, mut input: BytesMut) -> usize {
        let now = self.now();
        while self.session.handle_input(now, &mut input).expect("the server keeps the rules") > 0 {}
        let mut count = 0;
        while let Some(event) = self.session.poll_event() {
            match black_box(&event) {
                Event::Published { .. } => count += 1,
                Event::Message(message) => {
                    count += 1;
                    if let Some(token) = message.token {
                        self.session.acknowledge(token, ReasonCode::Success);
                    }
                }
                _ => {}
            }
        }
        count
    }

    fn write(&mut self, transport: &mut impl FnMut(&[u8])) {
        let now = self.now();
        loop {
            self.session.poll_io(now, &mut self.output);
            let bytes = self.output.len();
            if bytes == 0 {
                return;
            }
            self.output.chunks().for_each(&mut *transport);
            self.output.advance(bytes);
            self.session.handle_written(now, bytes);
        }
    }
}
