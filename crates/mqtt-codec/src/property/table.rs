//! The property table (5.0 section 2.2.2.2, table 2-4): what each property is, as data.

use core::fmt;

use crate::Side;

/// A part of a packet that has properties of its own; what it may carry can depend on who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Place {
    Connect = 1,
    Will = 1 << 1,
    Connack = 1 << 2,
    PublishByClient = 1 << 3,
    PublishByServer = 1 << 4,
    /// PUBACK, PUBREC, PUBREL and PUBCOMP.
    Ack = 1 << 5,
    Subscribe = 1 << 6,
    Suback = 1 << 7,
    Unsubscribe = 1 << 8,
    Unsuback = 1 << 9,
    DisconnectByClient = 1 << 10,
    DisconnectByServer = 1 << 11,
    Auth = 1 << 12,
}

impl Place {
    /// All places, in the order of their bits.
    const ALL: [Self; 13] = [
        Self::Connect,
        Self::Will,
        Self::Connack,
        Self::PublishByClient,
        Self::PublishByServer,
        Self::Ack,
        Self::Subscribe,
        Self::Suback,
        Self::Unsubscribe,
        Self::Unsuback,
        Self::DisconnectByClient,
        Self::DisconnectByServer,
        Self::Auth,
    ];

    pub(crate) const fn publish(sender: Side) -> Self {
        match sender {
            Side::Client => Self::PublishByClient,
            Side::Server => Self::PublishByServer,
        }
    }

    pub(crate) const fn disconnect(sender: Side) -> Self {
        match sender {
            Side::Client => Self::DisconnectByClient,
            Side::Server => Self::DisconnectByServer,
        }
    }

    /// What may stand here.
    #[inline]
    pub(super) const fn rules(self) -> Rules {
        RULES[(self as u16).trailing_zeros() as usize]
    }

    /// The same part of the same packet from the other side.
    const fn other_side(self) -> Self {
        match self {
            Self::PublishByClient => Self::PublishByServer,
            Self::PublishByServer => Self::PublishByClient,
            Self::DisconnectByClient => Self::DisconnectByServer,
            Self::DisconnectByServer => Self::DisconnectByClient,
            same => same,
        }
    }
}

/// Sets of places, for the columns of the table.
mod places {
    use super::Place;

    pub(super) const NOWHERE: u16 = 0;
    pub(super) const CONNECT: u16 = Place::Connect as u16;
    pub(super) const WILL: u16 = Place::Will as u16;
    pub(super) const CONNACK: u16 = Place::Connack as u16;
    pub(super) const PUBLISH_BY_SERVER: u16 = Place::PublishByServer as u16;
    pub(super) const PUBLISH: u16 = Place::PublishByClient as u16 | PUBLISH_BY_SERVER;
    pub(super) const SUBSCRIBE: u16 = Place::Subscribe as u16;
    pub(super) const DISCONNECT_BY_CLIENT: u16 = Place::DisconnectByClient as u16;
    pub(super) const DISCONNECT_BY_SERVER: u16 = Place::DisconnectByServer as u16;
    pub(super) const DISCONNECT: u16 = DISCONNECT_BY_CLIENT | DISCONNECT_BY_SERVER;
    pub(super) const AUTH: u16 = Place::Auth as u16;
    /// What may explain an outcome.
    pub(super) const ANSWERS: u16 =
        CONNACK | Place::Ack as u16 | Place::Suback as u16 | Place::Unsuback as u16 | DISCONNECT | AUTH;
    pub(super) const EVERYWHERE: u16 =
        ANSWERS | CONNECT | WILL | PUBLISH | SUBSCRIBE | Place::Unsubscribe as u16;
}
use places::*;

/// How a property's value is laid out, and which values it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// One byte, 0 or 1.
    Bit,
    /// Two Byte Integer.
    TwoByte,
    /// Two Byte Integer, not 0.
    TwoByteNonZero,
    /// Four Byte Integer.
    FourByte,
    /// Four Byte Integer, not 0.
    FourByteNonZero,
    /// Variable Byte Integer, not 0.
    VariableNonZero,
    /// UTF-8 Encoded String.
    Text,
    /// UTF-8 Encoded String that is a Topic Name.
    TopicName,
    /// Binary Data.
    Binary,
    /// UTF-8 String Pair.
    Pair,
}

macro_rules! properties {
    ($($Id:ident = $value:literal, $name:literal, $wire:ident, $places:expr, $repeats:expr;)*) => {
        /// The identifier of a property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum PropertyId {
            $(
                #[doc = concat!($name, ", ", stringify!($value), ".")]
                $Id = $value,
            )*
        }

        impl PropertyId {
            /// All properties, in the order of their identifiers.
            pub const ALL: &'static [Self] = &[$(Self::$Id),*];

            #[inline]
            const fn from_u8(value: u8) -> Option<Self> {
                match value {
                    $($value => Some(Self::$Id),)*
                    _ => None,
                }
            }

            const fn row(self) -> Row {
                match self {
                    $(Self::$Id => Row {
                        name: $name,
                        wire: Wire::$wire,
                        places: $places,
                        repeats: $repeats,
                    },)*
                }
            }
        }
    };
}

/// What the table says of one property.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    wire: Wire,
    /// Where it may stand.
    places: u16,
    /// Where it may stand more than once.
    repeats: u16,
}

