//! [`Collectors`]: payloads that are gathered, and published when there are enough of them or when it is time.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::task::{Poll, Waker};

use crate::codec::{Publish, TopicName};
use crate::core::Core;
use crate::json_array::JsonArray;
use crate::publishing::Asked;
use crate::session::Timestamp;
use crate::slots::{Slots, Tag};
use crate::{Collect, Event, PublishError};

/// What is gathered together: in batches the payloads of a topic, in a queue everything.
type Heap = Option<TopicName>;

#[derive(Debug)]
pub(crate) struct Collectors {
    collectors: Slots<Collector>,
}

#[derive(Debug)]
struct Collector {
    collect: Collect,
    batches: bool,
    piles: BTreeMap<Heap, Pile>,
    /// What all piles hold, in bytes.
    bytes: usize,
    /// Piles whose time has not begun: the application has no clock.
    fresh: Vec<Heap>,
    dues: BTreeSet<(Timestamp, Heap)>,
    /// The last message that was published.
    last: Option<Tag>,
}

#[derive(Debug)]
struct Pile {
    /// In a batch only the first one, whose payload is in `array`.
    messages: Vec<Publish>,
    array: Option<JsonArray>,
    count: usize,
    bytes: usize,
    due: Option<Timestamp>,
}

impl Collectors {
    pub(crate) fn new() -> Self {
        Collectors { collectors: Slots::new() }
    }

    /// When the next pile is due.
    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        self.collectors.iter().filter_map(|(_, collector)| collector.dues.first()).map(|(due, _)| *due).min()
    }

    /// Payloads that are not published yet.
    pub(crate) fn len(&self) -> usize {
        let piles = self.collectors.iter().flat_map(|(_, collector)| collector.piles.values());
        piles.map(|pile| pile.count).sum()
    }

    /// All that is not published yet, as it would have been.
    pub(crate) fn take_all(&mut self) -> Vec<Publish> {
        self.collectors.iter_mut().flat_map(|(_, collector)| collector.take_all()).collect()
    }
}

impl Collector {
    /// Adds a message; `element`: its payload as it goes into a batch, where the message has none. Returns what is to be published now.
    fn add(&mut self, publish: Publish, element: Option<&[u8]>) -> Vec<Publish> {
        let added = element.map_or(publish.topic.as_str().len() + publish.payload.len(), <[u8]>::len);
        let overflows = self.bytes > 0 && self.bytes.saturating_add(added) > self.collect.max_bytes;
        let mut ready = if overflows { self.take_all() } else { Vec::new() };
        let heap = self.batches.then(|| publish.topic.clone());
        let pile = self.piles.entry(heap.clone()).or_insert_with(|| {
            self.fresh.push(heap.clone());
            Pile { messages: Vec::new(), array: None, count: 0, bytes: 0, due: None }
        });
        match (element, &mut pile.array) {
            (Some(element), Some(array)) => array.push(element),
            (Some(element), array @ None) => {
                *array = Some(JsonArray::of(element));
                pile.messages.push(publish);
            }
            (None, _) => pile.messages.push(publish),
        }
        pile.count += 1;
        pile.bytes += added;
        self.bytes += added;
        if pile.count >= self.collect.size {
            ready.extend(self.take(&heap));
        }
        ready
    }

    fn take(&mut self, heap: &Heap) -> Vec<Publish> {
        let Some(Pile { mut messages, array, bytes, due, .. }) = self.piles.remove(heap) else {
            return Vec::new();
        };
        self.bytes -= bytes;
        if let Some(due) = due {
            self.dues.remove(&(due, heap.clone()));
        }
        if let (Some(array), Some(batch)) = (array, messages.first_mut()) {
            batch.payload = array.close().into();
        }
        messages
    }

    fn take_all(&mut self) -> Vec<Publish> {
        let heaps: Vec<Heap> = self.piles.keys().cloned().collect();
        heaps.iter().flat_map(|heap| self.take(heap)).collect()
    }

