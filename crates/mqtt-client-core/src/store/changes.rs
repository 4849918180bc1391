//! [`Changes`]: what a store has to carry out at once.

/// A batch of changes, to be carried out as a whole. Keys have up to 9 bytes, values up to 256 MiB. A store is handed them;
/// making one serves the test of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys and values, one behind the other.
    bytes: Vec<u8>,
    ends: Vec<Ends>,
}

/// Where a change's key and value end in the bytes; no value: a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    key: usize,
    value: Option<usize>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Keep this value under this key, in place of what is there.
    Put {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Keep nothing under this key; perhaps nothing is there.
    Delete {
        /// The key.
        key: &'a [u8],
    },
}

impl Changes {
    /// The changes, in the order in which they are to be carried out.
    pub fn iter(&self) -> impl Iterator<Item = Change<'_>> {
        let mut start = 0;
        self.ends.iter().map(move |&Ends { key: key_end, value }| {
            let key = &self.bytes[start..key_end];
            start = value.unwrap_or(key_end);
            match value {
                Some(end) => Change::Put { key, value: &self.bytes[key_end..end] },
                None => Change::Delete { key },
            }
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Appends a deletion.
    pub fn delete(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(Ends { key: self.bytes.len(), value: None });
    }

    /// Appends a value, which `write` appends to the bytes that it is given.
    ///
    /// # Errors
    /// Those of `write`; then nothing has changed.
    pub fn put<E>(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let key = self.bytes.len();
        let written = write(&mut self.bytes);
        match written {
            Ok(()) => self.ends.push(Ends { key, value: Some(self.bytes.len()) }),
            Err(_) => self.bytes.truncate(start),
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_out_as_they_went_in() {
        let mut changes = Changes::default();
        changes.put(b"a", |out| std::io::Write::write_all(out, b"one")).expect("written");
        changes.delete(b"bc");
        changes.put(b"d", |out| out.try_reserve(usize::MAX)).expect_err("nothing is left of what failed");
        changes.put(b"e", |_| Ok::<(), ()>(())).expect("written");
        let expected = [
            Change::Put { key: b"a", value: b"one" },
            Change::Delete { key: b"bc" },
            Change::Put { key: b"e", value: b"" },
        ];
        assert_eq!(changes.iter().collect::<Vec<_>>(), expected);
        assert_eq!(changes.len(), 3);
        changes.clear();
        assert!(changes.is_empty());
    }
}
