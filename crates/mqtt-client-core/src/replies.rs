//! Which request an incoming message answers: one response topic for the client, a correlation for each request.
//!
//! | | 5.0 | 3.1.1, where a message has no properties |
//! | --- | --- | --- |
//! | request goes to | `topic` | `topic/request/<requester>/<number>` |
//! | response comes to | `response/<requester>`, named in the request | `topic/response/<requester>/<number>` |
//! | told apart by | Correlation Data: requester and number | the number in the topic |
//!
//! The requester is drawn at random for each client, so that nobody else's responses come here.

use std::collections::BTreeMap;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::codec::{
    Binary, Publish, QoS, RetainHandling, SubscribeFilter, SubscriptionOptions, TopicFilter, TopicName,
    Version,
};
use crate::effects::{Effects, park};
use crate::named_topic::named_topic;
use crate::session::{InboundPublish, Timestamp};
use crate::slots::{Slots, Tag};
use crate::time_limits::{Ends, Limit, TimeLimits};
use crate::{BadFilter, Message, Offline, RequestError, SubscribeError};

/// The level of a 3.1.1 topic that makes it a request's.
const REQUEST: &str = "request";

/// The level that makes it a response's.
const RESPONSE: &str = "response";

/// All open requests.
#[derive(Debug)]
pub(crate) struct Replies {
    requester: u64,
    next_number: u64,
    /// Where responses arrive, once there has been a request.
    pub(crate) stream: Option<Tag>,
    paths: BTreeMap<TopicFilter, Path>,
    slots: Slots<Slot>,
    by_number: BTreeMap<u64, Tag>,
    limits: TimeLimits,
}

/// The subscription that responses come by.
#[derive(Debug)]
enum Path {
    /// Asked for by this operation, for these requests.
    Asked(Tag, Vec<Tag>),
    Granted,
}

#[derive(Debug)]
struct Slot {
    number: u64,
    /// What an error names.
    topic: Box<str>,
    state: State,
    waker: Option<Waker>,
    ends: Ends,
}

#[derive(Debug)]
enum State {
    /// Responses could not arrive yet.
    Path,
    Open,
    Ended(Result<InboundPublish, RequestError>),
}

impl Replies {
    pub(crate) fn new(requester: u64) -> Self {
        Replies {
            requester,
            next_number: 0,
            stream: None,
            paths: BTreeMap::new(),
            slots: Slots::new(),
            by_number: BTreeMap::new(),
            limits: TimeLimits::default(),
        }
    }

    /// Begins a request, and changes its message so that it can be answered. Also the filter to subscribe to, if that has
    /// not been done; [`path_asked`](Self::path_asked) is told the operation.
    pub(crate) fn begin(
        &mut self,
        version: Version,
        publish: &mut Publish,
        timeout: Duration,
    ) -> Result<(Tag, Option<SubscribeFilter>), RequestError> {
        let number = self.next_number;
        self.next_number += 1;
        let topic = Box::from(publish.topic.as_str());
        let filter = self.address(version, publish, number)?;
        let slot = Slot { number, topic, state: State::Path, waker: None, ends: Ends::default() };
        let tag = self.slots.insert(slot);
        self.by_number.insert(number, tag);
        self.limits.begin(tag, Limit::Timeout, timeout);
        match self.paths.get_mut(&filter) {
            Some(Path::Granted) => self.set_state(tag, State::Open),
            Some(Path::Asked(_, waiting)) => waiting.push(tag),
            None => {
                let options = SubscriptionOptions {
                    qos: QoS::ExactlyOnce,
                    retain_handling: match version {
                        Version::V5 => RetainHandling::DoNotSend,
                        Version::V311 => RetainHandling::SendAtSubscribe,
                    },
                    ..SubscriptionOptions::default()
                };
                return Ok((tag, Some(SubscribeFilter { filter, options })));
            }
        }
        Ok((tag, None))
    }

