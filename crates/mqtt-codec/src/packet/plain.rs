//! PUBLISH of QoS 0 without properties, as most are, from memory that somebody else owns.
//!
//! The layout is that of [`Publish`](crate::Publish):
//!
//! ```text
//! +----------------------+---------------+-------------+
//! | 2 bytes length, name | 5.0: 0        | payload ... |
//! +----------------------+---------------+-------------+
//! ```

use alloc::vec::Vec;

use crate::{
    BinaryRef, EncodeError, InvalidTopic, TextRef, TopicName, Version,
    encode::{self, Body, impl_encode, prefixed_len},
    packet::{PacketKind, kind::publish_flags},
};

/// A message of QoS 0 without properties, to be encoded from where it lies: nothing is copied or counted before.
///
/// ```
/// use mqtt_codec::{PlainPublish, Publish, TopicName, Version};
///
/// let (mut plain, mut owned) = (Vec::new(), Vec::new());
/// PlainPublish::new("plant/3/temperature", b"21.5")?.encode(Version::V5, &mut plain)?;
/// Publish::new(TopicName::new("plant/3/temperature")?, "21.5").encode(Version::V5, &mut owned)?;
/// assert_eq!(plain, owned);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainPublish<'a> {
    retain: bool,
    /// A topic name.
    topic: TextRef<'a>,
    payload: BinaryRef<'a>,
}

impl<'a> PlainPublish<'a> {
    /// A message that is not retained.
    ///
    /// # Errors
    ///
    /// [`InvalidTopic`], as for [`TopicName::new`].
    #[inline(always)]
    pub fn new(topic: &'a str, payload: &'a [u8]) -> Result<Self, InvalidTopic> {
        TopicName::check(topic.as_bytes())?;
        let topic = TextRef::from_parsed(topic.as_bytes());
        Ok(Self { retain: false, topic, payload: BinaryRef::from_parsed(payload) })
    }

    /// The same, to be kept for later subscribers or not.
    #[inline]
    #[must_use]
    pub fn with_retain(self, retain: bool) -> Self {
        Self { retain, ..self }
    }

    /// See [`Publish::retain`](crate::Publish::retain).
    #[inline]
    #[must_use]
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// See [`Publish::topic`](crate::Publish::topic).
    #[inline]
    #[must_use]
    pub fn topic(&self) -> TextRef<'a> {
        self.topic
    }

    /// See [`Publish::payload`](crate::Publish::payload).
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload.as_bytes()
    }
}

impl_encode!(PlainPublish<'_>);

impl Body for PlainPublish<'_> {
    #[inline(always)]
    fn first_byte(&self) -> u8 {
        PacketKind::Publish.first_byte() | if self.retain { publish_flags::RETAIN } else { 0 }
    }

    #[inline(always)]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let properties = no_properties(version).len();
        Ok(prefixed_len(self.topic.as_bytes()) + properties + self.payload.as_bytes().len())
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        encode::prefix(self.topic.as_bytes())
    }

    #[inline(always)]
    fn write_rest(&self, version: Version, out: &mut Vec<u8>) {
        encode::append(self.topic.as_bytes(), out);
        out.extend_from_slice(no_properties(version));
        encode::append(self.payload.as_bytes(), out);
    }
}

/// What stands in the place of properties.
#[inline(always)]
fn no_properties(version: Version) -> &'static [u8] {
    match version {
        Version::V311 => &[],
        Version::V5 => &[0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InvalidText, Publish};
    use alloc::{format, vec};

    #[test]
    fn it_is_encoded_as_the_message_that_owns_its_parts() {
        for (topic_len, payload_len) in [(1, 0), (7, 1), (8, 63), (16, 64), (32, 65), (64, 127), (65, 20_000)]
        {
            let (topic, payload) = ("t".repeat(topic_len), vec![7; payload_len]);
            for (retain, version) in
                [(false, Version::V311), (true, Version::V311), (false, Version::V5), (true, Version::V5)]
            {
                let plain = PlainPublish::new(&topic, &payload).unwrap().with_retain(retain);
                let owned =
                    Publish { retain, ..Publish::new(TopicName::new(&*topic).unwrap(), payload.clone()) };
                let (mut encoded, mut expected) = (vec![1], vec![1]);
                assert_eq!(plain.encode(version, &mut encoded), owned.encode(version, &mut expected));
                assert_eq!(encoded, expected);
                assert_eq!(plain.encoded_len(version), Ok(encoded.len() - 1));
            }
        }
    }

    #[test]
    fn a_topic_that_is_not_valid_and_a_payload_that_has_no_form_are_refused() {
        for (topic, why) in [
            ("", InvalidTopic::Empty),
            ("a/#", InvalidTopic::Wildcard { at: 2 }),
            ("a\0", InvalidTopic::Text(InvalidText::Nul { at: 1 })),
        ] {
            assert_eq!(PlainPublish::new(topic, b""), Err(why));
        }
        let long = "x".repeat(65_536);
        assert!(matches!(PlainPublish::new(&long, b""), Err(InvalidTopic::Text(_))));
        let payload = vec![0; 268_435_455];
        let mut out = vec![1];
        let refused = PlainPublish::new("a", &payload).unwrap().encode(Version::V311, &mut out);
        assert_eq!(refused, Err(EncodeError::TooLarge { remaining: 268_435_455 + 3 }));
        assert_eq!(out, [1]);
    }

    #[test]
    fn its_payload_appears_as_its_length() {
        let plain = PlainPublish::new("a", b"secret").unwrap();
        assert!(!format!("{plain:?}").contains("secret"), "{plain:?}");
    }
}
