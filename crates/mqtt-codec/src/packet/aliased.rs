//! PUBLISH with a topic alias beside or in place of its topic name (5.0 section 3.3.2.3.4).
//!
//! The layout is that of [`Publish`]; the alias is the first of its properties:
//!
//! ```text
//! +----------------------+------+-----------------+----------------+
//! | 2 bytes length, name | ...  | property length | 0x23 | alias   | the other properties ...
//! +----------------------+------+-----------------+----------------+
//! ```

use alloc::vec::Vec;
use core::num::NonZeroU16;

use crate::{
    EncodeError, Publish, Version,
    encode::{self, Body, expressible, impl_encode},
};

/// A message as one connection shows it, with a topic alias; the [`Publish`] itself stays as it is. Made by
/// [`Publish::setting_alias`] and [`Publish::by_alias`]. Encoding it allocates nothing.
///
/// ```
/// use core::num::NonZeroU16;
/// use mqtt_codec::{Publish, TopicName, Version};
///
/// let publish = Publish::new(TopicName::new("plant/3/temperature")?, "21.5");
/// let (mut first, mut later) = (Vec::new(), Vec::new());
/// publish.setting_alias(NonZeroU16::MIN).encode(Version::V5, &mut first)?;
/// publish.by_alias(NonZeroU16::MIN).encode(Version::V5, &mut later)?;
/// assert_eq!(first.len(), publish.encoded_len(Version::V5)? + 3);
/// assert_eq!(later.len(), first.len() - "plant/3/temperature".len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AliasedPublish<'a> {
    publish: &'a Publish,
    alias: NonZeroU16,
    /// What stands in the place of the topic name.
    name: &'a [u8],
}

impl Publish {
    /// This message with its topic name and an alias, which stands for that name on this connection from now on.
    #[inline]
    #[must_use]
    pub fn setting_alias(&self, alias: NonZeroU16) -> AliasedPublish<'_> {
        AliasedPublish { publish: self, alias, name: self.topic.as_bytes() }
    }

    /// This message with an alias in place of its topic name, which the receiver has been told before.
    #[inline]
    #[must_use]
    pub fn by_alias(&self, alias: NonZeroU16) -> AliasedPublish<'_> {
        AliasedPublish { publish: self, alias, name: &[] }
    }
}

impl_encode!(AliasedPublish<'_>);

impl AliasedPublish<'_> {
    /// As [`Publish::encode_head`].
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_head(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        let before = out.len();
        let remaining = self.body_len(version)?;
        encode::start(self, remaining, remaining - self.publish.payload.len(), out)?;
        self.write_head(out);
        Ok(out.len() - before)
    }

    /// Appends what is left of the variable header.
    #[inline]
    fn write_head(&self, out: &mut Vec<u8>) {
        encode::append(self.name, out);
        if let Some(id) = self.publish.packet_id {
            out.extend_from_slice(&id.get().to_be_bytes());
        }
        self.publish.properties.write_with_alias(self.alias, out);
    }
}

impl Body for AliasedPublish<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        self.publish.first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let Publish { topic, properties, .. } = self.publish;
        expressible(version == Version::V5, "topic aliases", version)?;
        if properties.topic_alias().is_some() {
            return Err(EncodeError::TwoTopicAliases);
        }
        let named = self.publish.body_len(version)? - properties.encoded_len();
        Ok(named - topic.as_bytes().len() + self.name.len() + properties.encoded_len_with_alias())
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        encode::prefix(self.name)
    }

    #[inline]
    fn write_rest(&self, _: Version, out: &mut Vec<u8>) {
        self.write_head(out);
        out.extend_from_slice(&self.publish.payload);
    }
}
