//! The properties of one packet in wire form, validated once and read in place.

use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

use super::{
    PropertyId, PropertyValue,
    table::{Place, bit, wire},
    value::{FromValue, ToValue},
};
use crate::{
    DecodeErrorKind,
    parse::{Fault, Input, Parsed, cut, variable_length_part},
    varint,
};

/// What stands behind the property length: borrowed from a frame, or owned as `Bytes` cut from it.
///
/// Neither decoding nor cloning allocates, and an unknown order of the peer's is kept.
#[derive(Clone, Copy, Default)]
pub(super) struct Block<B> {
    bytes: B,
    /// The [bits](PropertyId::bit) of what occurs, so that asking for an absent property walks nothing.
    present: u64,
}

/// The bytes of an owned block; `None` if there are none. Most packets have no properties, and an empty `Bytes` is dropped by
/// a call like any other.
#[derive(Clone, Default)]
pub struct OwnedBytes(Option<Bytes>);

impl AsRef<[u8]> for OwnedBytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Bytes> for OwnedBytes {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self((!bytes.is_empty()).then_some(bytes))
    }
}

impl<B: AsRef<[u8]>> Block<B> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.as_ref().is_empty()
    }

    #[inline]
    pub(super) fn has(&self, id: PropertyId) -> bool {
        self.present & id.bit() != 0
    }

    #[inline]
    pub(super) fn iter(&self) -> Properties<'_> {
        Properties { rest: self.bytes.as_ref() }
    }

    /// The first value of a property.
    #[inline]
    pub(super) fn get<'a, T: FromValue<'a>>(&'a self, id: PropertyId) -> Option<T> {
        if self.has(id) { self.all(id).next() } else { None }
    }

    /// All values of a property, in their order.
    #[inline]
    pub(super) fn all<'a, T: FromValue<'a>>(
        &'a self,
        id: PropertyId,
    ) -> impl Iterator<Item = T> + use<'a, B, T> {
        self.iter().filter(move |(found, _)| *found == id).filter_map(|(_, value)| T::from_value(value))
    }

    /// Length prefix included, in bytes.
    #[inline]
    pub(super) fn encoded_len(&self) -> usize {
        self.encoded_len_with(0)
    }

    /// Length prefix included, in bytes, with so many more bytes of properties.
    #[inline]
    pub(super) fn encoded_len_with(&self, more: usize) -> usize {
        let len = self.bytes.as_ref().len() + more;
        varint::len(len) + len
    }

    /// Appends the length and the properties; the caller has checked the packet's length, which includes both.
    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.write_behind(&[], out);
    }

    /// As [`write`](Self::write), with one more property, in wire form, in front of the others.
    #[inline]
    pub(super) fn write_behind(&self, first: &[u8], out: &mut Vec<u8>) {
        let bytes = self.bytes.as_ref();
        varint::write((first.len() + bytes.len()) as u32, out);
        out.extend_from_slice(first);
        out.extend_from_slice(bytes);
    }
}

