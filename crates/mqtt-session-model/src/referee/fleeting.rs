//! [`Fleeting`]: what ends with its connection, messages of QoS 0, SUBSCRIBE and UNSUBSCRIBE.

use std::collections::BTreeMap;
use std::mem::take;

use mqtt_session::codec::{Connack, Packet, PacketId, Publish, ReasonCode};
use mqtt_session::{Stage, Tag, Timestamp};

use super::{Due, Referee, Told};
use crate::news::{End, News};

/// What is under way on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleeting {
    /// Whether there is a connection on which more may become due.
    is_open: bool,
    /// What was submitted: requests until they have their answer, messages until they are written.
    wishes: BTreeMap<Tag, Wish>,
    /// Messages that are sent at once.
    immediate: Vec<Packet>,
    news: Vec<Told>,
}

#[derive(Clone, Debug)]
struct Wish {
    packet: Packet,
    /// The byte with which it was sent.
    end: Option<u64>,
}

impl Referee for Fleeting {
    fn closed(&mut self) {
        let wishes = take(&mut self.wishes).into_iter();
        let (messages, requests): (Vec<_>, Vec<_>) = wishes.partition(|(_, wish)| wish.is_message());
        let lost = messages.into_iter().map(|(tag, wish)| {
            let stage = if wish.end.is_some() { Stage::Sent } else { Stage::Unsent };
            (News::Ended { tag, end: End::Lost(stage) }, None)
        });
        let aborted = requests.into_iter().map(|(tag, _)| (News::Aborted { tag }, None));
        *self = Self { news: lost.chain(aborted).collect(), ..Self::default() };
    }

    fn accepted(&mut self, _: &Connack) {
        self.is_open = true;
    }

    fn sealed(&mut self) {
        self.is_open = false;
    }

    fn submitted(&mut self, tag: Tag, packet: &Packet, _: Timestamp) {
        let is_fleeting = match packet {
            Packet::Publish(publish) => publish.packet_id.is_none(),
            packet => packet.packet_id().is_some(),
        };
        if is_fleeting {
            self.wishes.insert(tag, Wish { packet: packet.clone(), end: None });
        }
    }

    fn expired(&mut self, tag: Tag) {
        if self.wishes.remove(&tag).is_some() {
            self.news.push((News::Ended { tag, end: End::Expired }, None));
        }
    }

    fn due(&self) -> Vec<Due> {
        let immediate = self.immediate.iter().map(|packet| (None, packet.clone()));
        immediate.chain(self.waiting().map(|(tag, wish)| (Some(tag), wish.packet.clone()))).collect()
    }

    fn sent(&mut self, (tag, packet): &Due, end: u64, _: Timestamp) {
        if let Some(wish) = tag.and_then(|tag| self.wishes.get_mut(&tag)) {
            wish.end = Some(end);
        } else if let Some(place) = self.immediate.iter().position(|immediate| immediate == packet) {
            self.immediate.remove(place);
        }
    }

    fn hear(&mut self, packet: &mut Packet, _: Timestamp) -> Result<(), ReasonCode> {
        let news = match packet {
            Packet::Publish(publish) if publish.packet_id.is_none() => News::Message(publish.clone()),
            Packet::Suback(_) | Packet::Unsuback(_) => {
                let mut wishes = self.wishes.iter();
                let tag = wishes.find(|(_, wish)| wish.is_answered_by(packet)).map(|(tag, _)| *tag);
                let tag = tag.ok_or(ReasonCode::ProtocolError)?;
                self.wishes.remove(&tag);
                News::Answered { tag: Some(tag) }
            }
            _ => return Ok(()),
        };
        self.news.push((news, None));
        Ok(())
    }

    fn news(&mut self) -> Vec<Told> {
        take(&mut self.news)
    }
}

impl Fleeting {
    /// The application has had a publish of QoS 0 sent at once.
    pub(crate) fn send(&mut self, publish: Publish) {
        self.immediate.push(publish.into());
    }

    /// The transport has taken so many bytes of this connection.
    pub(crate) fn written(&mut self, total: u64) {
        let is_over =
            |_: &Tag, wish: &mut Wish| wish.is_message() && wish.end.is_some_and(|end| end <= total);
        let over = self.wishes.extract_if(.., is_over);
        self.news.extend(over.map(|(tag, _)| (News::Ended { tag, end: End::Written }, None)));
    }

    /// Whether something is yet to be sent.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting().next().is_some()
    }

    /// The requests that have no answer.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Packet> {
        self.wishes.values().filter(|wish| !wish.is_message()).map(|wish| &wish.packet)
    }

    pub(crate) fn uses(&self, id: PacketId) -> bool {
        self.requests().any(|request| request.packet_id() == Some(id))
    }

    fn waiting(&self) -> impl Iterator<Item = (Tag, &Wish)> {
        let wishes = self.wishes.iter().filter(|(_, wish)| self.is_open && wish.end.is_none());
        wishes.map(|(tag, wish)| (*tag, wish))
    }
}

impl Wish {
    fn is_message(&self) -> bool {
        matches!(self.packet, Packet::Publish(_))
    }

    fn is_answered_by(&self, answer: &Packet) -> bool {
        let has_codes = match (&self.packet, answer) {
            (Packet::Subscribe(it), Packet::Suback(answer)) => it.filters.len() == answer.reasons.len(),
            // UNSUBACK of 3.1.1 has no reasons.
            (Packet::Unsubscribe(it), Packet::Unsuback(answer)) => {
                answer.reasons.is_empty() || it.filters.len() == answer.reasons.len()
            }
            _ => false,
        };
        has_codes && self.end.is_some() && self.packet.packet_id() == answer.packet_id()
    }
}