    /// The path of this request's responses has been asked for.
    pub(crate) fn path_asked(&mut self, request: Tag, filter: TopicFilter, operation: Tag) {
        self.paths.insert(filter, Path::Asked(operation, vec![request]));
    }

    /// Looks whether paths that were asked for have been granted. `poll`: what became of an operation.
    pub(crate) fn settle_paths(
        &mut self,
        mut poll: impl FnMut(Tag) -> Poll<Result<(), SubscribeError>>,
        effects: &mut Effects,
    ) {
        let slots = &mut self.slots;
        self.paths.retain(|_, path| {
            let Path::Asked(operation, waiting) = path else { return true };
            let Poll::Ready(result) = poll(*operation) else { return true };
            for tag in waiting.drain(..) {
                if let Some(slot) = slots.get_mut(tag).filter(|slot| matches!(slot.state, State::Path)) {
                    slot.state = match &result {
                        Ok(()) => State::Open,
                        Err(error) => {
                            let (topic, error) = (slot.topic.clone(), error.clone());
                            State::Ended(Err(RequestError::NoResponses { topic, error }))
                        }
                    };
                    effects.wake(&mut slot.waker);
                }
            }
            *path = Path::Granted;
            result.is_ok()
        });
    }

    /// Whether a path has been asked for, and not been granted yet.
    pub(crate) fn wait_for_paths(&self) -> bool {
        self.paths.values().any(|path| matches!(path, Path::Asked(..)))
    }

    /// A subscription is lost: its path has to be asked for again.
    pub(crate) fn path_lost(&mut self, filter: &TopicFilter) {
        self.paths.remove(filter);
    }

    /// A message came on the stream of responses. False if it answers no open request.
    pub(crate) fn arrived(
        &mut self,
        version: Version,
        publish: InboundPublish,
        effects: &mut Effects,
    ) -> bool {
        let number = self.number_of(version, &publish);
        let Some(tag) = number.and_then(|number| self.by_number.get(&number).copied()) else { return false };
        self.end(tag, Ok(publish), effects);
        true
    }

