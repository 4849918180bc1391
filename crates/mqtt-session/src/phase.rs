//! [`Phase`]: what the session is waiting for.

/// What the session is waiting for. The table of transitions is on the [crate's first page](crate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// There is no connection; [`handle_opened`](crate::Session::handle_opened) is awaited.
    Closed,
    /// CONNECT is on its way; the answer is awaited. So it is again when a challenge of the server's was answered.
    AwaitConnack,
    /// The server has not accepted yet, and asks for more: the application's
    /// [`Command::AnswerChallenge`](crate::Command::AnswerChallenge) is awaited.
    AwaitAnswer,
    /// The server accepted; packets flow.
    Ready,
    /// The connection is over: what is left to write is being written, then the transport is to be closed.
    Closing,
}
