//! What a client stores besides its session's records, and the keys of all.
//!
//! ```text
//! key                              value
//! 's'  key of the session's (3)    the session's record
//! 'c'                              clock (8): the session's, at the latest batch
//! 'q'  place in the queue (8)      the message, as the session's record of a publish
//! 'f'  number of the filter (4)    SUBSCRIBE of 5.0 with this one filter
//! ```

use bytes::Bytes;

use super::{Changes, StoreError};
use crate::codec::{
    Decoder, EncodeError, Packet, PacketId, Publish, Side, Subscribe, SubscribeFilter, SubscribeProperties,
    Version,
};
use crate::session::{self, Key, Record, Timestamp};

const SESSION: u8 = b's';
const CLOCK: u8 = b'c';
const QUEUED: u8 = b'q';
const FILTER: u8 = b'f';

/// The place of a new client's first message. Those that a session has lost go back in front of all others, with lower
/// numbers.
pub(crate) const FIRST_PLACE: u64 = 1 << 48;

/// Places beyond these are never reached.
const PLACES: std::ops::Range<u64> = 1 << 16..1 << 62;

/// A client has had fewer filters than this at once.
const MAX_FILTERS: u32 = 1 << 22;

/// One change to what is stored of a client.
#[derive(Debug)]
pub(crate) enum Operation {
    Session(session::Operation),
    /// The session's clock at the time of the batch.
    Clock(Timestamp),
    Queue(Queued),
    /// The message in this place of the queue has left it.
    Unqueue(u64),
    Filter(Filter),
    /// The filter with this number is not wanted any more.
    Forget(u32),
}

/// A message of QoS 1 or 2 that is admitted and not in the session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Queued {
    /// Its place: messages go out in the order of these.
    pub(crate) place: u64,
    /// It was sent in a session that the broker has lost.
    pub(crate) sent: bool,
    /// When its Message Expiry Interval ends, on the session's clock.
    pub(crate) expires: Option<Timestamp>,
    pub(crate) publish: Publish,
}

/// A filter that the application has subscribed to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    /// What its subscription identifier is made of.
    pub(crate) number: u32,
    pub(crate) wanted: SubscribeFilter,
}

/// One stored piece of a client.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    Session(Record),
    Clock(Timestamp),
    Queued(Queued),
    Filter(Filter),
}

impl Operation {
    /// Appends the bytes of this change.
    pub(super) fn write(&self, changes: &mut Changes) -> Result<(), EncodeError> {
        match self {
            Operation::Session(session::Operation::Put(record)) => {
                changes.put(&session_key(record.key()), |out| record.encode(out))
            }
            Operation::Session(session::Operation::Delete(key)) => {
                changes.delete(&session_key(*key));
                Ok(())
            }
            Operation::Clock(clock) => {
                let bytes = clock.as_micros().to_be_bytes();
                changes.put(&[CLOCK], |out| {
                    out.extend_from_slice(&bytes);
                    Ok(())
                })
            }
            Operation::Queue(Queued { place, sent, expires, publish }) => {
                let record = Record::Publish {
                    packet_id: PacketId::MIN,
                    tag: 0,
                    order: *place,
                    transmitted: *sent,
                    expires: *expires,
                    publish: Publish { packet_id: Some(PacketId::MIN), ..publish.clone() },
                };
                changes.put(&queue_key(*place), |out| record.encode(out))
            }
            Operation::Unqueue(place) => {
                changes.delete(&queue_key(*place));
                Ok(())
            }
            Operation::Filter(Filter { number, wanted }) => {
                let packet = Subscribe {
                    packet_id: PacketId::MIN,
                    properties: SubscribeProperties::default(),
                    filters: vec![wanted.clone()],
                };
                changes.put(&filter_key(*number), |out| packet.encode(Version::V5, out).map(drop))
            }
            Operation::Forget(number) => {
                changes.delete(&filter_key(*number));
                Ok(())
            }
        }
    }
}

impl Item {
    /// Reads what [`Operation::write`] wrote.
    pub(super) fn read(key: &Bytes, value: &Bytes) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(format!("the record under {key:02x?}"));
        match key.split_first().ok_or_else(damaged)? {
            (&SESSION, key) => Ok(Item::Session(Record::decode(Key::from_bytes(key)?, value)?)),
            (&CLOCK, []) => Ok(Item::Clock(Timestamp::from_micros(number(value).ok_or_else(damaged)?))),
            (&QUEUED, place) => {
                let place = number(place).filter(|place| PLACES.contains(place)).ok_or_else(damaged)?;
                let Record::Publish { transmitted: sent, expires, publish, .. } =
                    Record::decode(Key::Publish(PacketId::MIN), value)?
                else {
                    return Err(damaged());
                };
                Ok(Item::Queued(Queued { place, sent, expires, publish }))
            }
            (&FILTER, number) => {
                let number = number.try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
                if number >= MAX_FILTERS {
                    return Err(damaged());
                }
                match Decoder::new(Version::V5, Side::Client).decode(value) {
                    Ok(Packet::Subscribe(Subscribe { mut filters, .. })) if filters.len() == 1 => {
                        let wanted = filters.pop().ok_or_else(damaged)?;
                        Ok(Item::Filter(Filter { number, wanted }))
                    }
                    _ => Err(damaged()),
                }
            }
            _ => Err(damaged()),
        }
    }
}

fn session_key(key: Key) -> [u8; 1 + Key::LEN] {
    let [kind, high, low] = key.to_bytes();
    [SESSION, kind, high, low]
}

fn queue_key(place: u64) -> [u8; 9] {
    let mut key = [QUEUED; 9];
    key[1..].copy_from_slice(&place.to_be_bytes());
    key
}

fn filter_key(number: u32) -> [u8; 5] {
    let mut key = [FILTER; 5];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().map(u64::from_be_bytes).ok()
}
