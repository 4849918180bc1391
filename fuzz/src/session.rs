//! A session between a driver, an application and a server that act in any order the input says.
//!
//! The server is either honest, and then the session may find no fault with it and every message keeps its promise
//! ([`server`]), or it sends garbage too, and then the session must end the connection without harm.

mod application;
mod server;

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use mqtt_codec::{Connect, Side, Text, Version};
use mqtt_session::{Config, Duty, Output, Phase, Session, Timestamp};

use crate::generate;
use application::Application;
use server::Server;

/// More than this can never wait: the high water of publishes, the hard cap of acknowledgements, one packet each.
const MOST_OUTPUT: usize = 2 * 1024 * 1024;

/// Lets everybody act as the input says until it is used up, then closes and checks that nothing is left over.
///
/// # Panics
///
/// That is a finding.
pub fn run(input: &[u8]) {
    let mut u = Unstructured::new(input);
    let Ok(mut world) = World::new(&mut u) else { return };
    while !u.is_empty() {
        if world.act(&mut u).is_err() {
            break;
        }
    }
    world.close();
    world.application.drain(&mut world.session, usize::MAX);
    world.application.check_end(&world.session, &world.server);
}

/// All who act, and the two directions of the wire between them.
struct World {
    session: Session,
    application: Application,
    server: Server,
    is_hostile: bool,
    version: Version,
    /// A clean start was asked for, and whether the server has seen it is unknown: it has to be asked for again, or a
    /// new session of the server's would be taken for the old one.
    owes_clean_start: bool,
    now: Timestamp,
    /// From the session to the transport.
    output: Output,
    /// From the server to the session: sent, and arrived.
    wire: Vec<u8>,
    input: BytesMut,
}

impl World {
    fn new(u: &mut Unstructured<'_>) -> Result<Self> {
        let version = *u.choose(&[Version::V311, Version::V5])?;
        let config = Config {
            version,
            max_in_flight: u.int_in_range(0..=4)?,
            max_inbound: u.int_in_range(0..=4)?,
            trace: u.arbitrary()?,
            ..Config::default()
        };
        let is_hostile = u.ratio(1, 3)?;
        Ok(Self {
            application: Application::new(is_hostile),
            server: Server::new(&config, is_hostile),
            is_hostile,
            version,
            owes_clean_start: false,
            session: Session::new(config),
            now: Timestamp::ZERO,
            output: Output::new(),
            wire: Vec::new(),
            input: BytesMut::new(),
        })
    }

    fn act(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=15)? {
            0 | 1 if self.session.phase() == Phase::Closed => self.open(u)?,
            0 if u.ratio(1, 8)? => self.close(),
            0..=3 => self.write(u)?,
            4..=6 => self.wire.extend(self.server.reply(u)?),
            7 => self.wire.extend(self.server.publish(u)?),
            8 | 9 => self.read(u)?,
            10 => self.application.submit(&mut self.session, self.version, u)?,
            11 => self.application.acknowledge(&mut self.session, u)?,
            12 => self.wait(u)?,
            13 if self.is_hostile && u.ratio(1, 4)? => self.wire.extend(garbage(u, self.version)?),
            _ => {}
        }
        if u.ratio(3, 4)? {
            self.poll();
        }
        if u.ratio(1, 2)? {
            let most = u.int_in_range(1..=8)?;
            self.application.drain(&mut self.session, most);
        }
        Ok(())
    }

    fn open(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let client_id = Text::from_static("fuzz").expect("plain ASCII");
        let mut connect = Connect::new(self.version, client_id);
        connect.clean_start = self.owes_clean_start || u.ratio(1, 4)?;
        self.owes_clean_start = connect.clean_start;
        connect.keep_alive = u.int_in_range(0..=20)?;
        if self.version == Version::V5 && u.ratio(3, 4)? {
            connect.properties.set_session_expiry_interval(u.int_in_range(0..=2)? * 100);
        }
        self.session.handle_opened(self.now, connect).expect("nothing in it is to be refused");
        self.server.open();
        self.application.opened();
        Ok(())
    }

    fn close(&mut self) {
        self.session.handle_closed(self.now);
        self.session.handle_closed(self.now);
        assert_eq!(self.session.phase(), Phase::Closed);
        self.server.close();
        self.output.clear();
        self.wire.clear();
        self.input.clear();
    }

    /// The transport takes some of the output, and the server reads it.
    fn write(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let len = self.output.len();
        let taken = if u.ratio(3, 4)? { len } else { u.int_in_range(0..=len)? };
        let bytes: Vec<u8> = self.output.chunks().flatten().copied().take(taken).collect();
        assert_eq!(bytes.len(), taken, "the chunks hold less than the length says");
        self.output.advance(taken);
        self.session.handle_written(self.now, taken);
        self.server.receive(&bytes);
        Ok(())
    }

    /// Some of what is on the wire arrives.
    fn read(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let len = self.wire.len();
        let arrived = if u.ratio(3, 4)? { len } else { u.int_in_range(0..=len)? };
        self.input.extend(self.wire.drain(..arrived));
        loop {
            match self.session.handle_input(self.now, &mut self.input) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    assert!(self.is_hostile, "an honest server is blamed: {error}");
                    let again = self.session.handle_input(self.now, &mut BytesMut::from(&b"\xd0\x00"[..]));
                    assert_eq!(again, Err(error), "an error is latched");
                    break;
                }
            }
        }
        if self.session.phase() == Phase::Ready {
            self.owes_clean_start = false;
            self.server.seen();
        }
        Ok(())
    }

    fn wait(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.now += Duration::from_millis(u.int_in_range(0..=20_000)?);
        self.session.handle_timeout(self.now);
        Ok(())
    }

    /// Drains the duties. A deadline that has passed is dealt with, and then it is never the same one again: else a
    /// driver would spin.
    fn poll(&mut self) {
        for _ in 0..8 {
            match self.session.poll_io(self.now, &mut self.output) {
                Duty::Close => return self.close(),
                Duty::Wait(Some(deadline)) if deadline.at <= self.now => {
                    self.session.handle_timeout(self.now)
                }
                Duty::Wait(_) => {
                    assert!(self.output.len() < MOST_OUTPUT, "{} bytes of output", self.output.len());
                    return;
                }
            }
        }
        panic!("at {} the deadline stays in the past", self.now);
    }
}

/// Bytes that no honest server would send now, as a rule: any packet, or no packet at all.
fn garbage(u: &mut Unstructured<'_>, version: Version) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if u.ratio(3, 4)? {
        let packet = generate::packet(u, version, Side::Server)?;
        packet.encode(version, &mut bytes).expect("a generated packet is legal");
        if u.ratio(1, 8)? {
            let at = u.choose_index(bytes.len())?;
            bytes[at] = u.arbitrary()?;
        }
    } else {
        for _ in 0..u.int_in_range(1..=8)? {
            bytes.push(u.arbitrary()?);
        }
    }
    Ok(bytes)
}
