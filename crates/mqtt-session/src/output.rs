//! [`Output`]: the driver's buffer of bytes to write.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::{fmt, hint};

use bytes::Bytes;

/// Payloads from this size on stay slices of their own instead of being copied.
pub(crate) const LARGE_PAYLOAD: usize = 16 * 1024;

/// Memory that is given back as soon as the buffer runs empty.
pub(crate) const KEPT_CAPACITY: usize = 256 * 1024;

/// Bytes to be written to the transport, in segments: small packets share one buffer, payloads of 16 KiB and more
/// are slices of their own, which were not copied.
///
/// [`Session::poll_io`](crate::Session::poll_io) appends to it. The driver writes [`chunks`](Self::chunks), as one
/// vectored write if it can, then says how far it came, once here and once to the session:
///
/// ```
/// # use mqtt_session::{Output, Session, Timestamp};
/// fn wrote(session: &mut Session, output: &mut Output, now: Timestamp, bytes: usize) {
///     output.advance(bytes);
///     session.handle_written(now, bytes);
/// }
/// ```
///
/// When the connection ends, [`clear`](Self::clear) it. The memory is reused. `Debug` tells only how much waits, since a
/// CONNECT or AUTH may hold a secret.
#[derive(Default)]
pub struct Output {
    /// The small packets, and the heads of the large ones.
    shared: Vec<u8>,
    /// How many bytes of `shared` are written.
    read: usize,
    /// The large payloads and where they belong.
    large: VecDeque<Large>,
    /// The bytes of `large`.
    large_len: usize,
    /// Whether `shared` may hold a secret: it is wiped as it is written.
    is_private: bool,
}

/// A payload that belongs in front of `shared[at]`.
struct Large {
    at: usize,
    payload: Bytes,
}

impl Output {
    /// An empty buffer; no memory is allocated yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { shared: Vec::new(), read: 0, large: VecDeque::new(), large_len: 0, is_private: false }
    }

    /// The number of bytes that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len() - self.read + self.large_len
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The waiting bytes in order; no chunk is empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> + '_ {
        let mut from = self.read;
        let pairs = self.large.iter().flat_map(move |large| {
            let head = &self.shared[from..large.at];
            from = large.at;
            [head, &large.payload[..]]
        });
        let tail_from = self.large.back().map_or(self.read, |large| large.at);
        pairs.chain([&self.shared[tail_from..]]).filter(|chunk| !chunk.is_empty())
    }

    /// Drops the first `bytes` bytes: they are written.
    ///
    /// # Panics
    ///
    /// If fewer bytes are waiting.
    pub fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.len(), "{bytes} bytes of {} can't be written", self.len());
        let mut rest = bytes;
        while let Some(large) = self.large.front_mut() {
            let head = large.at - self.read;
            if rest < head {
                break;
            }
            rest -= head;
            self.read = large.at;
            let taken = rest.min(large.payload.len());
            let _ = large.payload.split_to(taken);
            self.large_len -= taken;
            rest -= taken;
            if !large.payload.is_empty() {
                break;
            }
            self.large.pop_front();
        }
        self.read += rest;
        if self.is_private {
            wipe(&mut self.shared[..self.read]);
        }
        self.reuse();
    }

    /// Drops everything. The memory is kept.
    pub fn clear(&mut self) {
        if self.is_private {
            wipe(&mut self.shared);
            self.is_private = false;
        }
        self.shared.clear();
        self.shared.shrink_to(KEPT_CAPACITY);
        self.read = 0;
        self.large.clear();
        self.large_len = 0;
    }

    /// What is in it now holds a secret, which must not outlive its writing.
    pub(crate) fn keep_private(&mut self) {
        self.is_private = true;
    }

    /// Where small packets are appended.
    pub(crate) fn shared(&mut self) -> &mut Vec<u8> {
        &mut self.shared
    }

    /// Appends a large payload behind all that is there.
    pub(crate) fn push_large(&mut self, payload: Bytes) {
        self.large_len += payload.len();
        self.large.push_back(Large { at: self.shared.len(), payload });
    }

    /// Gives written memory back: all of it when nothing waits, else once most of the buffer is written, so that
    /// each byte is moved once at most.
    fn reuse(&mut self) {
        if self.is_empty() {
            self.clear();
        } else if self.read > KEPT_CAPACITY && self.read > self.shared.len() / 2 {
            self.shared.drain(..self.read);
            for large in &mut self.large {
                large.at -= self.read;
            }
            self.read = 0;
        }
    }
}

/// As well as can be without `unsafe`: the compiler is told that somebody looks at the zeros.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    hint::black_box(bytes);
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(parts: &[&'static [u8]]) -> Output {
        let mut output = Output::new();
        for part in parts {
            if part.first() == Some(&b'L') {
                output.push_large(Bytes::from_static(part));
            } else {
                output.shared().extend_from_slice(part);
            }
        }
        output
    }

    fn contents(output: &Output) -> Vec<u8> {
        output.chunks().flatten().copied().collect()
    }

    #[test]
    fn chunks_come_in_order_and_none_is_empty() {
        let output = output(&[b"ab", b"L1", b"L2", b"cd", b"e"]);
        assert_eq!(output.chunks().collect::<Vec<_>>(), [&b"ab"[..], b"L1", b"L2", b"cde"]);
        assert_eq!(output.len(), 9);
    }

    #[test]
    fn any_split_of_the_writes_yields_the_same_bytes() {
        let parts: [&[u8]; 6] = [b"L0", b"ab", b"Lxyz", b"L1", b"cdef", b"L2"];
        let whole: Vec<u8> = parts.concat();
        for first in 0..=whole.len() {
            for second in 0..=whole.len() - first {
                let mut output = output(&parts);
                output.advance(first);
                output.advance(second);
                assert_eq!(contents(&output), whole[first + second..], "{first} + {second}");
                assert_eq!(output.len(), whole.len() - first - second);
            }
        }
    }

    #[test]
    fn a_secret_is_wiped_as_it_is_written() {
        let mut output = output(&[b"secret", b"Large", b"more"]);
        output.keep_private();
        output.advance(4);
        assert_eq!(output.shared, b"\0\0\0\0etmore");
        output.advance(8);
        assert_eq!(output.shared, b"\0\0\0\0\0\0\0ore");
        output.advance(3);
        assert!(!output.is_private, "what comes later is nobody's secret");
    }

    #[test]
    fn a_buffer_that_never_runs_empty_does_not_grow_for_ever() {
        let mut output = Output::new();
        for _ in 0..100 {
            output.shared().extend_from_slice(&[7; 64 * 1024]);
            output.push_large(Bytes::from_static(b"L"));
            let all_but_one = output.len() - 1;
            output.advance(all_but_one);
        }
        assert!(output.shared.capacity() < 2 * 1024 * 1024, "{}", output.shared.capacity());
        assert_eq!(contents(&output), b"L");
    }
}