    /// Starts the clock of what is fresh; returns what is due.
    fn take_due(&mut self, now: Timestamp) -> Vec<Publish> {
        for heap in mem::take(&mut self.fresh) {
            if let Some(pile) = self.piles.get_mut(&heap)
                && pile.due.is_none()
            {
                let due = now + self.collect.interval;
                pile.due = Some(due);
                self.dues.insert((due, heap));
            }
        }
        let mut ready = Vec::new();
        while let Some((due, heap)) = self.dues.first().cloned()
            && due <= now
        {
            ready.extend(self.take(&heap));
        }
        ready
    }
}

impl Core {
    pub(crate) fn open_collector(&mut self, collect: Collect, batches: bool) -> Tag {
        self.collectors.collectors.insert(Collector {
            collect,
            batches,
            piles: BTreeMap::new(),
            bytes: 0,
            fresh: Vec::new(),
            dues: BTreeSet::new(),
            last: None,
        })
    }

    /// Publishes what it holds, and ends.
    pub(crate) fn close_collector(&mut self, tag: Tag) {
        self.hand_out(tag, Collector::take_all);
        self.collectors.collectors.remove(tag);
        self.pump();
    }

    /// Collects a message, once what this collector has published before is admitted.
    pub(crate) fn poll_collect(
        &mut self,
        tag: Tag,
        publish: &mut Option<Publish>,
        element: Option<&[u8]>,
        waker: &mut Option<Waker>,
    ) -> Poll<Result<(), PublishError>> {
        let Some(message) = publish else { return Poll::Pending };
        let refused = self.refuses_publish(message.qos).or_else(|| self.cost(message).err());
        if let Some(why) = refused {
            return Poll::Ready(Err(PublishError::new(&message.topic, why)));
        }
        let Some(collector) = self.collectors.collectors.get_mut(tag) else { return Poll::Pending };
        if let Some(last) = collector.last
            && self.publishing.poll_admitted(last, waker).is_pending()
        {
            return Poll::Pending;
        }
        if let Some(message) = publish.take() {
            self.hand_out(tag, |collector| collector.add(message, element));
        }
        self.attend();
        self.pump();
        Poll::Ready(Ok(()))
    }

    /// Publishes what this collector holds.
    pub(crate) fn empty_collector(&mut self, tag: Tag) {
        self.hand_out(tag, Collector::take_all);
        self.attend();
        self.pump();
    }

    /// Publishes what all of them hold.
    pub(crate) fn empty_collectors(&mut self) {
        for tag in self.collector_tags() {
            self.empty_collector(tag);
        }
    }

    /// Publishes what is due.
    pub(crate) fn collectors_timeout(&mut self) {
        let now = self.now;
        for tag in self.collector_tags() {
            self.hand_out(tag, |collector| collector.take_due(now));
        }
    }

    /// Publishes messages that nobody awaits: a bad end becomes an event.
    fn hand_out(&mut self, tag: Tag, take: impl FnOnce(&mut Collector) -> Vec<Publish>) {
        let Some(collector) = self.collectors.collectors.get_mut(tag) else { return };
        for mut publish in take(collector) {
            let asked = Asked { wait: true, forget: false, timeout: None };
            let started = match self.cost(&mut publish) {
                Ok(cost) => self.publishing.start(publish, cost, asked, &mut self.session, &mut self.effects),
                Err(why) => Err(PublishError::new(&publish.topic, why)),
            };
            match started {
                Ok((message, _)) => {
                    self.publishing.let_go(message);
                    if let Some(collector) = self.collectors.collectors.get_mut(tag) {
                        collector.last = Some(message);
                    }
                }
                Err(error) => self.tell(Event::NotPublished(error)),
            }
        }
    }

    fn collector_tags(&self) -> Vec<Tag> {
        self.collectors.collectors.iter().map(|(tag, _)| tag).collect()
    }
}
