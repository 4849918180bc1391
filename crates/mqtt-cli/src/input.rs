//! Payloads from a file or from standard input, never more of it than MQTT can carry.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::outcome::{Exit, Failure};

/// The greatest Remaining Length: no payload can be longer, so no more is read.
const MAX: u64 = 268_435_455;
/// Lines read ahead of their sending.
const AHEAD: usize = 64;

const STDIN: &str = "standard input";

/// A whole file.
pub(crate) fn file(path: &Path) -> Result<Bytes, Failure> {
    let name = path.display().to_string();
    File::open(path).map_err(|error| failed(&name, &error)).and_then(|file| whole(file, &name))
}

/// All of standard input.
pub(crate) fn stdin() -> Result<Bytes, Failure> {
    whole(io::stdin().lock(), STDIN)
}

/// Standard input line by line, without the line ends; blank lines are left out, as mosquitto_pub does.
///
/// They are read on a thread of their own, which nothing waits for: a terminal may never say another line.
pub(crate) fn stdin_lines() -> Result<mpsc::Receiver<Result<Bytes, Failure>>, Failure> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let read = move || {
        let mut input = BufReader::new(io::stdin().lock());
        while let Some(line) = line(&mut input, STDIN, MAX).transpose() {
            let last = line.is_err();
            if line.as_ref().is_ok_and(|line| line.is_empty()) {
                continue;
            }
            if sender.blocking_send(line).is_err() || last {
                return;
            }
        }
    };
    thread::Builder::new().name("mqtt-stdin".into()).spawn(read).map_err(|error| failed(STDIN, &error))?;
    Ok(receiver)
}

fn whole(input: impl Read, name: &str) -> Result<Bytes, Failure> {
    let mut payload = Vec::new();
    input.take(MAX + 1).read_to_end(&mut payload).map_err(|error| failed(name, &error))?;
    fitting(payload, name, MAX)
}

/// The next line without its end; nothing behind the last one.
fn line(input: &mut impl BufRead, name: &str, max: u64) -> Result<Option<Bytes>, Failure> {
    let mut line = Vec::new();
    input.take(max + 1).read_until(b'\n', &mut line).map_err(|error| failed(name, &error))?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    fitting(line, name, max).map(Some)
}

fn fitting(payload: Vec<u8>, name: &str, max: u64) -> Result<Bytes, Failure> {
    if payload.len() as u64 > max {
        return Err(Failure::new(Exit::Here, format!("{name}: longer than {max} bytes, too long for MQTT")));
    }
    Ok(payload.into())
}

fn failed(name: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Here, format!("reading {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mut input: &[u8], expected: &[&[u8]]) {
        let lines = std::iter::from_fn(|| line(&mut input, "input", 5).unwrap());
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lines_are_bytes_up_to_their_end() {
        check(b"", &[]);
        check(b"a\nb\n", &[b"a", b"b"]);
        check(b"a\n\n\xff\0\r\nlast", &[b"a", b"", b"\xff\0\r", b"last"]);
        check(b"12345\n12345", &[b"12345", b"12345"]);
    }

    #[test]
    fn what_mqtt_can_not_carry_is_not_read_any_further() {
        let mut endless = BufReader::new(io::repeat(b'x'));
        let error = line(&mut endless, "input", 5).unwrap_err();
        assert_eq!(
            (error.exit, error.text.as_deref()),
            (Exit::Here, Some("input: longer than 5 bytes, too long for MQTT"))
        );
    }
}
