//! [`LinkedQueue`]: a queue from which anything can be taken at any place.

use slab::Slab;

/// Names an entry as long as it is in the queue; afterwards the number may name another one.
pub(crate) type Key = usize;

/// A doubly linked list in a slab: each operation takes constant time, and a removed entry leaves no gap behind.
#[derive(Debug)]
pub(crate) struct LinkedQueue<T> {
    nodes: Slab<Node<T>>,
    front: Option<Key>,
    back: Option<Key>,
}

#[derive(Debug)]
struct Node<T> {
    value: T,
    before: Option<Key>,
    behind: Option<Key>,
}

impl<T> LinkedQueue<T> {
    pub(crate) fn new() -> Self {
        LinkedQueue { nodes: Slab::new(), front: None, back: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn front(&self) -> Option<Key> {
        self.front
    }

    /// The entry behind this one.
    pub(crate) fn behind(&self, key: Key) -> Option<Key> {
        self.nodes.get(key)?.behind
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        Some(&self.nodes.get(key)?.value)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        Some(&mut self.nodes.get_mut(key)?.value)
    }

    pub(crate) fn push_back(&mut self, value: T) -> Key {
        let key = self.nodes.insert(Node { value, before: self.back, behind: None });
        *self.behind_or_front(self.back) = Some(key);
        self.back = Some(key);
        key
    }

    pub(crate) fn push_front(&mut self, value: T) -> Key {
        let key = self.nodes.insert(Node { value, before: None, behind: self.front });
        *self.before_or_back(self.front) = Some(key);
        self.front = Some(key);
        key
    }

    /// In front of the entry with that key, which is in the queue.
    pub(crate) fn insert_before(&mut self, key: Key, value: T) -> Key {
        let before = self.nodes.get(key).and_then(|node| node.before);
        let inserted = self.nodes.insert(Node { value, before, behind: Some(key) });
        *self.behind_or_front(before) = Some(inserted);
        *self.before_or_back(Some(key)) = Some(inserted);
        inserted
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let Node { value, before, behind } = self.nodes.try_remove(key)?;
        *self.behind_or_front(before) = behind;
        *self.before_or_back(behind) = before;
        Some(value)
    }

    /// The keys from front to back.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        std::iter::successors(self.front, |&key| self.behind(key))
    }

    /// The link that leads to what is behind `key`, or to the front if there is no such entry.
    fn behind_or_front(&mut self, key: Option<Key>) -> &mut Option<Key> {
        match key.and_then(|key| self.nodes.get_mut(key)) {
            Some(node) => &mut node.behind,
            None => &mut self.front,
        }
    }

    /// The link that leads to what is before `key`, or to the back if there is no such entry.
    fn before_or_back(&mut self, key: Option<Key>) -> &mut Option<Key> {
        match key.and_then(|key| self.nodes.get_mut(key)) {
            Some(node) => &mut node.before,
            None => &mut self.back,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(queue: &LinkedQueue<u32>) -> Vec<u32> {
        queue.keys().filter_map(|key| queue.get(key).copied()).collect()
    }

    fn backwards(queue: &LinkedQueue<u32>) -> Vec<u32> {
        let keys = std::iter::successors(queue.back, |&key| queue.nodes[key].before);
        keys.map(|key| queue.nodes[key].value).collect()
    }

    /// Against a plain vector, over random operations.
    #[test]
    fn keeps_its_order_whatever_is_taken_from_where() {
        let mut queue = LinkedQueue::new();
        let mut model: Vec<(Key, u32)> = Vec::new();
        let mut random = crate::backoff::SplitMix64(7);
        for value in 0..20_000_u32 {
            match random.next() % 6 {
                0 => model.insert(0, (queue.push_front(value), value)),
                3 if !model.is_empty() => {
                    let at = random.next() as usize % model.len();
                    model.insert(at, (queue.insert_before(model[at].0, value), value));
                }
                1 | 2 => model.push((queue.push_back(value), value)),
                _ if model.is_empty() => {}
                _ => {
                    let (key, value) = model.remove(random.next() as usize % model.len());
                    assert_eq!(queue.remove(key), Some(value));
                    assert_eq!(queue.remove(key), None, "once");
                }
            }
            let expected: Vec<u32> = model.iter().map(|(_, value)| *value).collect();
            if value % 100 == 0 {
                assert_eq!(contents(&queue), expected);
                assert_eq!(backwards(&queue).into_iter().rev().collect::<Vec<_>>(), expected);
            }
            assert_eq!(queue.front(), model.first().map(|(key, _)| *key));
            assert_eq!(queue.is_empty(), model.is_empty());
        }
    }
}
