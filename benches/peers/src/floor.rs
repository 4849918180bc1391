//! The floor: scans written by hand for one shape of packet each, which check what our codec checks of that shape
//! and return what a user would read. No error tells what was wrong, nothing else can be decoded.

use bytes::{Buf, Bytes, BytesMut};

/// What a scan of PUBLISH finds.
pub struct Publish<'a> {
    pub first: u8,
    pub topic: &'a [u8],
    pub id: u16,
    pub properties: &'a [u8],
    pub payload: &'a [u8],
}

const TOP: u64 = 0x8080_8080_8080_8080;
const ONE: u64 = 0x0101_0101_0101_0101;

/// Type, flags and remaining length: the body, and where it starts.
#[inline(always)]
pub fn header(frame: &[u8]) -> Option<(u8, usize, usize)> {
    let &first = frame.first()?;
    let &b0 = frame.get(1)?;
    if b0 < 0x80 {
        return Some((first, 2, usize::from(b0)));
    }
    let mut len = usize::from(b0 & 0x7F);
    for at in 1..4 {
        let &byte = frame.get(1 + at)?;
        len |= usize::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            return Some((first, 2 + at, len));
        }
    }
    None
}

#[inline(always)]
fn prefixed(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = input.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

/// ASCII without NUL, and without what `more` finds in a word; anything else goes the slow way.
#[inline(always)]
fn check(bytes: &[u8], more: impl Fn(u64) -> u64) -> Option<()> {
    let one = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        word | word.wrapping_sub(ONE) | more(word)
    };
    let two = |words: &[u8; 16]| words.as_chunks().0.iter().fold(0, |bad, word| bad | one(word));
    let bad = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        bytes.as_chunks().0.iter().skip(1).fold(two(first) | two(last), |bad, words| bad | two(words))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        one(first) | one(last)
    } else {
        bytes.iter().fold(0, |bad, &byte| bad | one(&[byte; 8]))
    };
    if bad & TOP == 0 { Some(()) } else { slowly(bytes) }
}

#[cold]
#[inline(never)]
fn slowly(bytes: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains(['\0', '+', '#'])).then_some(())
}

#[inline(always)]
fn text(bytes: &[u8]) -> Option<()> {
    check(bytes, |_| 0)
}

#[inline(always)]
fn topic(bytes: &[u8]) -> Option<()> {
    if bytes.is_empty() {
        return None;
    }
    check(bytes, |word| ((word | (ONE * 0x08)) ^ (ONE * 0x2B)).wrapping_sub(ONE))
}

/// PUBLISH 3.1.1, exactly one frame.
#[inline(always)]
pub fn publish(frame: &[u8]) -> Option<Publish<'_>> {
    let (first, at, len) = header(frame)?;
    let body = frame.get(at..)?;
    if body.len() != len {
        return None;
    }
    publish_body(first, body)
}

#[inline(always)]
fn publish_body(first: u8, body: &[u8]) -> Option<Publish<'_>> {
    if first >> 4 != 3 || first & 6 == 6 || first & 0b1110 == 0b1000 {
        return None;
    }
    let (name, mut rest) = prefixed(body)?;
    topic(name)?;
    let mut id = 0;
    if first & 6 != 0 {
        let (bytes, after) = rest.split_first_chunk::<2>()?;
        id = u16::from_be_bytes(*bytes);
        rest = after;
        if id == 0 {
            return None;
        }
    }
    Some(Publish { first, topic: name, id, properties: &[], payload: rest })
}

/// PUBLISH 3.1.1 off the front of a buffer; the topic by position in it, the payload owned.
#[inline(always)]
pub fn publish_owned(buffer: &mut BytesMut) -> Option<(u8, u16, usize, Bytes)> {
    let (first, at, len) = header(buffer)?;
    if buffer.len() < at + len {
        return None;
    }
    let Publish { topic, id, payload, .. } = publish_body(first, &buffer[at..at + len])?;
    let (topic, payload) = (topic.len(), at + len - payload.len());
    let mut frame = buffer.split_to(at + len).freeze();
    frame.advance(payload);
    Some((first, id, topic, frame))
}

