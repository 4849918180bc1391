//! What the session sends is judged by what the [`Reference`] owes; and what a story may look at in the model.

use std::collections::VecDeque;

use mqtt_session::Stage;
use mqtt_session::Timestamp;
use mqtt_session::codec::{Ack, AckKind, Packet, PacketKind, QoS};

use super::{Flow, Next, Ping, Reference};
use crate::messages::{id, number};

/// What the session sends.
impl Reference {
    /// A packet was sent; it ends at this byte of the connection.
    ///
    /// # Panics
    ///
    /// If it may not be sent now.
    pub fn sent(&mut self, packet: &Packet, end: u64, now: Timestamp) {
        let in_window = self.flows.values().filter(|flow| flow.carried).count();
        let link = self.link.as_mut().expect("nothing is sent without a connection");
        assert!(!link.sealed, "{packet:?} follows the end");
        let is_connect = matches!(packet, Packet::Connect(_));
        assert_eq!(
            std::mem::take(&mut link.owes_connect),
            is_connect,
            "CONNECT goes first and once: {packet:?}"
        );
        match packet {
            Packet::Connect(_) => {}
            Packet::Publish(publish) if publish.qos == QoS::AtMostOnce => {
                assert_eq!(
                    link.queue.pop_front(),
                    Some(Next::Qos0(number(&publish.payload))),
                    "order of submission"
                );
                link.qos0.push_back((number(&publish.payload), end));
            }
            Packet::Publish(publish) => {
                let tag = number(&publish.payload);
                let turn = link.resumed.pop_front().map(Next::Flow).or_else(|| link.queue.pop_front());
                assert_eq!(turn, Some(Next::Flow(tag)), "order of submission");
                let flow = self.flows.get_mut(&tag).expect("the publish is under way");
                assert_eq!(publish.packet_id.map(|id| id.get()), Some(flow.id), "packet identifier");
                assert_eq!((publish.qos, publish.dup), (flow.qos, flow.stage == Stage::Sent), "QoS and DUP");
                assert!(in_window < link.window, "the receive maximum is exceeded");
                (flow.stage, flow.carried) = (Stage::Sent, true);
            }
            Packet::Ack(ack) => {
                let due = link.acks[ack.kind as usize].pop_front();
                assert_eq!(due, Some((ack.packet_id.get(), ack.reason)), "{packet:?} is not due");
            }
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => {
                let id = packet.packet_id().expect("a request has one").get();
                assert_eq!(link.queue.pop_front(), Some(Next::Request(id)), "order of submission");
            }
            Packet::Pingreq if link.owed_pings > 0 => {
                link.owed_pings -= 1;
                // A server may have answered before it was asked, which harms nobody.
                let unsent = link.pings.iter_mut().find(|ping| ping.end.is_none());
                unsent.into_iter().for_each(|ping| ping.end = Some(end));
            }
            Packet::Pingreq => {
                assert!(!link.keep_alive.is_zero(), "nobody asked for a ping");
                link.pings.push_back(Ping { end: Some(end), ..Ping::default() });
                link.last_write = now;
            }
            Packet::Disconnect(disconnect) => {
                assert!(link.acks.iter().all(VecDeque::is_empty), "DISCONNECT overtakes: {link:?}");
                match link.complaint.take() {
                    Some(reason) => assert_eq!(disconnect.reason, reason, "the reason that the peer is told"),
                    None => {
                        assert_eq!(link.queue.pop_front(), Some(Next::Farewell), "DISCONNECT unasked for");
                    }
                }
                link.sealed = true;
            }
            other => panic!("a client does not send {other:?}"),
        }
    }

    /// All that may leave has left; so many bytes of it wait for the transport.
    ///
    /// # Panics
    ///
    /// If something is missing, or the connection should have been closed, or must not be yet.
    pub fn settled(&self, waiting: usize, is_to_close: bool, now: Timestamp) {
        let Some(link) = &self.link else { return assert!(!is_to_close, "there is nothing to close") };
        assert!(!link.owes_connect && link.complaint.is_none(), "nothing is sent: {link:?}");
        assert!(link.acks.iter().all(VecDeque::is_empty), "acknowledgements are missing: {link:?}");
        assert_eq!(link.owed_pings, 0, "a ping is missing: {link:?}");
        let has_room = self.flows.values().filter(|flow| flow.carried).count() < link.window;
        if link.accepted && !link.sealed {
            assert!(link.resumed.is_empty() || !has_room, "a repetition is missing: {link:?}");
            assert!(
                matches!(link.queue.front(), None | Some(Next::Flow(_))),
                "a packet is missing: {link:?}"
            );
            assert!(link.queue.is_empty() || !has_room, "a publish is missing: {link:?}");
        }
        let may_close =
            link.ending.as_ref().is_some_and(|ending| ending.at <= now || link.sealed && waiting == 0);
        assert_eq!(is_to_close, may_close, "{link:?}");
        let is_silent = link.accepted && link.ending.is_none() && !link.keep_alive.is_zero();
        assert!(
            !is_silent || now <= link.last_write + link.keep_alive,
            "the keep alive has passed: {link:?}"
        );
    }
}

/// What a story refers to.
impl Reference {
    /// How many publishes of QoS 1 and 2 are under way, and how many messages wait for the application.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (
            self.flows.len(),
            self.inbound.values().filter(|inbound| inbound.told && inbound.answer.is_none()).count(),
        )
    }

    /// What an honest server would say next to the publishes that it has seen, in order of submission.
    #[must_use]
    pub fn honest_acks(&self) -> Vec<Ack> {
        let flows = self.flows.values().filter(|flow| flow.carried);
        let kind = |flow: &Flow| match (flow.qos, flow.stage) {
            (QoS::ExactlyOnce, Stage::Received) => AckKind::Pubcomp,
            (QoS::ExactlyOnce, _) => AckKind::Pubrec,
            _ => AckKind::Puback,
        };
        flows.map(|flow| Ack::new(kind(flow), id(flow.id))).collect()
    }

    /// The packet identifiers in use, by either side.
    #[must_use]
    pub fn packet_ids(&self) -> Vec<u16> {
        self.flows.values().map(|flow| flow.id).chain(self.inbound.keys().copied()).collect()
    }

    /// The packet identifiers whose PUBREL is awaited.
    pub fn recorded(&self) -> impl Iterator<Item = u16> + '_ {
        self.inbound.iter().filter(|(_, inbound)| inbound.recorded).map(|(id, _)| *id)
    }

    /// The requests that wait for their answer: packet identifier, whether it is a SUBSCRIBE, and filters.
    pub fn requests(&self) -> impl Iterator<Item = (u16, bool, usize)> + '_ {
        let requests = self.link.iter().flat_map(|link| &link.requests);
        requests.map(|(id, (_, kind, filters))| (*id, *kind == PacketKind::Suback, *filters))
    }
}