    /// Ready once a response could arrive, or can't any more.
    pub(crate) fn poll_path(
        &mut self,
        tag: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<Result<(), RequestError>> {
        match self.slots.get_mut(tag) {
            Some(Slot { state: State::Path, waker: place, .. }) => park(place, waker),
            Some(Slot { state: State::Ended(Err(error)), .. }) => Poll::Ready(Err(error.clone())),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// The response, once.
    pub(crate) fn poll_response(
        &mut self,
        tag: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<Result<InboundPublish, RequestError>> {
        let Some(slot) = self.slots.get_mut(tag) else { return Poll::Pending };
        if !matches!(slot.state, State::Ended(_)) {
            return park(&mut slot.waker, waker);
        }
        match self.slots.remove(tag).map(|slot| slot.state) {
            Some(State::Ended(result)) => Poll::Ready(result),
            _ => Poll::Pending,
        }
    }

    /// Nobody waits for the response any more.
    pub(crate) fn give_up(&mut self, tag: Tag) {
        if let Some(mut slot) = self.slots.remove(tag) {
            self.by_number.remove(&slot.number);
            self.limits.stop(tag, &mut slot.ends);
        }
    }

    /// The client goes offline for good.
    pub(crate) fn end_all(&mut self, offline: &Offline, effects: &mut Effects) {
        for tag in self.by_number.values().copied().collect::<Vec<_>>() {
            self.fail(tag, |topic| RequestError::Offline { topic, error: offline.clone() }, effects);
        }
    }

    pub(crate) fn handle_time(&mut self, now: Timestamp, effects: &mut Effects) {
        while let Some((tag, limit, at)) = self.limits.start_next(now) {
            if let Some(slot) = self.slots.get_mut(tag).filter(|slot| !matches!(slot.state, State::Ended(_)))
            {
                self.limits.watch(tag, limit, at, &mut slot.ends);
            }
        }
        while let Some((tag, _)) = self.limits.pop_due(now) {
            self.fail(tag, |topic| RequestError::TimedOut { topic }, effects);
        }
    }

    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        self.limits.next()
    }

    fn fail(&mut self, tag: Tag, error: impl FnOnce(Box<str>) -> RequestError, effects: &mut Effects) {
        if let Some(slot) = self.slots.get_mut(tag) {
            let error = error(std::mem::take(&mut slot.topic));
            self.end(tag, Err(error), effects);
        }
    }

    fn end(&mut self, tag: Tag, result: Result<InboundPublish, RequestError>, effects: &mut Effects) {
        let Some(slot) = self.slots.get_mut(tag) else { return };
        slot.state = State::Ended(result);
        self.by_number.remove(&slot.number);
        self.limits.stop(tag, &mut slot.ends);
        effects.wake(&mut slot.waker);
    }

    fn set_state(&mut self, tag: Tag, state: State) {
        if let Some(slot) = self.slots.get_mut(tag) {
            slot.state = state;
        }
    }

    /// Tells the responder where to answer, and returns the filter that the answer will match.
    fn address(
        &self,
        version: Version,
        publish: &mut Publish,
        number: u64,
    ) -> Result<TopicFilter, RequestError> {
        let requester = format!("{:016x}", self.requester);
        if version == Version::V5 {
            let topic = format!("{RESPONSE}/{requester}");
            let correlation = [self.requester.to_be_bytes(), number.to_be_bytes()].concat();
            publish.properties.set_response_topic(&topic_name(&topic)?);
            if let Ok(correlation) = Binary::try_from(correlation) {
                publish.properties.set_correlation_data(&correlation);
            }
            return filter(publish.topic.as_str(), &topic);
        }
        let topic = publish.topic.to_string();
        publish.topic = topic_name(&format!("{topic}/{REQUEST}/{requester}/{number}"))?;
        filter(&topic, &format!("{topic}/{RESPONSE}/{requester}/+"))
    }

    /// Which request a message says that it answers.
    fn number_of(&self, version: Version, publish: &InboundPublish) -> Option<u64> {
        if version == Version::V5 {
            let properties = publish.properties();
            let (requester, number) = properties.correlation_data()?.split_first_chunk()?;
            let ours = u64::from_be_bytes(*requester) == self.requester;
            return number.try_into().ok().filter(|_| ours).map(u64::from_be_bytes);
        }
        std::str::from_utf8(publish.topic().as_bytes().rsplit(|byte| *byte == b'/').next()?)
            .ok()?
            .parse()
            .ok()
    }
}

/// Where the response to a request goes, and what it must carry (5.0).
pub(crate) fn response_address(request: &Message) -> Option<(TopicName, Option<Binary>)> {
    let properties = request.properties();
    if let Some(topic) = properties.response_topic() {
        let correlation = properties.correlation_data();
        let correlation = correlation.map(|data| Binary::try_from(data.to_vec())).transpose().ok()?;
        return Some((TopicName::new(topic.as_str()).ok()?, correlation));
    }
    let topic = request.topic();
    let mut levels = topic.rsplitn(4, '/');
    let (number, requester, verb, rest) = (levels.next()?, levels.next()?, levels.next()?, levels.next()?);
    let response = || format!("{rest}/{RESPONSE}/{requester}/{number}");
    (verb == REQUEST).then(response).and_then(|topic| TopicName::new(topic).ok()).map(|topic| (topic, None))
}

fn topic_name(topic: &str) -> Result<TopicName, RequestError> {
    named_topic(topic).map_err(RequestError::Publish)
}

/// Where responses come to a request of that topic.
fn filter(topic: &str, filter: &str) -> Result<TopicFilter, RequestError> {
    TopicFilter::new(filter).map_err(|why| {
        let error = SubscribeError::InvalidFilter(BadFilter::new(filter, why));
        RequestError::NoResponses { topic: topic.into(), error }
    })
}