properties! {
    PayloadFormatIndicator = 0x01, "Payload Format Indicator", Bit, PUBLISH | WILL, NOWHERE;
    MessageExpiryInterval = 0x02, "Message Expiry Interval", FourByte, PUBLISH | WILL, NOWHERE;
    ContentType = 0x03, "Content Type", Text, PUBLISH | WILL, NOWHERE;
    ResponseTopic = 0x08, "Response Topic", TopicName, PUBLISH | WILL, NOWHERE;
    CorrelationData = 0x09, "Correlation Data", Binary, PUBLISH | WILL, NOWHERE;
    SubscriptionIdentifier = 0x0B, "Subscription Identifier", VariableNonZero,
        PUBLISH_BY_SERVER | SUBSCRIBE, PUBLISH_BY_SERVER;
    SessionExpiryInterval = 0x11, "Session Expiry Interval", FourByte,
        CONNECT | CONNACK | DISCONNECT_BY_CLIENT, NOWHERE;
    AssignedClientIdentifier = 0x12, "Assigned Client Identifier", Text, CONNACK, NOWHERE;
    ServerKeepAlive = 0x13, "Server Keep Alive", TwoByte, CONNACK, NOWHERE;
    AuthenticationMethod = 0x15, "Authentication Method", Text, CONNECT | CONNACK | AUTH, NOWHERE;
    AuthenticationData = 0x16, "Authentication Data", Binary, CONNECT | CONNACK | AUTH, NOWHERE;
    RequestProblemInformation = 0x17, "Request Problem Information", Bit, CONNECT, NOWHERE;
    WillDelayInterval = 0x18, "Will Delay Interval", FourByte, WILL, NOWHERE;
    RequestResponseInformation = 0x19, "Request Response Information", Bit, CONNECT, NOWHERE;
    ResponseInformation = 0x1A, "Response Information", Text, CONNACK, NOWHERE;
    ServerReference = 0x1C, "Server Reference", Text, CONNACK | DISCONNECT_BY_SERVER, NOWHERE;
    ReasonString = 0x1F, "Reason String", Text, ANSWERS, NOWHERE;
    ReceiveMaximum = 0x21, "Receive Maximum", TwoByteNonZero, CONNECT | CONNACK, NOWHERE;
    TopicAliasMaximum = 0x22, "Topic Alias Maximum", TwoByte, CONNECT | CONNACK, NOWHERE;
    TopicAlias = 0x23, "Topic Alias", TwoByteNonZero, PUBLISH, NOWHERE;
    MaximumQoS = 0x24, "Maximum QoS", Bit, CONNACK, NOWHERE;
    RetainAvailable = 0x25, "Retain Available", Bit, CONNACK, NOWHERE;
    UserProperty = 0x26, "User Property", Pair, EVERYWHERE, EVERYWHERE;
    MaximumPacketSize = 0x27, "Maximum Packet Size", FourByteNonZero, CONNECT | CONNACK, NOWHERE;
    WildcardSubscriptionAvailable = 0x28, "Wildcard Subscription Available", Bit, CONNACK, NOWHERE;
    SubscriptionIdentifiersAvailable = 0x29, "Subscription Identifiers Available", Bit, CONNACK, NOWHERE;
    SharedSubscriptionAvailable = 0x2A, "Shared Subscription Available", Bit, CONNACK, NOWHERE;
}

impl PropertyId {
    /// The byte on the wire; the identifier is a Variable Byte Integer, but all values fit one byte.
    #[inline]
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Its bit in a set of properties.
    #[inline]
    pub(super) const fn bit(self) -> u64 {
        bit(self.as_u8())
    }

    #[inline]
    pub(super) const fn wire(self) -> Wire {
        wire(self.as_u8())
    }

    pub(super) const fn allowed_in(self, place: Place) -> bool {
        self.row().places & place as u16 != 0
    }

    pub(super) const fn allowed_from_other_side(self, place: Place) -> bool {
        self.allowed_in(place.other_side())
    }

    const fn repeats_in(self, place: Place) -> bool {
        self.row().repeats & place as u16 != 0
    }
}

/// The table by place, as sets of properties: what each property of a block is asked, is asked of these.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// What may stand there.
    pub(super) allowed: u64,
    /// What may stand there more than once.
    pub(super) repeats: u64,
}

static RULES: [Rules; Place::ALL.len()] = {
    let mut table = [Rules { allowed: 0, repeats: 0 }; Place::ALL.len()];
    let mut index = 0;
    while index < table.len() {
        let place = Place::ALL[index];
        let mut row = 0;
        while row < PropertyId::ALL.len() {
            let id = PropertyId::ALL[row];
            if id.allowed_in(place) {
                table[index].allowed |= id.bit();
            }
            if id.repeats_in(place) {
                table[index].repeats |= id.bit();
            }
            row += 1;
        }
        index += 1;
    }
    table
};

/// The bit of an identifier in a set of properties; none of those that no property can have.
#[inline]
pub(super) const fn bit(id: u8) -> u64 {
    if id < u64::BITS as u8 { 1 << id } else { 0 }
}

/// How the value of the property with this identifier is laid out; [`Wire::Binary`] if there is none.
#[inline]
pub(super) const fn wire(id: u8) -> Wire {
    WIRES[(id & 0x3F) as usize]
}

static WIRES: [Wire; 64] = {
    let mut table = [Wire::Binary; 64];
    let mut row = 0;
    while row < PropertyId::ALL.len() {
        let id = PropertyId::ALL[row];
        table[id.as_u8() as usize] = id.row().wire;
        row += 1;
    }
    table
};

/// A value that no property identifier has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPropertyId(pub u8);

impl fmt::Display for InvalidPropertyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no property has the identifier {:#04x}", self.0)
    }
}

impl core::error::Error for InvalidPropertyId {}

impl TryFrom<u8> for PropertyId {
    type Error = InvalidPropertyId;

    #[inline]
    fn try_from(value: u8) -> Result<Self, InvalidPropertyId> {
        Self::from_u8(value).ok_or(InvalidPropertyId(value))
    }
}

impl fmt::Display for PropertyId {
    /// The specification's name, such as `Topic Alias`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.row().name)
    }
}