impl<'a> Block<&'a [u8]> {
    /// Reads length and properties, and checks each against the table.
    #[inline]
    pub(super) fn parse(place: Place, input: Input<'a>) -> Parsed<'a, Self> {
        let (rest, bytes) = variable_length_part(input)?;
        let present = Self::validate(place, bytes)?;
        Ok((rest, Self { bytes, present }))
    }

    /// What occurs in a block, each property checked.
    #[inline]
    fn validate(place: Place, bytes: Input<'a>) -> Result<u64, nom::Err<Fault<'a>>> {
        let rules = place.rules();
        let mut present = 0;
        let mut rest = bytes;
        while let [id, value @ ..] = rest {
            let bit = bit(*id);
            // Neither foreign to the place nor, unless it repeats there, present already.
            if rules.allowed & (!present | rules.repeats) & bit == 0 {
                return Self::refuse(place, present, rest, *id);
            }
            present |= bit;
            rest = wire(*id).check(*id, value)?;
        }
        Ok(present)
    }

    /// Why a property may not stand here.
    #[cold]
    fn refuse<T>(place: Place, present: u64, at: Input<'a>, id: u8) -> Result<T, nom::Err<Fault<'a>>> {
        let kind = match PropertyId::try_from(id) {
            Err(_) => DecodeErrorKind::UnknownProperty(id),
            Ok(id) if place.rules().allowed & present & id.bit() != 0 => {
                DecodeErrorKind::DuplicateProperty(id)
            }
            Ok(id) if id.allowed_from_other_side(place) => DecodeErrorKind::PropertyFromWrongSide(id),
            Ok(id) => DecodeErrorKind::PropertyNotAllowed(id),
        };
        Fault::fail(at, kind)
    }

    /// The bytes, and the bits of what occurs in them.
    #[inline]
    pub(super) fn parts(&self) -> (&'a [u8], u64) {
        (self.bytes, self.present)
    }

    /// The way back from [`parts`](Self::parts).
    #[inline]
    pub(super) fn from_parts(bytes: &'a [u8], present: u64) -> Self {
        Self { bytes, present }
    }

    /// The same properties, sharing the buffer that the packet came in.
    #[inline]
    pub(super) fn to_owned_in(self, frame: &Bytes) -> Block<OwnedBytes> {
        Block { bytes: cut(frame, self.bytes).into(), present: self.present }
    }
}

impl Block<OwnedBytes> {
    pub(super) const fn new() -> Self {
        Self { bytes: OwnedBytes(None), present: 0 }
    }

    /// Replaces the values of a property by one, or by none if that says the same.
    pub(super) fn set(&mut self, id: PropertyId, value: &impl ToValue) {
        self.remove(id);
        if let Some(value) = value.to_value() {
            self.push(id, value);
        }
    }

    /// Adds a value behind all others.
    pub(super) fn push(&mut self, id: PropertyId, value: PropertyValue<'_>) {
        self.edit(|bytes| {
            bytes.push(id.as_u8());
            value.write(bytes);
        });
        self.present |= id.bit();
    }

    /// Removes all values of a property. A single one at the front, where this crate puts a topic alias, is cut off
    /// without copying the others.
    pub(super) fn remove(&mut self, id: PropertyId) {
        if !self.has(id) {
            return;
        }
        let mut others = self.iter();
        let is_first = others.next().is_some_and(|(first, _)| first == id);
        if is_first && others.clone().all(|(other, _)| other != id) {
            let rest = others.rest;
            self.bytes = self.bytes.0.as_ref().map(|bytes| cut(bytes, rest)).unwrap_or_default().into();
        } else {
            let mut kept = Vec::with_capacity(self.bytes.as_ref().len());
            for (other, value) in self.iter().filter(|(other, _)| *other != id) {
                kept.push(other.as_u8());
                value.write(&mut kept);
            }
            self.bytes = Bytes::from(kept).into();
        }
        self.present &= !id.bit();
    }

    /// Changes the bytes in place if nobody shares them, else a copy.
    fn edit(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.bytes.0.take().map(Vec::from).unwrap_or_default();
        change(&mut bytes);
        self.bytes = Bytes::from(bytes).into();
    }
}

/// Two blocks are equal if each property has the same values in the same order: the order of different properties
/// says nothing (section 2.2.2.2).
impl<B: AsRef<[u8]>> PartialEq for Block<B> {
    fn eq(&self, other: &Self) -> bool {
        if self.bytes.as_ref() == other.bytes.as_ref() {
            return true;
        }
        let values = |of: PropertyId| move |(id, value)| (id == of).then_some(value);
        self.present == other.present
            && PropertyId::ALL
                .iter()
                .filter(|id| self.has(**id))
                .all(|&id| self.iter().filter_map(values(id)).eq(other.iter().filter_map(values(id))))
    }
}

impl<B: AsRef<[u8]>> Eq for Block<B> {}

impl<B: AsRef<[u8]>> fmt::Debug for Block<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Walks the properties of a packet in place, in the order on the wire.
#[derive(Clone, Debug)]
pub struct Properties<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Properties<'a> {
    type Item = (PropertyId, PropertyValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // The block was validated when it was parsed or put together, so that nothing here can fail.
        let (&id, rest) = self.rest.split_first()?;
        let id = PropertyId::try_from(id).ok()?;
        let (rest, value) = PropertyValue::parse(id.wire(), rest).ok()?;
        self.rest = rest;
        Some((id, value))
    }
}

impl core::iter::FusedIterator for Properties<'_> {}
