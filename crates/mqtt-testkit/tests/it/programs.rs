//! Programs of other houses, run with time limits.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use mqtt_testkit::Server;

/// How long anything here may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A program that runs; killed when dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

impl Program {
    /// Starts it, its standard output read line by line.
    ///
    /// Panics with `install` when the program is missing.
    pub(crate) fn start(program: &str, install: &str, args: &[&str]) -> Self {
        Self::start_with_input(program, install, args, "")
    }

    /// The same, with something to read on its standard input.
    pub(crate) fn start_with_input(program: &str, install: &str, args: &[&str], input: &str) -> Self {
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => panic!("{program} can't be started ({error}); install it with: {install}"),
        };
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
        // Whoever doesn't read it has its reason.
        thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let lines = read_lines(child.stdout.take().unwrap());
        let errors = read_lines(child.stderr.take().unwrap());
        Self { name: format!("{program} {}", args.join(" ")), child, lines, errors }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{}: no line within {LIMIT:?}{}", self.name, self.said())
            }
            Err(RecvTimeoutError::Disconnected) => {
                panic!("{}: ended without a line{}", self.name, self.said())
            }
        }
    }

    /// Whether it prints nothing for so long.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.lines.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }

    /// Waits for its end, which has to be a success, and returns the lines not read before.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let status = self.wait();
        assert!(status.success(), "{}: {status}{}", self.name, self.said());
        self.lines.iter().collect()
    }

    /// Waits for its end, which has to be a failure, and returns what it said.
    pub(crate) fn fail(mut self) -> String {
        let status = self.wait();
        let said = self.said();
        assert!(!status.success(), "{}: ended well{said}", self.name);
        said
    }

    /// Kills it: no goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "{}: not ended within {LIMIT:?}{}", self.name, self.said());
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn said(&self) -> String {
        let mut said = String::new();
        while let Ok(line) = self.errors.recv_timeout(Duration::from_millis(50)) {
            said = said + "\n  " + &line;
        }
        said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Waits until the server's broker is in a certain state.
#[track_caller]
pub(crate) fn until(server: &Server, what: &str, mut reached: impl FnMut(&mut mqtt_testkit::Broker) -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !server.with_broker(&mut reached) {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
