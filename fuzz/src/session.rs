//! Sessions in the stories of `mqtt-session-model`: beside its reference model, with a store that fails and a peer that
//! breaks any rule, or with an honest server behind a bad link. And, as no model can foretell everything, a session that is sent any packet there
//! is.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use mqtt_codec::{Connect, Side, Text, Version};
use mqtt_session::{Config, Duty, Event, Output, Phase, Session, Timestamp};
use mqtt_session_model::{delivery, lockstep};

use crate::generate;

/// More than this can never wait: the high water of publishes, the hard cap of acknowledgements, one packet each.
const MOST_OUTPUT: usize = 2 * 1024 * 1024;

/// The first byte chooses the kind of story.
///
/// # Panics
///
/// That is a finding.
pub fn run(input: &[u8]) {
    match input {
        [0..128, story @ ..] => _ = lockstep::run(story),
        [128..208, story @ ..] => delivery::run(story),
        [_, packets @ ..] => any_packets(packets),
        [] => {}
    }
}

/// Packets of all kinds, whole or damaged: nothing but errors that latch, output with a bound, one end for each
/// connection.
fn any_packets(input: &[u8]) {
    let mut u = Unstructured::new(input);
    let Ok(mut victim) = Victim::new(&mut u) else { return };
    while !u.is_empty() && victim.act(&mut u).is_ok() {}
    victim.session.handle_closed(victim.now);
    victim.listen();
    assert_eq!(victim.opened, victim.ended, "each connection has one end");
}

struct Victim {
    session: Session,
    version: Version,
    now: Timestamp,
    output: Output,
    opened: u32,
    ended: u32,
}

impl Victim {
    fn new(u: &mut Unstructured<'_>) -> Result<Self> {
        let version = *u.choose(&[Version::V311, Version::V5])?;
        let config = Config { version, max_inbound: 8, trace: u.arbitrary()?, ..Config::default() };
        let (session, output) = (Session::new(config), Output::new());
        Ok(Self { session, version, now: Timestamp::ZERO, output, opened: 0, ended: 0 })
    }

    fn act(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        if self.session.phase() == Phase::Closed {
            let mut connect = Connect::new(self.version, Text::from_static("fuzz").expect("plain ASCII"));
            connect.clean_start = u.arbitrary()?;
            self.session.handle_opened(self.now, connect).expect("nothing in it is to be refused");
            self.opened += 1;
        }
        let mut input = BytesMut::from(&packet(u, self.version)?[..]);
        let error = loop {
            match self.session.handle_input(self.now, &mut input) {
                Ok(0) => break None,
                Ok(_) => {}
                Err(error) => break Some(error),
            }
        };
        if let Some(error) = error {
            let again = self.session.handle_input(self.now, &mut BytesMut::from(&b"\xd0\x00"[..]));
            assert_eq!(again, Err(error), "an error is latched");
        }
        self.now += Duration::from_millis(u.int_in_range(0..=1_000)?);
        self.session.handle_timeout(self.now);
        let duty = self.session.poll_io(self.now, &mut self.output);
        assert!(self.output.len() < MOST_OUTPUT, "{} bytes of output", self.output.len());
        if u.ratio(3, 4)? {
            let written = self.output.len();
            self.output.advance(written);
            self.session.handle_written(self.now, written);
        }
        if duty == Duty::Close {
            self.session.handle_closed(self.now);
            self.output.clear();
        }
        self.listen();
        Ok(())
    }

    fn listen(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.ended += u32::from(matches!(event, Event::Disconnected(_)));
        }
    }
}

/// Any packet of a server, or none.
fn packet(u: &mut Unstructured<'_>, version: Version) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    generate::packet(u, version, Side::Server)?
        .encode(version, &mut bytes)
        .expect("a generated packet is legal");
    if u.ratio(1, 16)? {
        let at = u.choose_index(bytes.len())?;
        bytes[at] = u.arbitrary()?;
    }
    Ok(bytes)
}
