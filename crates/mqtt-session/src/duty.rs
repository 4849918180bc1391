//! What [`Session::poll_io`](crate::Session::poll_io) asks of the driver: wait, or close.

use crate::Timestamp;

/// What the driver has to do once it has written the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Write the output if there is any, then wait for input, for a wish of the application, or for the deadline,
    /// whichever comes first.
    Wait(Option<Deadline>),
    /// Close the transport now, then call [`handle_closed`](crate::Session::handle_closed). Whatever was worth
    /// flushing has been flushed, or the time for it is up: output that is left is to be discarded.
    Close,
}

/// When [`handle_timeout`](crate::Session::handle_timeout) is due, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment at which the call is due.
    pub at: Timestamp,
    /// The reason, for logs and tests; the driver needs only `at`.
    pub timer: Timer,
}

/// The reason for a [`Deadline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// PINGREQ will be due, to keep the connection alive.
    KeepAlive,
    /// PINGRESP is awaited.
    PingResponse,
    /// The transport takes no output.
    Write,
    /// The last output, a DISCONNECT as a rule, is being flushed before the close.
    Close,
}
