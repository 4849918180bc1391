//! A mosquitto of one's own.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::{PATIENCE, until};

/// Debian installs it where only an administrator's `PATH` leads.
const PROGRAMS: [&str; 2] = ["mosquitto", "/usr/sbin/mosquitto"];
/// What to do about it when it is missing.
const INSTALL: &str =
    "apt-get update && apt-get install -y --no-install-recommends mosquitto mosquitto-clients";
/// Below the ports that the system gives to outgoing connections: a client that dials a stopped mosquitto must not find
/// some other client there, or itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Ports handed out by this process.
static TAKEN: AtomicU16 = AtomicU16::new(0);

/// A running mosquitto with a store of its own: persistent, unlimited queues, everything else as it comes. Dropping it
/// stops it, and removes the store.
#[derive(Debug)]
pub struct Mosquitto {
    folder: PathBuf,
    port: u16,
    running: Option<Child>,
}

impl Mosquitto {
    /// Starts one on a free port, and waits until it listens.
    ///
    /// # Panics
    /// When it is not installed (the message says how to install it), or does not start.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same with more lines in its configuration.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with(lines: &str) -> Self {
        let mut last_words = String::new();
        for _ in 0..10 {
            let port = free_port();
            let folder = std::env::temp_dir().join(format!("mqtt-scenarios-{}-{port}", process::id()));
            // A process of this number may have been killed and have left its sessions behind.
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).expect("the folder for temporary files can be written to");
            let mut mosquitto = Mosquitto { folder, port, running: None };
            mosquitto.configure(lines).expect("the folder for temporary files can be written to");
            if mosquitto.launch() {
                return mosquitto;
            }
            last_words = mosquitto.log();
        }
        panic!("mosquitto does not start: {last_words}");
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// A folder that goes with it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.addr())
    }

    /// Ends it by SIGTERM, upon which it stores its sessions, and waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        terminate(&running).expect("a shell can be run");
        until("mosquitto has ended", || running.try_wait().is_ok_and(|status| status.is_some()));
    }

    /// Stops it, and starts it again with what it has stored.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.launch(), "mosquitto does not start again:\n{}", self.log());
    }

    fn configure(&self, more: &str) -> io::Result<()> {
        // Without `user root`, one that was started by root becomes a user who may not write to our folder.
        let folder = self.folder.display();
        let port = self.port;
        let lines = format!(
            "listener {port} 127.0.0.1\n\
             allow_anonymous true\n\
             persistence true\n\
             persistence_location {folder}/\n\
             max_queued_messages 0\n\
             user root\n\
             {more}\n"
        );
        fs::write(self.folder.join("mosquitto.conf"), lines)
    }

    /// Returns whether it listens; it does not when somebody else has taken the port. Its own word counts: a connection would
    /// be taken by that other one, too.
    fn launch(&mut self) -> bool {
        let said_before = self.log().len();
        let mut running = self.spawn();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && running.try_wait().is_ok_and(|status| status.is_none()) {
            if self.log().get(said_before..).is_some_and(|said| said.contains(" running\n")) {
                self.running = Some(running);
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        // It has ended, or will not come to anything.
        let _ = running.kill();
        let _ = running.wait();
        false
    }

    fn spawn(&self) -> Child {
        let log = || {
            let file = File::options().create(true).append(true).open(self.log_file());
            file.expect("the folder for temporary files can be written to")
        };
        for program in PROGRAMS {
            let mut command = Command::new(program);
            command.arg("-c").arg(self.folder.join("mosquitto.conf"));
            match command.stdin(Stdio::null()).stdout(log()).stderr(log()).spawn() {
                Ok(running) => return running,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => panic!("{program}: {error}"),
            }
        }
        panic!("mosquitto is not installed; install it with: {INSTALL}")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // Nobody wants its store any more.
            let _ = running.kill();
            let _ = running.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// SIGTERM by the shell's own `kill`: every machine has one, and the program of that name is often missing.
fn terminate(running: &Child) -> io::Result<()> {
    let kill = format!("kill -TERM {}", running.id());
    let status = Command::new("sh").arg("-c").arg(kill).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("kill failed")) }
}

/// A port that nobody listens on at this moment. Processes start at different places, lest they race.
pub(crate) fn free_port() -> u16 {
    let range = u32::from(PORTS.end - PORTS.start);
    loop {
        let taken = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        let offset = (process::id().wrapping_mul(97) + taken) % range;
        let port = PORTS.start + offset as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