/// The length of a property block, which has one byte in all our inputs, or more.
#[inline(always)]
fn block(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = input.split_first()?;
    if len < 0x80 {
        return rest.split_at_checked(usize::from(len));
    }
    let (&high, rest) = rest.split_first()?;
    if high == 0 || high >= 0x80 {
        return None;
    }
    rest.split_at_checked(usize::from(len & 0x7F) | usize::from(high) << 7)
}

/// Walks a block: which may stand there, which of them were there.
#[inline(always)]
fn properties(mut input: &[u8], allowed: u64) -> Option<u64> {
    const REPEAT: u64 = 1 << 0x26 | 1 << 0x0B;
    let mut seen = 0u64;
    while let Some((&id, rest)) = input.split_first() {
        let bit = 1u64.checked_shl(u32::from(id))?;
        if allowed & bit == 0 || seen & bit & !REPEAT != 0 {
            return None;
        }
        seen |= bit;
        input = match id {
            0x01 | 0x17 | 0x19 => {
                let (&value, rest) = rest.split_first()?;
                if value > 1 {
                    return None;
                }
                rest
            }
            0x21 | 0x23 => {
                let (value, rest) = rest.split_first_chunk::<2>()?;
                if *value == [0, 0] {
                    return None;
                }
                rest
            }
            0x22 => rest.get(2..)?,
            0x27 => {
                let (value, rest) = rest.split_first_chunk::<4>()?;
                if *value == [0; 4] {
                    return None;
                }
                rest
            }
            0x02 | 0x11 | 0x18 => rest.get(4..)?,
            0x03 | 0x15 => {
                let (value, rest) = prefixed(rest)?;
                text(value)?;
                rest
            }
            0x08 => {
                let (value, rest) = prefixed(rest)?;
                topic(value)?;
                rest
            }
            0x09 | 0x16 => prefixed(rest)?.1,
            0x26 => {
                let (name, rest) = prefixed(rest)?;
                text(name)?;
                let (value, rest) = prefixed(rest)?;
                text(value)?;
                rest
            }
            _ => return None,
        };
    }
    Some(seen)
}

const PUBLISH: u64 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 8 | 1 << 9 | 1 << 0x23 | 1 << 0x26;
const CONNECT: u64 =
    1 << 0x11 | 1 << 0x15 | 1 << 0x16 | 1 << 0x17 | 1 << 0x19 | 1 << 0x21 | 1 << 0x22 | 1 << 0x26 | 1 << 0x27;
const WILL: u64 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 8 | 1 << 9 | 1 << 0x18 | 1 << 0x26;

/// PUBLISH 5.0 with a topic name, from a client, exactly one frame.
#[inline(always)]
pub fn publish_v5(frame: &[u8]) -> Option<Publish<'_>> {
    let (first, at, len) = header(frame)?;
    let body = frame.get(at..)?;
    if body.len() != len {
        return None;
    }
    let publish = publish_body(first, body)?;
    let (block, payload) = block(publish.payload)?;
    properties(block, PUBLISH)?;
    Some(Publish { properties: block, payload, ..publish })
}

/// The same off the front of a buffer; topic and properties by position in it, the payload owned.
#[inline(always)]
pub fn publish_v5_owned(buffer: &mut BytesMut) -> Option<(u8, u16, usize, usize, Bytes)> {
    let (_, at, len) = header(buffer)?;
    let publish = publish_v5(buffer.get(..at + len)?)?;
    let (first, id, topic, properties) =
        (publish.first, publish.id, publish.topic.len(), publish.properties.len());
    let payload = at + len - publish.payload.len();
    let mut frame = buffer.split_to(at + len).freeze();
    frame.advance(payload);
    Some((first, id, topic, properties, frame))
}

/// What a scan of CONNECT finds.
#[allow(dead_code, reason = "a user would read it; the benchmark only keeps it from being optimised away")]
pub struct Connect<'a> {
    pub flags: u8,
    pub keep_alive: u16,
    pub properties: &'a [u8],
    pub client_id: &'a [u8],
    pub will: Option<(&'a [u8], &'a [u8], &'a [u8])>,
    pub username: Option<&'a [u8]>,
    pub password: Option<&'a [u8]>,
}

