//! The application: it submits, acknowledges in any order, and keeps account of what it is told.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Result, Unstructured};
use mqtt_codec::{Disconnect, QoS, ReasonCode, Version};
use mqtt_session::{Command, Event, Inbound, PublishEnd, Refusal, Session, Token};

use super::server::{self, Server};
use crate::generate;

/// What a tag stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Publish(QoS),
    Request,
}

#[derive(Default)]
pub(super) struct Application {
    /// With a server that sends garbage nothing is promised about messages.
    is_lenient: bool,
    /// The number of the latest wish: its tag, and the payload if it is a publish.
    latest: u32,
    /// Wishes that have not come to their end.
    open: BTreeMap<u64, Wish>,
    /// Publishes that the server is said to have.
    acknowledged: BTreeSet<u32>,
    /// What can be acknowledged, with the number of the message.
    tokens: Vec<(Token, u32)>,
    /// Messages that were refused: should the refusal get lost, they come again.
    refused: BTreeSet<u32>,
    /// The greatest number seen of each QoS.
    seen: [u32; 3],
    /// Connections opened, and those reported as ended.
    opened: u32,
    ended: u32,
    /// Whether the present connection was reported as accepted or refused.
    is_answered: bool,
}

impl Application {
    pub(super) fn new(is_lenient: bool) -> Self {
        Self { is_lenient, ..Self::default() }
    }

    pub(super) fn opened(&mut self) {
        self.opened += 1;
    }

    pub(super) fn submit(
        &mut self,
        session: &mut Session,
        version: Version,
        u: &mut Unstructured<'_>,
    ) -> Result<()> {
        self.latest += 1;
        let tag = u64::from(self.latest);
        let (wish, command) = match u.int_in_range(0..=9)? {
            0 => (Wish::Request, Command::Ping { tag }),
            1 => {
                let filters = vec![generate::subscribe_filter(u, version)?];
                (Wish::Request, Command::Subscribe { tag, filters, properties: Default::default() })
            }
            2 => {
                let filters = vec![generate::filter(u)?];
                (Wish::Request, Command::Unsubscribe { tag, filters, properties: Default::default() })
            }
            3 if u.ratio(1, 4)? => {
                // It has no tag: its end is the connection's.
                let _ = session.submit(Command::Disconnect(Disconnect::default()));
                return Ok(());
            }
            _ => {
                let publish = server::message(self.latest, generate::qos(u)?);
                (Wish::Publish(publish.qos), Command::Publish { tag, publish })
            }
        };
        let room = session.publish_room();
        match session.submit(command.clone()) {
            Ok(()) => {
                let takes_room = matches!(wish, Wish::Publish(QoS::AtLeastOnce | QoS::ExactlyOnce));
                assert!(room > 0 || !takes_room, "a publish was taken though there is no room");
                self.open.insert(tag, wish);
            }
            Err(rejected) => {
                assert_eq!(rejected.value, command, "a refused command comes back unharmed");
                assert!(room == 0 || rejected.refusal != Refusal::WindowFull, "refused though there is room");
            }
        }
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, session: &mut Session, u: &mut Unstructured<'_>) -> Result<()> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        let (token, number) = self.tokens.swap_remove(u.choose_index(self.tokens.len())?);
        let mut reason = ReasonCode::Success;
        if u.ratio(1, 8)? {
            reason = ReasonCode::NotAuthorized;
            self.refused.insert(number);
        }
        session.acknowledge(token, reason);
        assert!(!session.acknowledge(token, reason), "a token answers once");
        Ok(())
    }

    /// Takes at most so many pieces of news.
    pub(super) fn drain(&mut self, session: &mut Session, most: usize) {
        for _ in 0..most {
            let Some(event) = session.poll_event() else { return };
            self.hear(event);
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Connected(_) | Event::Refused(_) => {
                assert!(!self.is_answered, "a connection is answered once");
                self.is_answered = true;
            }
            Event::Challenged(_) | Event::Reauthenticated(_) => {
                panic!("an authentication that nobody asked for");
            }
            Event::Message(message) => self.take(message),
            Event::Published { tag, result, .. } => {
                let wish = self.end(tag);
                match result {
                    PublishEnd::Written => assert_eq!(wish, Wish::Publish(QoS::AtMostOnce)),
                    PublishEnd::Acknowledged(ack) => {
                        assert!(!ack.reason.is_error(), "a refusal passes for success");
                        self.acknowledged.insert(u32::try_from(tag).expect("tags are small here"));
                    }
                    PublishEnd::Refused(ack) => assert!(ack.reason.is_error()),
                    PublishEnd::Forbidden(_) | PublishEnd::Expired => {}
                }
            }
            Event::PublishLost { tag, publish, .. } => {
                assert_eq!(self.end(tag), Wish::Publish(publish.qos));
                assert_eq!(u64::from(server::number(&publish)), tag, "the lost message is another one");
            }
            Event::Subscribed { tag, .. } | Event::Unsubscribed { tag, .. } | Event::PingAborted { tag } => {
                assert_eq!(self.end(tag), Wish::Request);
            }
            Event::Pong { tag, .. } => {
                if let Some(tag) = tag {
                    assert_eq!(self.end(tag), Wish::Request);
                }
            }
            Event::Disconnected(_) => {
                self.ended += 1;
                assert!(self.ended <= self.opened, "a connection ends once");
                self.is_answered = false;
            }
        }
    }

    /// Numbers rise: nothing is out of order, and nothing but a marked repetition at QoS 1 comes twice.
    fn take(&mut self, message: Inbound) {
        assert_eq!(message.token.is_some(), message.publish.qos != QoS::AtMostOnce);
        if self.is_lenient {
            return self.tokens.extend(message.token.map(|token| (token, 0)));
        }
        let number = server::number(&message.publish);
        self.tokens.extend(message.token.map(|token| (token, number)));
        let seen = &mut self.seen[message.publish.qos as usize];
        let may_repeat = message.publish.dup
            && (message.publish.qos == QoS::AtLeastOnce || self.refused.contains(&number));
        assert!(number > *seen || may_repeat, "message {number} of {:?} after {seen}", message.publish.qos);
        *seen = number.max(*seen);
    }

    /// Closes a wish, which must be open.
    fn end(&mut self, tag: u64) -> Wish {
        self.open.remove(&tag).unwrap_or_else(|| panic!("tag {tag} was never given, or has ended before"))
    }

    /// After the last connection has closed.
    pub(super) fn check_end(&self, session: &Session, server: &Server) {
        assert_eq!(self.ended, self.opened, "each connection has an end");
        let is_kept = |wish: &&Wish| matches!(wish, Wish::Publish(QoS::AtLeastOnce | QoS::ExactlyOnce));
        let kept = self.open.values().filter(is_kept).count();
        assert_eq!(kept, session.in_flight(), "each unfinished publish is in the session");
        assert_eq!(kept, self.open.len(), "whatever is not kept has ended with its connection");
        if !self.is_lenient {
            server.check_has(&self.acknowledged);
        }
    }
}
