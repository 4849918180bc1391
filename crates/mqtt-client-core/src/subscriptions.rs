//! What the application is subscribed to, whatever connection or session the broker has of it.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use crate::codec::{
    ReasonCode, SubscribeFilter, SubscribeProperties, SubscriptionId, SubscriptionOptions, TopicFilter,
    UnsubscribeProperties,
};
use crate::effects::{Effects, park};
use crate::filters::{Entry, Filters};
use crate::publishing::passes_with_time;
use crate::session::{Aborted, Command, InboundPublish, Session};
use crate::slots::{Slots, Tag};
use crate::store::{Filter, Journal, Operation as StoreOperation};
use crate::{FilterAnswer, FilterRefused, FilterResults, Offline};

/// The registry: filters wanted, the streams that want them, and the requests that make the broker agree.
///
/// One filter travels per SUBSCRIBE packet: so each has a subscription identifier and an answer of its own, and no packet
/// outgrows a limit that its filter fits.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    filters: Filters,
    requests: Slots<Request>,
    /// Requests that wait for a connection, or for room on it.
    to_send: VecDeque<Tag>,
    /// Requests whose connection ended before their answer; they go first on the next one.
    aborted: VecDeque<Tag>,
    operations: Slots<Operation>,
    /// Requests of the replay after a lost session that are not answered yet.
    restoring: usize,
    /// With a store: the entries that it has yet to hear of.
    journal: Option<Journal>,
}

#[derive(Debug)]
struct Request {
    filter: TopicFilter,
    verb: Verb,
    /// The call that waits for the answer, and the filter's place in it.
    operation: Option<(Tag, usize)>,
    /// Part of the replay after a lost session.
    restores: bool,
}

#[derive(Debug)]
enum Verb {
    Subscribe,
    Unsubscribe(UnsubscribeProperties),
}

#[derive(Debug)]
struct Operation {
    /// Set for a subscribe: refused filters leave this stream.
    stream: Option<Tag>,
    results: Vec<(TopicFilter, Option<Result<FilterAnswer, FilterRefused>>)>,
    pending: usize,
    offline: Option<Offline>,
    waker: Option<Waker>,
}

/// A filter that could not be restored after the broker lost the session.
pub(crate) struct Unrestored {
    pub(crate) filter: TopicFilter,
    pub(crate) why: FilterRefused,
}

impl Subscriptions {
    pub(crate) fn new() -> Self {
        Subscriptions {
            filters: Filters::default(),
            requests: Slots::new(),
            to_send: VecDeque::new(),
            aborted: VecDeque::new(),
            operations: Slots::new(),
            restoring: 0,
            journal: None,
        }
    }

    /// From now on a store keeps the filters; it has these, which have no streams yet.
    pub(crate) fn restore(&mut self, filters: Vec<Filter>) {
        self.journal = Some(Journal::restored(filters.iter().map(|filter| filter.number.into())));
        let entry = |Filter { number, wanted: SubscribeFilter { filter, options } }| {
            let properties = SubscribeProperties::new();
            (number as usize, Entry { filter, options, properties, streams: Vec::new(), granted: true })
        };
        self.filters = Filters::restored(filters.into_iter().map(entry));
    }

