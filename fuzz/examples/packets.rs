//! `packets 3.1.1|5.0` prints legal packets of that version for another program to judge, one a line: hex, then tab
//! and what stands in each field of it, as `name=value` in the names of Wireshark's dissector.
//!
//! The first is a CONNECT, which tells the version; then come the known answers of the codec's tests, and generated
//! packets from both sides, the same ones on every run. Values of a field that repeats are apart by U+001F; U+001A
//! among them says that they can't be compared.

use std::{collections::BTreeMap, env, fs, process::ExitCode};

use arbitrary::Unstructured;
use bytes::Bytes;
use mqtt_codec::{
    Connect, Decoder, Packet, Properties, PropertyValue, ReasonCode, Side, SubscriptionOptions, Text, Version,
};
use mqtt_fuzz::{corpus, generate};

/// How many generated packets there are at most.
const COUNT: u32 = 2000;

/// Stands for a field whose values are not to be compared.
const ANYTHING: char = '\u{1a}';

fn main() -> ExitCode {
    let (version, known) = match env::args().nth(1).as_deref() {
        Some("3.1.1") => (Version::V311, "known_v311.rs"),
        Some("5.0") => (Version::V5, "known_v5.rs"),
        _ => {
            eprintln!("usage: packets 3.1.1|5.0");
            return ExitCode::FAILURE;
        }
    };
    let client_id = Text::from_static("packets").expect("plain ASCII");
    show(&Connect::new(version, client_id).into(), version);
    known_answers(known, version).iter().for_each(|packet| show(packet, version));
    for seed in 0..COUNT {
        let choices = corpus::noise(seed, 256);
        let sender = if seed % 2 == 0 { Side::Client } else { Side::Server };
        if let Ok(packet) = generate::packet(&mut Unstructured::new(&choices), version, sender) {
            show(&packet, version);
        }
    }
    ExitCode::SUCCESS
}

/// What the tables of the codec's tests hold: whatever stands in quotes there and is a packet.
fn known_answers(file: &str, version: Version) -> Vec<Packet> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/mqtt-codec/tests/it/");
    let text = fs::read_to_string(format!("{path}{file}")).expect("the tests are in the repository");
    let frames = text.split('"').skip(1).step_by(2).filter_map(notation);
    let decode = |frame: Bytes| {
        [Side::Client, Side::Server]
            .into_iter()
            .find_map(|side| Decoder::new(version, side).decode(&frame).ok())
    };
    frames.filter_map(|frame| decode(frame.into())).collect()
}

/// The tests' notation: hex digits in pairs, text in quotes, spaces where they help.
fn notation(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for (index, part) in text.split('\'').enumerate() {
        if index % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
        } else {
            out.extend(corpus::from_hex(&part.replace(' ', ""))?);
        }
    }
    Some(out)
}

fn show(packet: &Packet, version: Version) {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).expect("a legal packet");
    let version = if let Packet::Connect(connect) = packet { connect.version } else { version };
    let mut fields = Fields(BTreeMap::new());
    fields.add("msgtype", bytes[0] >> 4);
    fields.packet(packet, version);
    let fields: Vec<String> =
        fields.0.iter().map(|(name, values)| format!("\tmqtt.{name}={}", values.join("\u{1f}"))).collect();
    println!("{}{}", corpus::hex(&bytes), fields.concat());
}

