//! What the core asks of its driver.

use crate::session::Timestamp;
use crate::{AuthStep, Endpoint, Preparation};

/// The driver's next step. It writes out the output that it holds in any case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Duty {
    /// Ask the application what the next attempt uses: await this, without stopping to look after wake-ups and the deadline of
    /// the next [`Wait`](Self::Wait); then call [`handle_prepared`](crate::Driver::handle_prepared).
    Prepare(Preparation),
    /// Have this step of an enhanced authentication taken ([`AuthStep::run`]) where it may block, without stopping to look after
    /// everything else, the connection too if there is one; then call
    /// [`handle_authenticated`](crate::Driver::handle_authenticated). One step takes the place of another.
    Authenticate(AuthStep),
    /// Resolve and connect, without stopping to look after wake-ups and the deadline of the next [`Wait`](Self::Wait);
    /// then call [`handle_dialed`](crate::Driver::handle_dialed) or
    /// [`handle_dial_failed`](crate::Driver::handle_dial_failed).
    Dial(Endpoint),
    /// Nothing to do until there is input, room to write, a wake-up, or the deadline, when
    /// [`handle_timeout`](crate::Driver::handle_timeout) is due.
    Wait {
        /// When time alone needs attention.
        deadline: Option<Timestamp>,
        /// Whether input is wanted now. It never stays unwanted for longer than the deadline says.
        read: bool,
        /// How often to look whether there is any of that, giving others a turn in between ([`std::thread::yield_now`]), before
        /// sleeping: input is about to come.
        turns: u8,
    },
    /// More output is about to come: give others a turn ([`std::thread::yield_now`]), and ask again before writing. It is not
    /// said without an end.
    Gather,
    /// Others that were woken may work while the output, which is long, is written: where they wait for this task to pause, pause
    /// so that both go on at once. Then ask again; it is said once for a wake-up.
    GiveWay,
    /// Reading had paused and goes on: call [`handle_input`](crate::Driver::handle_input) with what it left over, until it
    /// returns 0.
    Resume,
    /// Give up the transport, or the attempt at one, or the asking for it, and the step of an authentication; discard its output, and call
    /// [`handle_closed`](crate::Driver::handle_closed).
    Close,
    /// The client has ended; drop the driver.
    Stop,
}