    /// Whether there is something for the store.
    pub(crate) fn has_unstored(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| !journal.is_empty())
    }

    /// Appends what the store has to hear.
    pub(crate) fn take_changes(&mut self, batch: &mut Vec<StoreOperation>) {
        let Subscriptions { journal: Some(journal), filters, .. } = self else { return };
        let put = |number, id| {
            let Entry { filter, options, .. } = filters.get(id)?;
            let wanted = SubscribeFilter { filter: filter.clone(), options: *options };
            Some(StoreOperation::Filter(Filter { number: u32::try_from(number).ok()?, wanted }))
        };
        // A number that does not fit was never put.
        journal.take(batch, put, |number| StoreOperation::Forget(number as u32));
    }

    /// Adds filters to a stream and asks the broker for each. Where a filter is in use by another stream, the newer options
    /// and properties hold, at the higher QoS of both.
    pub(crate) fn subscribe(
        &mut self,
        stream: Tag,
        filters: Vec<SubscribeFilter>,
        properties: &SubscribeProperties,
    ) -> Tag {
        let operation = self.operation(Some(stream), filters.iter().map(|wanted| &wanted.filter));
        for (place, SubscribeFilter { filter, options }) in filters.into_iter().enumerate() {
            let id = self.filters.find(&filter).unwrap_or_else(|| {
                self.filters.insert(Entry {
                    filter: filter.clone(),
                    options,
                    properties: SubscribeProperties::new(),
                    streams: Vec::new(),
                    granted: false,
                })
            });
            if let Some(journal) = &mut self.journal {
                journal.keep(id as u64, id);
            }
            if let Some(entry) = self.filters.get_mut(id) {
                let others = if entry.streams.is_empty() { options.qos } else { entry.options.qos };
                entry.options = SubscriptionOptions { qos: options.qos.max(others), ..options };
                entry.properties = properties.clone();
                if !entry.streams.contains(&stream) {
                    entry.streams.push(stream);
                }
            }
            self.request(filter, Verb::Subscribe, Some((operation, place)), false);
        }
        operation
    }

    /// Takes filters away from every stream.
    pub(crate) fn unsubscribe(
        &mut self,
        filters: Vec<TopicFilter>,
        properties: &UnsubscribeProperties,
    ) -> Tag {
        let operation = self.operation(None, filters.iter());
        for (place, filter) in filters.into_iter().enumerate() {
            self.forget(&filter);
            self.request(filter, Verb::Unsubscribe(properties.clone()), Some((operation, place)), false);
        }
        operation
    }

    /// A stream is gone. Filters that nobody else wants are given up if `unsubscribe` says so; otherwise they stay as they
    /// are, for another stream.
    pub(crate) fn drop_stream(&mut self, stream: Tag, unsubscribe: bool) {
        if !unsubscribe {
            self.filters.iter_mut().for_each(|entry| entry.streams.retain(|other| *other != stream));
            return;
        }
        for filter in self.detach(|_| true, stream) {
            self.request(filter, Verb::Unsubscribe(UnsubscribeProperties::new()), None, false);
        }
    }

    /// The filters that feed this stream.
    pub(crate) fn filters_of(&self, stream: Tag) -> Vec<TopicFilter> {
        let feeding = self.filters.iter().filter(|entry| entry.streams.contains(&stream));
        feeding.map(|entry| entry.filter.clone()).collect()
    }

    /// Whether any filter still feeds this stream.
    pub(crate) fn feeds(&self, stream: Tag) -> bool {
        self.filters.iter().any(|entry| entry.streams.contains(&stream))
    }

    /// The streams a message goes to, each once: see [`Filters::route`].
    #[inline]
    pub(crate) fn route(&mut self, publish: &InboundPublish, targets: &mut Vec<Tag>) {
        self.filters.route(publish, targets);
    }

    /// A connection is up. What an earlier one left unanswered is asked again; after a lost session, everything granted is.
    pub(crate) fn connected(&mut self, session_present: bool, effects: &mut Effects) {
        self.aborted.append(&mut self.to_send);
        self.to_send = std::mem::take(&mut self.aborted);
        if session_present {
            return;
        }
        // There is nothing to unsubscribe from in a new session.
        for tag in std::mem::take(&mut self.to_send) {
            match self.requests.get_mut(tag).map(|request| &request.verb) {
                Some(Verb::Subscribe) => self.to_send.push_back(tag),
                Some(Verb::Unsubscribe(_)) => {
                    self.answer(tag, Ok(FilterAnswer::new(ReasonCode::NoSubscriptionExisted)), effects);
                }
                None => {}
            }
        }
        let granted = self
            .filters
            .iter_mut()
            .filter_map(|entry| std::mem::take(&mut entry.granted).then(|| entry.filter.clone()));
        for filter in granted.collect::<Vec<_>>() {
            self.request(filter, Verb::Subscribe, None, true);
            self.restoring += 1;
        }
    }

    /// Whether the replay after a lost session has been answered whole.
    pub(crate) fn is_restored(&self) -> bool {
        self.restoring == 0
    }

    /// Whether requests wait to be sent or answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// Hands the session what it takes now. Returns whether it took anything, and what failed of a replay.
    pub(crate) fn pump(&mut self, session: &mut Session, effects: &mut Effects) -> (bool, Vec<Unrestored>) {
        let (mut progress, mut unrestored) = (false, Vec::new());
        while let Some(tag) = self.to_send.pop_front() {
            let Some(command) = self.command(tag, session) else {
                self.requests.remove(tag);
                continue;
            };
            match session.submit(command) {
                Ok(()) => progress = true,
                Err(rejected) if passes_with_time(&rejected.refusal) => {
                    self.to_send.push_front(tag);
                    break;
                }
                Err(rejected) => {
                    let why = FilterRefused::BeforeSending(rejected.refusal);
                    unrestored.extend(self.answer(tag, Err(why), effects));
                }
            }
        }
        (progress, unrestored)
    }

    /// The broker's answer to a SUBSCRIBE or UNSUBSCRIBE of one filter.
    pub(crate) fn answered(
        &mut self,
        tag: Tag,
        answer: Result<FilterAnswer, Aborted>,
        effects: &mut Effects,
    ) -> Option<Unrestored> {
        match answer {
            Err(Aborted) => {
                self.aborted.push_back(tag);
                None
            }
            Ok(answer) if answer.reason.is_error() => {
                self.answer(tag, Err(FilterRefused::ByBroker(answer)), effects)
            }
            Ok(answer) => self.answer(tag, Ok(answer), effects),
        }
    }

    /// The results of a call, once they are all there.
    pub(crate) fn poll_operation(
        &mut self,
        tag: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<Result<FilterResults, Offline>> {
        match self.operations.get_mut(tag) {
            Some(operation) if operation.pending > 0 && operation.offline.is_none() => {
                park(&mut operation.waker, waker)
            }
            _ => Poll::Ready(match self.operations.remove(tag) {
                Some(Operation { offline: Some(offline), .. }) => Err(offline),
                Some(Operation { results, .. }) => {
                    Ok(results.into_iter().filter_map(|(filter, result)| Some((filter, result?))).collect())
                }
                None => Ok(Vec::new()),
            }),
        }
    }

    /// Nobody waits for a call any more. What it asked for goes on.
    pub(crate) fn detach_operation(&mut self, tag: Tag) {
        self.operations.remove(tag);
    }

    /// The client goes offline: calls that wait are told so. What streams want is kept for the next connection.
    pub(crate) fn end_all(&mut self, offline: &Offline, effects: &mut Effects) {
        for (_, operation) in self.operations.iter_mut().filter(|(_, operation)| operation.pending > 0) {
            operation.offline = Some(offline.clone());
            effects.wake(&mut operation.waker);
        }
    }

    fn operation<'a>(&mut self, stream: Option<Tag>, filters: impl Iterator<Item = &'a TopicFilter>) -> Tag {
        let results: Vec<_> = filters.map(|filter| (filter.clone(), None)).collect();
        let pending = results.len();
        self.operations.insert(Operation { stream, results, pending, offline: None, waker: None })
    }

    fn request(&mut self, filter: TopicFilter, verb: Verb, operation: Option<(Tag, usize)>, restores: bool) {
        let tag = self.requests.insert(Request { filter, verb, operation, restores });
        self.to_send.push_back(tag);
    }

    /// The packet of a request; `None` when a subscription is not wanted any more.
    fn command(&mut self, tag: Tag, session: &Session) -> Option<Command> {
        let request = self.requests.get_mut(tag)?;
        let filter = request.filter.clone();
        if let Verb::Unsubscribe(properties) = &request.verb {
            return Some(Command::Unsubscribe { tag, filters: vec![filter], properties: properties.clone() });
        }
        let id = self.filters.find(&filter)?;
        let Entry { options, properties, .. } = self.filters.get(id)?;
        let (options, mut properties) = (*options, properties.clone());
        if session.limits().is_some_and(|limits| limits.subscription_identifiers_available)
            && let Some(identifier) = u32::try_from(id + 1).ok().and_then(SubscriptionId::new)
        {
            properties.set_subscription_identifier(identifier);
        }
        Some(Command::Subscribe { tag, filters: vec![SubscribeFilter { filter, options }], properties })
    }

    fn answer(
        &mut self,
        tag: Tag,
        result: Result<FilterAnswer, FilterRefused>,
        effects: &mut Effects,
    ) -> Option<Unrestored> {
        let Request { filter, verb, operation, restores } = self.requests.remove(tag)?;
        self.restoring -= usize::from(restores);
        let stream = operation.and_then(|(tag, _)| self.operations.get_mut(tag)?.stream);
        let mut unrestored = None;
        match (verb, &result) {
            (Verb::Unsubscribe(_), _) => {}
            (Verb::Subscribe, Ok(_)) => {
                if let Some(entry) = self.filters.find(&filter).and_then(|id| self.filters.get_mut(id)) {
                    entry.granted = true;
                }
            }
            (Verb::Subscribe, Err(why)) if restores => {
                self.forget(&filter);
                unrestored = Some(Unrestored { filter, why: why.clone() });
            }
            (Verb::Subscribe, Err(_)) => {
                if let Some(stream) = stream {
                    self.detach(|entry| entry.filter == filter, stream);
                }
            }
        }
        if let Some((tag, place)) = operation
            && let Some(operation) = self.operations.get_mut(tag)
            && let Some((_, slot @ None)) = operation.results.get_mut(place)
        {
            *slot = Some(result);
            operation.pending -= 1;
            if operation.pending == 0 {
                effects.wake(&mut operation.waker);
            }
        }
        unrestored
    }

    /// Takes a stream off the entries that `which` selects. Returns the filters that nobody wants any more.
    fn detach(&mut self, which: impl Fn(&Entry) -> bool, stream: Tag) -> Vec<TopicFilter> {
        let mut unwanted = Vec::new();
        for entry in self.filters.iter_mut().filter(|entry| which(entry)) {
            let before = entry.streams.len();
            entry.streams.retain(|other| *other != stream);
            if entry.streams.is_empty() && before > 0 {
                unwanted.push(entry.filter.clone());
            }
        }
        unwanted.iter().for_each(|filter| self.forget(filter));
        unwanted
    }

    fn forget(&mut self, filter: &TopicFilter) {
        if let Some(id) = self.filters.remove(filter)
            && let Some(journal) = &mut self.journal
        {
            journal.drop(id as u64);
        }
    }
}