/// Values by the dissector's name of their field, without `mqtt.`, in the order on the wire.
struct Fields(BTreeMap<&'static str, Vec<String>>);

impl Fields {
    fn add(&mut self, name: &'static str, value: impl ToString) {
        self.0.entry(name).or_default().push(value.to_string());
    }

    fn packet(&mut self, packet: &Packet, version: Version) {
        let v5 = version == Version::V5;
        if let Some(id) = packet.packet_id() {
            self.add("msgid", id);
        }
        match packet {
            Packet::Connect(connect) => self.connect(connect),
            Packet::Connack(connack) => {
                self.add("conack.flags.sp", u8::from(connack.session_present));
                if v5 {
                    self.add("connack.reason_code", connack.reason.as_u8());
                }
                self.properties(connack.properties.iter());
            }
            Packet::Publish(publish) => {
                self.add("dupflag", u8::from(publish.dup));
                self.add("qos", publish.qos.as_u8());
                self.add("retain", u8::from(publish.retain));
                if !publish.topic.is_empty() {
                    self.add("topic", &publish.topic);
                }
                if !publish.payload.is_empty() {
                    self.add("msg", corpus::hex(&publish.payload));
                }
                self.properties(publish.properties.iter());
            }
            Packet::Ack(ack) => {
                if ack.reason != ReasonCode::Success || !ack.properties.is_empty() {
                    let name = match ack.kind {
                        mqtt_codec::AckKind::Puback => "puback.reason_code",
                        mqtt_codec::AckKind::Pubrec => "pubrec.reason_code",
                        mqtt_codec::AckKind::Pubrel => "pubrel.reason_code",
                        mqtt_codec::AckKind::Pubcomp => "pubcomp.reason_code",
                    };
                    self.add(name, ack.reason.as_u8());
                }
                self.properties(ack.properties.iter());
            }
            Packet::Subscribe(subscribe) => {
                self.properties(subscribe.properties.iter());
                for filter in &subscribe.filters {
                    self.add("topic", &filter.filter);
                    self.options(filter.options, v5);
                }
            }
            Packet::Suback(suback) => {
                self.properties(suback.properties.iter());
                let name = if v5 { "suback.reason_code" } else { "suback.qos" };
                suback.reasons.iter().for_each(|reason| self.add(name, reason.as_u8()));
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.properties(unsubscribe.properties.iter());
                unsubscribe.filters.iter().for_each(|filter| self.add("topic", filter));
            }
            Packet::Unsuback(unsuback) => {
                self.properties(unsuback.properties.iter());
                unsuback.reasons.iter().for_each(|reason| self.add("unsuback.reason_code", reason.as_u8()));
            }
            Packet::Disconnect(disconnect) => {
                if disconnect.reason != ReasonCode::Success || !disconnect.properties.is_empty() {
                    self.add("disconnect.reason_code", disconnect.reason.as_u8());
                }
                self.properties(disconnect.properties.iter());
            }
            Packet::Auth(auth) => {
                if auth.reason != ReasonCode::Success || !auth.properties.is_empty() {
                    self.add("auth.reason_code", auth.reason.as_u8());
                }
                self.properties(auth.properties.iter());
            }
            Packet::Pingreq | Packet::Pingresp => {}
        }
    }

    fn connect(&mut self, connect: &Connect) {
        self.add("ver", if connect.version == Version::V5 { 5 } else { 4 });
        self.add("conflag.cleansess", u8::from(connect.clean_start));
        self.add("kalive", connect.keep_alive);
        self.properties(connect.properties.iter());
        if !connect.client_id.is_empty() {
            self.add("clientid", &connect.client_id);
        }
        self.add("conflag.qos", connect.will.as_ref().map_or(0, |will| will.qos.as_u8()));
        self.add("conflag.retain", u8::from(connect.will.as_ref().is_some_and(|will| will.retain)));
        if let Some(will) = &connect.will {
            self.properties(will.properties.iter());
            self.add("willtopic", &will.topic);
            if !will.payload.is_empty() {
                self.add("willmsg", corpus::hex(will.payload.as_bytes()));
            }
        }
        if let Some(username) = connect.username.as_ref().filter(|username| !username.is_empty()) {
            self.add("username", username);
        }
    }

    fn options(&mut self, options: SubscriptionOptions, v5: bool) {
        if v5 {
            self.add("subscription_options_qos", options.qos.as_u8());
            self.add("subscription_options_nl", u8::from(options.no_local));
            self.add("subscription_options_rap", u8::from(options.retain_as_published));
            self.add("subscription_options_retain", options.retain_handling as u8);
        } else {
            self.add("sub.qos", options.qos.as_u8());
        }
    }

    fn properties(&mut self, properties: Properties<'_>) {
        for (id, value) in properties {
            self.add("property_id", id.as_u8());
            match (id.as_u8(), value) {
                (0x24, PropertyValue::Byte(value)) => self.add("property.max_qos", value),
                (0x23, PropertyValue::TwoByteInteger(value)) => self.add("property.topic_alias", value),
                (0x03, PropertyValue::Text(value)) => self.add("property.content_type", value),
                (_, PropertyValue::Byte(value)) => self.add("prop_number", value),
                (_, PropertyValue::TwoByteInteger(value)) => self.add("prop_number", value),
                (_, PropertyValue::FourByteInteger(value) | PropertyValue::VariableByteInteger(value)) => {
                    self.add("prop_number", value);
                }
                // The dissector shows binary data as text, as far as it can.
                (_, PropertyValue::Binary(_)) => self.add("prop_string", ANYTHING),
                (_, PropertyValue::Text(value)) => self.add("prop_string", value),
                (_, PropertyValue::Pair(key, value)) => {
                    self.add("prop_key", key);
                    self.add("prop_value", value);
                }
            }
        }
    }
}
