//! Programs run with time limits: ours, mosquitto's clients, and brokers.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::mem::take;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything here may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

const INSTALL: &str = "apt-get install -y --no-install-recommends mosquitto mosquitto-clients";

/// A program that runs; killed when dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    /// What was read of standard error.
    errors: String,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// What of standard output was not read before.
    pub(crate) stdout: Vec<u8>,
    /// All of standard error.
    pub(crate) stderr: String,
}

impl Program {
    /// Starts `mqtt`.
    pub(crate) fn mqtt(args: &[&str]) -> Self {
        Self::start(env!("CARGO_BIN_EXE_mqtt"), args)
    }

    /// Starts any program; a missing one fails the test, and says what to install.
    pub(crate) fn start(program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{program} can't be started ({error}); install it with: {INSTALL}"),
        };
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Program {
            name: format!("{program} {}", args.join(" ")),
            stdin: child.stdin.take(),
            child,
            stdout: read_lines(stdout),
            stderr: read_lines(stderr),
            errors: String::new(),
        }
    }

    /// Writes to its standard input. What does not fit into the pipe waits for the program to read.
    #[track_caller]
    pub(crate) fn write(&mut self, input: &[u8]) {
        let mut stdin = self.stdin.take().expect("its input is open");
        let input = input.to_vec();
        let (done, written) = channel();
        thread::spawn(move || {
            stdin.write_all(&input).unwrap();
            // Without a receiver, the test has failed already.
            let _ = done.send(stdin);
        });
        match written.recv_timeout(LIMIT) {
            Ok(stdin) => self.stdin = Some(stdin),
            Err(_) => self.fail("has not taken its input"),
        }
    }

    /// Ends its standard input.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// The next line of its standard output, without its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.stdout.recv_timeout(LIMIT) {
            Ok(line) => text(&line).trim_end_matches('\n').to_owned(),
            Err(RecvTimeoutError::Timeout) => self.fail("no line in time"),
            Err(RecvTimeoutError::Disconnected) => self.fail("ended without a line"),
        }
    }

    /// Reads standard output up to a line with this in it.
    #[track_caller]
    pub(crate) fn until_line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Reads standard error up to a line with this in it.
    #[track_caller]
    pub(crate) fn until_error_with(&mut self, part: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.stderr.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let line = text(&line);
                    self.errors += &line;
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => panic!("{}: never said {part:?}\n{}", self.name, self.errors),
            }
        }
    }

    /// Closes our end of its standard output, as `head` does when it has seen enough.
    pub(crate) fn close_output(&mut self) {
        // The reading thread ends, and with it the pipe, at the next line that nobody takes.
        self.stdout = channel().1;
    }

    /// Sends a signal, such as `INT`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        self.end_input();
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.fail("not ended in time");
            }
            thread::sleep(Duration::from_millis(2));
        };
        // It has ended, and so do its outputs, however late they are read.
        let stdout = self.stdout.iter().flatten().collect();
        self.stderr.iter().for_each(|line| self.errors += &text(&line));
        Ended { code: status.code(), stdout, stderr: take(&mut self.errors) }
    }

    /// Waits for its end, which has to be a success, and gives the rest of its standard output.
    #[track_caller]
    pub(crate) fn succeed(self) -> Vec<u8> {
        let name = self.name.clone();
        let ended = self.end();
        assert_eq!(ended.code, Some(0), "{name}\n{}", ended.stderr);
        ended.stdout
    }

    #[track_caller]
    fn fail(&mut self, what: &str) -> ! {
        // It may go on for ever: what it says within a moment is of help, and nothing hangs on it.
        while let Ok(line) = self.stderr.recv_timeout(Duration::from_millis(50)) {
            self.errors += &text(&line);
        }
        panic!("{}: {what}\n{}", self.name, self.errors)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A broker that `mqtt pub` and others can reach on this machine.
pub(crate) struct Broker {
    pub(crate) port: u16,
    program: Program,
    /// Deleted when the broker has ended.
    _folder: Option<Folder>,
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Broker {
    /// `mqtt broker` on a free port.
    pub(crate) fn ours(args: &[&str]) -> Self {
        Self::ours_at(0, args)
    }

    /// `mqtt broker` on this port.
    pub(crate) fn ours_at(port: u16, args: &[&str]) -> Self {
        let asked = port.to_string();
        let mut program = Program::mqtt(&[&["broker", "-p", &asked], args].concat());
        let line = program.until_line_with("listening on mqtt://");
        let port = line.split([':', ' ']).find_map(|word| word.parse().ok()).expect("a port");
        Broker { port, program, _folder: None }
    }

    /// A mosquitto on a free port.
    pub(crate) fn mosquitto() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("mqtt-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let folder = Folder(folder);
        let config = folder.0.join("mosquitto.conf");
        // Another process may take the port between our asking for it and mosquitto's binding it: then once more.
        for _ in 0..5 {
            let port = free_port();
            let text = format!(
                "user root\nallow_anonymous true\nmax_queued_messages 0\nlistener {port} 127.0.0.1\n"
            );
            fs::write(&config, text).unwrap();
            let mut program = Program::start(mosquitto(), &["-c", config.to_str().unwrap()]);
            let deadline = Instant::now() + LIMIT;
            while Instant::now() < deadline && program.child.try_wait().unwrap().is_none() {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return Broker { port, program, _folder: Some(folder) };
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        panic!("mosquitto does not start on any of five ports");
    }

    /// Ends it as Ctrl-C does.
    #[track_caller]
    pub(crate) fn interrupt(self) -> Vec<u8> {
        self.program.signal("INT");
        let Broker { program, .. } = self;
        program.succeed()
    }
}

/// mosquitto lies where `PATH` of an ordinary user may not reach.
fn mosquitto() -> &'static str {
    ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false))
        .unwrap_or("mosquitto")
}

/// Waits until something has come true.
#[track_caller]
pub(crate) fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !reached() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A port of the loopback interface that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn read_lines(stream: impl std::io::Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            match stream.read_until(b'\n', &mut line) {
                Ok(1..) if sender.send(line).is_ok() => {}
                _ => return,
            }
        }
    });
    receiver
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
