//! How the program ends: exit codes, and the one line that says why.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

use mqtt_tokio::{Endpoint, Offline};

/// The exit codes besides 0, which says that all went well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Something on this machine: a file, standard output, a port that is taken.
    Here = 1,
    /// The flags make no sense. clap's own code.
    Usage = 2,
    /// There is no connection: no such host, nobody listens, refused, or lost for good.
    Connection = 3,
    /// The broker said no to a message or a subscription, or it is not known whether a message arrived.
    Rejected = 4,
    /// The time given with `-W` is up. mosquitto_sub's code.
    TimedOut = 27,
    /// Interrupted a second time, before the first interruption had been dealt with.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why the program ends with an exit code other than 0.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What and where, on one line, without the program's name; nothing when it has been told.
    pub(crate) text: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Failure { exit, text: Some(text.into()) }
    }

    /// A failure whose lines have been written.
    pub(crate) fn told(exit: Exit) -> Self {
        Failure { exit, text: None }
    }

    /// There is no connection, and none will be tried.
    pub(crate) fn offline(endpoint: &Endpoint, offline: &Offline) -> Self {
        let text = match offline {
            Offline::GaveUp(error) => error.to_string(),
            other => format!("{endpoint}: {other}"),
        };
        Failure::new(Exit::Connection, text)
    }
}

/// A line on standard error, which starts with the program's name.
pub(crate) fn report(line: &str) {
    // When nobody reads standard error there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "mqtt: {line}");
}

/// Writes to standard output at once; false when nobody reads it any more, as behind `| head`.
pub(crate) fn print(bytes: &[u8]) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(Exit::Here, format!("writing to standard output: {error}"))),
    }
}

/// `count` of something, in words: `1 message`, `2 messages`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Text from outside, with control characters escaped: a terminal obeys them.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_all_others_left_alone() {
        assert_eq!(Printable("ä/\u{1b}[2J\n").to_string(), "ä/\\u{1b}[2J\\n");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([counted(1, "message"), counted(0, "message")], ["1 message", "0 messages"]);
    }
}
