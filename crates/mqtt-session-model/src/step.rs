//! [`Step`]: what can happen to a session, each written as a few bytes, so that a fuzzer, a property test and a seed all
//! tell the same stories.

use mqtt_session::Phase;
use mqtt_session::codec::{AckKind, QoS, ReasonCode};

/// The bytes of one [`Step`].
pub const STEP_BYTES: usize = 5;

/// Something happens, and then the driver does some of its duties.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happens.
    pub act: Act,
    /// Whether a server that means harm does so now, instead of what it may.
    pub rude: bool,
    /// How many bytes then reach the session, if not all.
    pub heard: Option<usize>,
    /// Whether the store is then given what it lacks, and has it.
    pub stores: bool,
    /// Whether it has that.
    pub commits: bool,
    /// Whether the driver then asks for output.
    pub polls: bool,
    /// How many bytes of it the transport takes, if not all.
    pub written: Option<usize>,
    /// Whether the application then takes its news.
    pub listens: bool,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Act {
    /// A transport opens; one that was open is gone.
    Open {
        /// With a clean start.
        clean: bool,
        /// Seconds.
        keep_alive: u16,
        /// Whether CONNECT names an authentication method (5.0).
        authenticates: bool,
        /// Whether it asks the server not to explain itself (5.0).
        terse: bool,
    },
    /// The link is cut.
    Cut,
    /// The process dies, and begins again from its store.
    Restart {
        /// Whether what was being written is stored. Without a store: whether so much has gone by that identifiers begin
        /// anew.
        written: bool,
    },
    /// The store fails.
    FailStore,
    /// The application publishes.
    Publish {
        /// The QoS.
        qos: QoS,
        /// Which of a few topics.
        topic: u8,
        /// The Message Expiry Interval in seconds (5.0).
        expiry: Option<u32>,
    },
    /// The application publishes at QoS 0, at once.
    Send {
        /// Which of a few topics.
        topic: u8,
    },
    /// The application subscribes, to so many filters.
    Subscribe(usize),
    /// The application unsubscribes, from so many filters.
    Unsubscribe(usize),
    /// The application pings.
    Ping,
    /// The application answers a challenge, or authenticates anew.
    Authenticate {
        /// The latter.
        anew: bool,
    },
    /// The application disconnects.
    Disconnect,
    /// The application acknowledges one of the messages that it has.
    Acknowledge {
        /// Which of them.
        which: usize,
        /// With this reason.
        reason: ReasonCode,
    },
    /// The server accepts the connection.
    Accept {
        /// Whether it has a session, if none was asked to be dropped.
        present: bool,
        /// Its Receive Maximum; 0 = it does not say.
        window: u16,
        /// Whether it takes no QoS 2.
        without_qos2: bool,
        /// Its Topic Alias Maximum.
        aliases: u16,
        /// Its Maximum Packet Size, if it has one.
        size: Option<u32>,
        /// Whether it names a method if it should not, or not the right one.
        confused: bool,
    },
    /// The server refuses the connection.
    Refuse,
    /// The server says the next thing to one of the publishes that it has.
    Answer {
        /// Which of them.
        which: usize,
        /// With this reason, where it fits.
        reason: ReasonCode,
        /// Whether it explains that.
        explains: bool,
    },
    /// The server answers one of the requests.
    AnswerRequest {
        /// Which of them.
        which: usize,
        /// With so many codes too many.
        extra: usize,
        /// As if it were one of the other kind.
        confused: bool,
    },
    /// The server releases a QoS 2 message.
    Release {
        /// Which of those that PUBREC was sent for.
        which: usize,
    },
    /// The server publishes.
    Message {
        /// The packet identifier, free or not.
        id: u16,
        /// Its QoS.
        qos: QoS,
        /// Whether it says that this is a repetition.
        dup: bool,
        /// With an alias (5.0), beside the topic or in its place.
        alias: Option<(u16, bool)>,
    },
    /// The server sends an acknowledgement, right or wrong.
    Ack(AckKind, u16, ReasonCode),
    /// The server goes on with an authentication, or ends it.
    Auth {
        /// The latter.
        ends: bool,
        /// By another method.
        confused: bool,
    },
    /// PINGRESP.
    Pong,
    /// The server disconnects (5.0; a malformed packet in 3.1.1).
    Goodbye,
    /// Bytes that mean nothing.
    Garbage(Vec<u8>),
    /// A message or an acknowledgement, with a bit of it turned over.
    Damaged {
        /// The packet identifier.
        id: u16,
        /// Which bit, counted from the start of the packet and round again.
        bit: usize,
    },
    /// Time passes.
    Pass {
        /// So much.
        millis: u64,
        /// Whether the driver sleeps meanwhile, as it does with its machine, unless it would miss a deadline.
        asleep: bool,
    },
}

