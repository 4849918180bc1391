//! Topics as callers name them, many in one piece of memory.

use std::cell::RefCell;

use bytes::BytesMut;

use crate::PublishError;
use crate::codec::{InvalidTopic, TopicName};

/// Memory for so many bytes of topics is taken at once. It is free again when the last of their messages is gone.
const CHUNK: usize = 2048;

/// Longer topics have memory of their own, so that a chunk serves many.
const LONG: usize = 128;

thread_local! {
    /// What is left of this thread's chunk.
    static REST: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// The topic that a caller names.
///
/// It is written on the caller's thread and dropped on the driver's, next to those that were named before and after it. Memory of
/// its own would have the two threads take turns with the allocator's, which is a tenth of the time of a publish.
#[inline]
pub(crate) fn named_topic(text: &str) -> Result<TopicName, PublishError> {
    put_down(text).map_err(|why| PublishError::invalid_topic(text, why))
}

fn put_down(text: &str) -> Result<TopicName, InvalidTopic> {
    if text.len() > LONG {
        return TopicName::try_from(text);
    }
    let put = REST.try_with(|rest| {
        let mut rest = rest.borrow_mut();
        if rest.capacity() < text.len() {
            *rest = BytesMut::with_capacity(CHUNK);
        }
        TopicName::in_buffer(text, &mut rest)
    });
    // A thread that ends may publish when its chunk is gone already.
    put.unwrap_or_else(|_| TopicName::try_from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a topic's text lies.
    fn range(topic: &TopicName) -> (usize, usize) {
        let start = topic.as_bytes().as_ptr() as usize;
        (start, start + topic.len())
    }

    #[test]
    fn topics_share_memory_in_the_order_of_their_naming_and_keep_their_texts() {
        let texts: Vec<String> =
            (0..1000).map(|n| format!("plant/line/{n}/{}", "x".repeat(n % 100))).collect();
        let topics: Vec<_> = texts.iter().map(|text| named_topic(text).expect("valid")).collect();
        assert!(topics.iter().zip(&texts).all(|(topic, text)| topic == text.as_str()));
        let neighbours = topics.windows(2).filter(|pair| range(&pair[0]).1 == range(&pair[1]).0).count();
        assert!(neighbours > 900, "{neighbours}");
    }

    #[test]
    fn a_topic_that_is_not_valid_takes_nothing_of_the_memory() {
        let before = named_topic("a").expect("valid");
        assert_eq!(named_topic("a/#").expect_err("a wildcard").topic(), "a/#");
        let after = named_topic("b").expect("valid");
        assert_eq!(range(&before).1, range(&after).0);
    }

    #[test]
    fn a_long_topic_does_not_use_up_what_others_share() {
        let before = named_topic("a").expect("valid");
        let long = "l".repeat(LONG + 1);
        assert_eq!(named_topic(&long).expect("valid"), long.as_str());
        let after = named_topic("b").expect("valid");
        assert_eq!(range(&before).1, range(&after).0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what a thread does at its end needs one")]
    fn a_thread_that_ends_may_still_name_topics() {
        struct Last(std::sync::mpsc::Sender<bool>);
        impl Drop for Last {
            fn drop(&mut self) {
                let named = named_topic("last/words").is_ok_and(|topic| topic == "last/words");
                self.0.send(named).expect("somebody listens");
            }
        }
        thread_local! {
            static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        // The later a thread-local value is first used, the earlier it is dropped: one before the chunk, and one after it.
        for first in [false, true] {
            let sender = sender.clone();
            let thread = std::thread::spawn(move || {
                if first {
                    named_topic("x").expect("valid");
                }
                LAST.set(Some(Last(sender)));
                named_topic("y").expect("valid");
            });
            thread.join().expect("it ends well");
            assert_eq!(receiver.recv(), Ok(true));
        }
    }
}
