//! A session with a loop written by hand over a plain socket: subscribes to a topic, publishes to it at each QoS,
//! waits until all of it has come back, and disconnects.
//!
//! ```text
//! cargo run -p mqtt-session --example session_loop -- localhost:1883 some/topic [3.1.1]
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "sockets and clocks belong to drivers"
)]

use std::error::Error;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{
    Connect, Disconnect, Publish, QoS, ReasonCode, SubscribeFilter, SubscriptionOptions, Text, TopicFilter,
    TopicName, Version,
};
use mqtt_session::{Command, Config, DisconnectCause, Duty, Event, Output, Session, Timestamp};

const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, topic, version) = match &arguments[..] {
        [address, topic] => (address, topic, Version::V5),
        [address, topic, version] if version == "3.1.1" => (address, topic, Version::V311),
        _ => {
            eprintln!("usage: session_loop HOST:PORT TOPIC [3.1.1]");
            return ExitCode::from(2);
        }
    };
    match talk(address, topic, version) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn talk(address: &str, topic: &str, version: Version) -> Result<(), Box<dyn Error>> {
    let mut application = Application::new(topic)?;
    let mut session = Session::new(Config { version, ..Config::default() });
    let connect = Connect {
        keep_alive: 60,
        ..Connect::new(version, Text::new(format!("session-loop-{}", std::process::id()))?)
    };
    let mut transport = TcpStream::connect(address)?;
    transport.set_nodelay(true)?;
    run(&mut session, connect, &mut transport, &mut application)?;
    application.verdict()
}

/// Moves bytes between the transport and the session until the connection is over.
fn run(
    session: &mut Session,
    connect: Connect,
    transport: &mut TcpStream,
    application: &mut Application,
) -> Result<(), Box<dyn Error>> {
    let epoch = Instant::now();
    let now = || Timestamp::ZERO + epoch.elapsed();
    let (mut input, mut output) = (BytesMut::new(), Output::new());
    let mut buffer = vec![0; 64 * 1024];
    session.handle_opened(now(), connect)?;
    let result = loop {
        while let Some(event) = session.poll_event() {
            application.handle(session, event)?;
        }
        let duty = session.poll_io(now(), &mut output);
        if !output.is_empty() {
            let chunks: Vec<IoSlice<'_>> = output.chunks().map(IoSlice::new).collect();
            match transport.write_vectored(&chunks) {
                Ok(bytes) => {
                    output.advance(bytes);
                    session.handle_written(now(), bytes);
                    continue;
                }
                Err(error) => break Err(error),
            }
        }
        let Duty::Wait(deadline) = duty else { break Ok(()) };
        let patience =
            deadline.map(|deadline| deadline.at.saturating_since(now()).max(Duration::from_millis(1)));
        transport.set_read_timeout(patience)?;
        match transport.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                input.extend_from_slice(&buffer[..count]);
                // A protocol error is in the Disconnected event as well; poll_io knows the last words.
                while session.handle_input(now(), &mut input).is_ok_and(|taken| taken > 0) {}
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                session.handle_timeout(now());
            }
            Err(error) => break Err(error),
        }
    };
    session.handle_closed(now());
    while let Some(event) = session.poll_event() {
        application.handle(session, event)?;
    }
    Ok(result?)
}

/// What is done about events.
struct Application {
    topic: TopicName,
    filter: TopicFilter,
    published: usize,
    received: usize,
    cause: Option<DisconnectCause>,
}

impl Application {
    fn new(topic: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            topic: TopicName::new(topic)?,
            filter: TopicFilter::new(topic)?,
            published: 0,
            received: 0,
            cause: None,
        })
    }

    fn handle(&mut self, session: &mut Session, event: Event) -> Result<(), Box<dyn Error>> {
        match event {
            Event::Connected(connected) => {
                println!("connected, session present: {}", connected.session_present);
                let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
                let filters = vec![SubscribeFilter { filter: self.filter.clone(), options }];
                session.submit(Command::Subscribe { tag: 0, filters, properties: Default::default() })?;
            }
            Event::Subscribed { result, .. } => {
                println!("subscribed: {:?}", result?.reasons);
                for qos in ALL_QOS {
                    let payload = format!("hello at {qos}");
                    let publish = Publish { qos, ..Publish::new(self.topic.clone(), payload.into_bytes()) };
                    session.submit(Command::Publish { tag: u64::from(qos.as_u8()), publish })?;
                }
            }
            Event::Published { tag, result, .. } => {
                println!("published at QoS {tag}: {result:?}");
                self.published += 1;
            }
            Event::Message(inbound) => {
                println!("received: {}", String::from_utf8_lossy(inbound.publish.payload()));
                if let Some(token) = inbound.token {
                    session.acknowledge(token, ReasonCode::Success);
                }
                self.received += 1;
            }
            Event::Refused(connack) => println!("refused: {}", connack.reason),
            Event::Disconnected(cause) => {
                println!("{cause}");
                self.cause = Some(cause);
                return Ok(());
            }
            other => println!("{other:?}"),
        }
        if self.published == ALL_QOS.len() && self.received == ALL_QOS.len() {
            self.published = 0;
            session.submit(Command::Disconnect(Disconnect::new(ReasonCode::Success)))?;
        }
        Ok(())
    }

    fn verdict(self) -> Result<(), Box<dyn Error>> {
        match self.cause {
            Some(DisconnectCause::ByUs) if self.received == ALL_QOS.len() => Ok(()),
            Some(cause) => Err(format!("it ended too early: {cause}").into()),
            None => Err("it ended without an end".into()),
        }
    }
}