/// CONNECT 5.0, exactly one frame.
#[inline(always)]
pub fn connect_v5(frame: &[u8]) -> Option<Connect<'_>> {
    let (first, at, len) = header(frame)?;
    let body = frame.get(at..)?;
    if body.len() != len || first != 0x10 {
        return None;
    }
    let (fixed, rest) = body.split_first_chunk::<10>()?;
    let flags = fixed[7];
    if fixed[..7] != *b"\0\x04MQTT\x05" || flags & 1 != 0 || flags & 0x18 == 0x18 {
        return None;
    }
    if flags & 4 == 0 && flags & 0x38 != 0 {
        return None;
    }
    let keep_alive = u16::from_be_bytes([fixed[8], fixed[9]]);
    let (properties_block, rest) = block(rest)?;
    let seen = properties(properties_block, CONNECT)?;
    if seen & (1 << 0x15 | 1 << 0x16) == 1 << 0x16 {
        return None;
    }
    let (client_id, mut rest) = prefixed(rest)?;
    text(client_id)?;
    let mut will = None;
    if flags & 4 != 0 {
        let (block, after) = block(rest)?;
        properties(block, WILL)?;
        let (name, after) = prefixed(after)?;
        topic(name)?;
        let (payload, after) = prefixed(after)?;
        will = Some((block, name, payload));
        rest = after;
    }
    let mut username = None;
    if flags & 0x80 != 0 {
        let (name, after) = prefixed(rest)?;
        text(name)?;
        username = Some(name);
        rest = after;
    }
    let mut password = None;
    if flags & 0x40 != 0 {
        let (word, after) = prefixed(rest)?;
        password = Some(word);
        rest = after;
    }
    rest.is_empty().then_some(Connect {
        flags,
        keep_alive,
        properties: properties_block,
        client_id,
        will,
        username,
        password,
    })
}

/// SUBSCRIBE 3.1.1, exactly one frame: the packet identifier and the list.
#[inline(always)]
pub fn subscribe(frame: &[u8]) -> Option<(u16, &[u8])> {
    let (first, at, len) = header(frame)?;
    let body = frame.get(at..)?;
    if body.len() != len || first != 0x82 {
        return None;
    }
    let (id, list) = body.split_first_chunk::<2>()?;
    let id = u16::from_be_bytes(*id);
    if id == 0 || list.is_empty() {
        return None;
    }
    let mut rest = list;
    while !rest.is_empty() {
        let (filter, after) = prefixed(rest)?;
        text(filter)?;
        wildcards(filter)?;
        let (&options, after) = after.split_first()?;
        if options > 2 {
            return None;
        }
        rest = after;
    }
    Some((id, list))
}

#[inline(always)]
fn wildcards(filter: &[u8]) -> Option<()> {
    if filter.is_empty() {
        return None;
    }
    let start = if filter.starts_with(b"$share/") {
        let name = filter[7..].iter().position(|&byte| byte == b'/')?;
        if name == 0 || filter[7..7 + name].iter().any(|byte| matches!(byte, b'+' | b'#')) {
            return None;
        }
        8 + name
    } else {
        0
    };
    let (words, tail) = filter[start..].as_chunks::<8>();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    let mut base = start;
    for word in words.iter().chain([&last]) {
        let zeros = (u64::from_le_bytes(*word) | (ONE * 0x08)) ^ (ONE * 0x2B);
        let mut found = !((zeros & !TOP).wrapping_add(!TOP) | zeros) & TOP;
        while found != 0 {
            let at = base + (found.trailing_zeros() / 8) as usize;
            found &= found - 1;
            let next = filter.get(at + 1);
            if (at > start && filter[at - 1] != b'/')
                || (filter[at] == b'#' && next.is_some())
                || next.is_some_and(|&next| next != b'/')
            {
                return None;
            }
        }
        base += 8;
    }
    (start < filter.len()).then_some(())
}

/// PUBACK 3.1.1, exactly one frame.
#[inline(always)]
pub fn puback(frame: &[u8]) -> Option<u16> {
    match *frame {
        [0x40, 2, high, low] if high | low != 0 => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}
