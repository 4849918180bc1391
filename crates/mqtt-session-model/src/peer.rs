//! What the server of a [`Step`](crate::step::Step) sends: the packet that an act stands for, in the light of what the client
//! has sent.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_session::Stage;
use mqtt_session::codec::{
    Ack, AckKind, AckProperties, Auth, AuthProperties, Connack, Disconnect, Packet, PacketId, Publish, QoS,
    ReasonCode, Side, Suback, Text, TopicName, Unsuback, Version,
};

use crate::messages::{id, message};
use crate::model::Flow;
use crate::panel::Panel;
use crate::step::Act;

/// The bytes that an act sends; none if there is nothing to refer to, or it is not the server's. A message has this
/// number.
pub(crate) fn says(act: &Act, version: Version, panel: &Panel, number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let is_v5 = version == Version::V5;
    match *act {
        Act::Garbage(ref garbage) => bytes.extend(garbage),
        Act::Damaged { id: packet_id, bit } => {
            let (ack, qos) = (Ack::new(AckKind::Puback, id(packet_id)), QoS::ExactlyOnce);
            let publish = Publish { packet_id: Some(id(packet_id)), ..message(number, qos) };
            let packet = if bit % 2 == 0 { Packet::from(ack) } else { publish.into() };
            packet.encode(version, &mut bytes).expect("a packet of the server");
            let place = bit / 8 % bytes.len();
            bytes[place] ^= 1 << (bit % 8);
        }
        Act::Message { id: packet_id, qos, dup, alias } => {
            let mut publish = message(number, qos);
            publish.topic = topic(packet_id as u8 % 4);
            if qos != QoS::AtMostOnce {
                (publish.packet_id, publish.dup) = (Some(id(packet_id)), dup);
            }
            let alias =
                alias.and_then(|(alias, alone)| Some((NonZeroU16::new(alias)?, alone))).filter(|_| is_v5);
            let encoded = match alias {
                None => publish.encode(version, &mut bytes),
                Some((alias, false)) => publish.setting_alias(alias).encode(version, &mut bytes),
                Some((alias, true)) => publish.by_alias(alias).encode(version, &mut bytes),
            };
            encoded.expect("a packet of the server");
        }
        _ => {
            let packet = packet(act, is_v5, panel);
            packet
                .iter()
                .for_each(|packet| _ = packet.encode(version, &mut bytes).expect("a packet of the server"));
        }
    }
    bytes
}

fn packet(act: &Act, is_v5: bool, panel: &Panel) -> Option<Packet> {
    let in_words = |ack: Ack| if is_v5 { ack } else { ack.with_reason(ReasonCode::Success) };
    Some(match *act {
        Act::Accept { present, window, without_qos2, aliases, size, confused } => {
            let mut connack = Connack::new(present, ReasonCode::Success);
            if is_v5 {
                let properties = &mut connack.properties;
                NonZeroU16::new(window).into_iter().for_each(|window| properties.set_receive_maximum(window));
                properties.set_topic_alias_maximum(aliases);
                size.and_then(NonZeroU32::new)
                    .into_iter()
                    .for_each(|size| properties.set_maximum_packet_size(size));
                if without_qos2 {
                    properties.set_maximum_qos(QoS::AtLeastOnce);
                }
                if panel.conduct.method().is_some() != confused {
                    properties.set_authentication_method(&method(false));
                }
            }
            connack.into()
        }
        Act::Refuse => Connack::new(false, ReasonCode::ServerUnavailable).into(),
        Act::Answer { which, reason, explains } => {
            let ack = pick(honest_acks(panel).collect(), which)?;
            let mut ack = in_words(allowed(ack, reason));
            if explains && is_v5 {
                ack.properties =
                    AckProperties::new().with_reason_string(&Text::from_static("so").expect("a word"));
            }
            ack.into()
        }
        Act::AnswerRequest { which, extra, confused } => {
            let request = pick(panel.fleeting.requests().collect(), which)?;
            let (packet_id, filters, is_subscribe) = match request {
                Packet::Subscribe(subscribe) => (subscribe.packet_id, subscribe.filters.len(), true),
                Packet::Unsubscribe(unsubscribe) => (unsubscribe.packet_id, unsubscribe.filters.len(), false),
                _ => return None,
            };
            let reasons = |count: usize| vec![ReasonCode::Success; count + extra];
            match is_subscribe != confused {
                true => Suback::new(packet_id, reasons(filters)).into(),
                false => Unsuback::new(packet_id, if is_v5 { reasons(filters) } else { vec![] }).into(),
            }
        }
        Act::Release { which } => {
            let recorded = panel.model.kept.incoming.iter().filter(|(_, message)| message.recorded);
            Ack::new(AckKind::Pubrel, pick(recorded.map(|(id, _)| *id).collect(), which)?).into()
        }
        Act::Ack(kind, packet_id, reason) => {
            let incoming = panel.model.kept.incoming.keys().copied();
            let flows = panel.model.kept.flows.values().filter_map(|flow| flow.publish.packet_id);
            let requests = panel.fleeting.requests().filter_map(Packet::packet_id);
            let ids: Vec<PacketId> = flows.chain(requests).chain(incoming).collect();
            let packet_id = pick(ids, packet_id.into()).unwrap_or(id(packet_id));
            in_words(allowed(Ack::new(kind, packet_id), reason)).into()
        }
        Act::Auth { ends, confused } if is_v5 => {
            let reason = if ends { ReasonCode::Success } else { ReasonCode::ContinueAuthentication };
            Auth::new(reason, AuthProperties::new().with_authentication_method(&method(confused))).into()
        }
        Act::Pong => Packet::Pingresp,
        Act::Goodbye if is_v5 => Disconnect::new(ReasonCode::ServerShuttingDown).into(),
        _ => return None,
    })
}

/// One of a few topics; the first is too short for an alias.
pub(crate) fn topic(number: u8) -> TopicName {
    let topics = ["t", "first/topic", "second/topic", "third/topic"];
    TopicName::from_static(topics[usize::from(number % 4)]).expect("a plain topic")
}

/// The authentication method of all connections that have one, or another.
pub(crate) fn method(is_other: bool) -> Text {
    Text::from_static(if is_other { "other" } else { "method" }).expect("plain ASCII")
}

/// What an honest server would say next to the publishes that it has seen.
fn honest_acks(panel: &Panel) -> impl Iterator<Item = Ack> {
    let kind = |flow: &Flow| match (flow.publish.qos, flow.stage) {
        (QoS::ExactlyOnce, Stage::Received) => AckKind::Pubcomp,
        (QoS::ExactlyOnce, _) => AckKind::Pubrec,
        _ => AckKind::Puback,
    };
    let carried = panel.model.kept.flows.values().filter(|flow| flow.is_carried);
    carried.filter_map(move |flow| Some(Ack::new(kind(flow), flow.publish.packet_id?)))
}

fn pick<T>(mut all: Vec<T>, which: usize) -> Option<T> {
    (!all.is_empty()).then(|| all.swap_remove(which % all.len()))
}

/// With a reason that the packet may carry.
fn allowed(ack: Ack, reason: ReasonCode) -> Ack {
    let is_allowed = reason.allowed_in(ack.kind.into(), Side::Server);
    ack.with_reason(if is_allowed { reason } else { ReasonCode::Success })
}