/// Few enough that each is often in use.
const IDS: u8 = 6;

impl Step {
    /// The step that these bytes stand for in this phase: in each, what is likely to happen there.
    #[must_use]
    pub fn read([kind, a, b, c, habits]: [u8; STEP_BYTES], phase: Phase) -> Self {
        // Half of the habits are those of a driver that does all it can.
        let lazy = habits >= 0x80;
        let act = match phase {
            Phase::Closed if kind >= 64 => open(a, b, c),
            Phase::AwaitConnack if kind >= 192 && c < 128 => auth(a, b),
            Phase::AwaitConnack if kind >= 64 => accept(a, b, c),
            Phase::AwaitAnswer if kind >= 64 => Act::Authenticate { anew: false },
            _ => Act::read(kind, a, b, c),
        };
        Self {
            act,
            rude: habits & 0x60 == 0x60,
            heard: (lazy && habits & 1 != 0).then_some(usize::from(b) % 16),
            stores: !lazy || habits & 16 != 0,
            commits: !lazy || c & 1 != 0,
            polls: !lazy || habits & 2 != 0,
            written: (lazy && habits & 4 != 0).then_some(usize::from(a) % 16),
            listens: !lazy || habits & 8 != 0,
        }
    }
}

impl Act {
    fn read(kind: u8, a: u8, b: u8, c: u8) -> Self {
        let which = usize::from(a);
        let id = u16::from(a % IDS) + 1;
        match kind % 64 {
            0 if a < 64 => open(a, b, c),
            1 if a < 64 => Self::Cut,
            2 if a < 64 => Self::Restart { written: b < 128 },
            3 if a < 64 => Self::Disconnect,
            4 if a < 64 => Self::Goodbye,
            5 if a < 128 => Self::Refuse,
            6 if a < 64 => accept(a, b, c),
            7 if a < 64 => Self::Garbage(vec![a, b]),
            8 if a < 64 => Self::FailStore,
            9 if a < 64 => Self::Damaged { id, bit: usize::from(b) },
            10..=11 if a < 96 => Self::Send { topic: c % 4 },
            // What waits may expire meanwhile.
            12..=13 => Self::Pass { millis: u64::from(b) * 16, asleep: true },
            0..=15 => {
                Self::Publish { qos: qos(a), topic: c % 4, expiry: (b < 64).then_some(u32::from(b % 3)) }
            }
            16..=17 => Self::Subscribe(1 + which % 3),
            18 => Self::Unsubscribe(1 + which % 3),
            19 if a < 128 => Self::Authenticate { anew: b < 128 },
            19 => Self::Ping,
            20 => Self::Pass { millis: u64::from(a) * u64::from(b) * 2, asleep: c < 128 },
            21..=27 => Self::Acknowledge { which, reason: reason(b) },
            28..=40 => Self::Answer { which, reason: reason(b), explains: c < 16 },
            41..=43 => Self::AnswerRequest { which, extra: usize::from(b >= 192), confused: b < 64 },
            44..=47 => Self::Release { which },
            48..=57 => {
                let alias = (c < 96).then_some((u16::from(c % 4) + 1, c < 48));
                Self::Message { id, qos: qos(b), dup: b >= 128, alias }
            }
            58..=61 => Self::Ack(kind_of_ack(b / 64), id, reason(b % 64)),
            62 => auth(a, b),
            _ => Self::Pong,
        }
    }
}

fn open(a: u8, b: u8, c: u8) -> Act {
    let keep_alive = [0, 0, 2, 20][usize::from(a % 4)];
    Act::Open { clean: b < 32, keep_alive, authenticates: c < 64, terse: c.is_multiple_of(4) }
}

fn accept(a: u8, b: u8, c: u8) -> Act {
    let (window, aliases) = (u16::from(a % 4), u16::from(c % 3));
    // Topics and intervals decide which publishes are larger than that.
    let size = (b >= 224).then_some(14 + u32::from(c % 16));
    Act::Accept { present: b >= 32, window, without_qos2: a >= 240, aliases, size, confused: c >= 224 }
}

fn auth(a: u8, b: u8) -> Act {
    Act::Auth { ends: a < 128, confused: b < 32 }
}

fn qos(byte: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce][usize::from(byte % 4)]
}

fn kind_of_ack(byte: u8) -> AckKind {
    [AckKind::Puback, AckKind::Pubrec, AckKind::Pubrel, AckKind::Pubcomp][usize::from(byte % 4)]
}

/// Mostly success.
fn reason(byte: u8) -> ReasonCode {
    match byte {
        0..8 => ReasonCode::QuotaExceeded,
        8..16 => ReasonCode::NoMatchingSubscribers,
        16..20 => ReasonCode::UnspecifiedError,
        _ => ReasonCode::Success,
    }
}
