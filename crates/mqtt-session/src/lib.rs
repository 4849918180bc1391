//! One MQTT client session, 3.1.1 and 5.0, without a socket, a clock or a thread.
//!
//! Bytes, moments and commands go in; bytes, deadlines and events come out. A [`Session`] lives through any number of
//! connections and knows what each of them means for the messages under way: what is resent, in which order, what is
//! acknowledged to whom, what is lost. When to connect again, and to whom, is its caller's business.
//!
//! # Contract
//!
//! Two parties share a session, which may be one and the same piece of code. The **driver** owns the transport and
//! the clock; the **application** publishes and listens.
//!
//! | calls | by | meaning |
//! | --- | --- | --- |
//! | [`handle_opened`](Session::handle_opened), [`handle_input`](Session::handle_input), [`handle_written`](Session::handle_written), [`handle_closed`](Session::handle_closed), [`handle_timeout`](Session::handle_timeout) | driver | facts: a transport is open, bytes came, bytes left, the transport is gone, the deadline has come |
//! | [`poll_io`](Session::poll_io) | driver | duties: bytes to write, and what to do besides ([`Duty`]) |
//! | [`submit`](Session::submit), [`send`](Session::send), [`acknowledge`](Session::acknowledge) | application | wishes |
//! | [`poll_event`](Session::poll_event) | application | news, one at a time |
//! | [`poll_store`](Session::poll_store), [`handle_stored`](Session::handle_stored), [`handle_store_failed`](Session::handle_store_failed) | driver | only with [`Config::durable`]: [`Operation`]s for a store, and what became of them |
//! | [`snapshot`](Session::snapshot), [`restore`](Session::restore) | driver | the session as [`Record`]s, and a session that goes on from them, in another process too |
//!
//! - **Any call is legal at any time**, in any order, before any drain. Input may come in any chunks: the result is
//!   the same. Duties and news are two queues: an application that stops listening holds up neither a PINGREQ nor
//!   the acknowledgements that are due.
//! - **The driver's round**: hand in facts; have the application take its events; call `poll_io`; write the
//!   [`Output`], and report each write (`handle_written`) as well as to the output itself ([`Output::advance`]). After
//!   a write there may be more to send and more to tell: go round again. With nothing left to write, wait for input, a
//!   wish or the [`Deadline`]; what has arrived meanwhile is handed in before the deadline is. On [`Duty::Close`]
//!   close the transport.
//! - **When the transport is gone**, for whatever reason, call `handle_closed`, clear the output and the input buffer.
//!   The connection's last event is [`Event::Disconnected`], exactly one for each `handle_opened`.
//! - **Every command ends in exactly one event**, which echoes its [`Tag`]; a command that is refused comes back in the
//!   error, unharmed, and ends in none. Dropping an interest means ignoring the event: nothing can be taken back.
//! - **Every message of QoS 1 and 2 wants one [`acknowledge`](Session::acknowledge)**, in any order; the session keeps
//!   the order of the protocol. A message whose token stays unanswered holds up the acknowledgements behind it, of its
//!   QoS, and in time the server's sending.
//! - **An error latches.** When the peer breaks the protocol, `handle_input` returns the same [`ProtocolError`] until
//!   the next `handle_opened`. In 5.0 a DISCONNECT with the reason is the last output.
//! - **Time** is the driver's [`Timestamp`], which goes into `handle_*` and `poll_io`. It never runs backwards here,
//!   whatever the driver says, and a call that comes too early does nothing.
//!
//! # A complete loop
//!
//! ```no_run
//! use std::io::{self, IoSlice, Read, Write};
//! use std::net::TcpStream;
//! use std::time::{Duration, Instant};
//!
//! use mqtt_session::codec::{Connect, Text, Version, bytes::BytesMut};
//! use mqtt_session::{Config, Duty, Event, Output, Session, Timestamp};
//!
//! /// Runs one connection to its end. `epoch` is the same for all connections of a session.
//! fn run(
//!     session: &mut Session,
//!     connect: Connect,
//!     transport: &mut TcpStream,
//!     epoch: Instant,
//!     mut application: impl FnMut(&mut Session, Event),
//! ) -> io::Result<()> {
//!     let now = || Timestamp::ZERO + epoch.elapsed();
//!     let (mut input, mut output) = (BytesMut::new(), Output::new());
//!     session.handle_opened(now(), connect).map_err(io::Error::other)?;
//!
//!     let result = loop {
//!         while let Some(event) = session.poll_event() {
//!             application(session, event);
//!         }
//!         let duty = session.poll_io(now(), &mut output);
//!         if !output.is_empty() {
//!             let chunks: Vec<IoSlice> = output.chunks().map(IoSlice::new).collect();
//!             match transport.write_vectored(&chunks) {
//!                 Ok(bytes) => {
//!                     output.advance(bytes);
//!                     session.handle_written(now(), bytes);
//!                     continue;
//!                 }
//!                 Err(error) => break Err(error),
//!             }
//!         }
//!         let Duty::Wait(deadline) = duty else { break Ok(()) };
//!         let patience = deadline.map(|deadline| deadline.at.saturating_since(now()).max(Duration::from_millis(1)));
//!         transport.set_read_timeout(patience)?;
//!         let mut bytes = [0; 16 * 1024];
//!         match transport.read(&mut bytes) {
//!             Ok(0) => break Ok(()),
//!             Ok(count) => {
//!                 input.extend_from_slice(&bytes[..count]);
//!                 // An error is no reason to stop: poll_io knows the last words.
//!                 while session.handle_input(now(), &mut input).is_ok_and(|taken| taken > 0) {}
//!             }
//!             Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
//!                 session.handle_timeout(now());
//!             }
//!             Err(error) => break Err(error),
//!         }
//!     };
//!     session.handle_closed(now());
//!     while let Some(event) = session.poll_event() {
//!         application(session, event);
//!     }
//!     result
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut session = Session::new(Config { version: Version::V5, ..Config::default() });
//! let connect = Connect::new(Version::V5, Text::new("me")?);
//! let mut transport = TcpStream::connect("localhost:1883")?;
//! run(&mut session, connect, &mut transport, Instant::now(), |_, event| println!("{event:?}"))?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/session_loop.rs` publishes and receives with such a loop.
//!
//! # Topic aliases
//!
//! An alias (5.0) is how one connection shows a message, and nothing more: whatever is handed in, kept, resent and told
//! has its full topic and no alias. A publish that brings one of its own is refused ([`Refusal::TopicAlias`]).
//!
//! - **Outgoing**, the session gives aliases to topics of 8 bytes and more, where one saves bytes from its first repetition
//!   on: the first publish sets it beside the topic, further ones carry three bytes in its place. When all are given out
//!   (the server's Topic Alias Maximum, [`Config::max_outbound_aliases`]), every eighth publish without one is given the
//!   least recently used: so it does not change hands for nothing where more topics than aliases take turns. Setting one
//!   never makes a packet too large for the server.
//! - **Inbound**, as many are taken as [`Config::topic_alias_maximum`] announces. One above it is answered by 0x94, one that
//!   was never set by 0x82.
//!
//! # Storing
//!
//! A session with [`Config::durable`] survives the end of its process, however sudden. Whatever changes in it is handed out
//! as a batch of small [`Operation`]s, each of which puts or deletes one [`Record`]; a store needs to know nothing but
//! [`Key::to_bytes`] and [`Record::encode`]. `examples/durable.rs` keeps a session in a map.
//!
//! - **The round**: after any other call, call [`poll_store`](Session::poll_store) as well as `poll_io`. Give a batch to the
//!   store, which does all of it or nothing, and report with [`handle_stored`](Session::handle_stored); both may take their
//!   time, in another thread. One batch is out while the next one gathers, so that one commit serves many messages.
//! - **A barrier, not a pause.** What relies on a batch waits for the report, what relies on nothing overtakes it: pings,
//!   QoS 0, inbound QoS 1. The same holds for what a new connection sends again.
//! - **After a crash** the store's records make a new session ([`restore`](Session::restore)), which the server resumes.
//!
//! | kept | from | to | waits for the store | after a crash |
//! | --- | --- | --- | --- | --- |
//! | outgoing publish | [`Command::Publish`] | its end | PUBLISH | sent again with its tag and its identifier, with DUP, whether or not it had been sent |
//! | its confirmation | PUBREC | PUBCOMP | PUBREL | PUBREL is sent again |
//! | inbound QoS 2 message | PUBLISH | PUBREL | [`Event::Message`] | told again when the server repeats it, with the same [`delivery id`](Token::delivery_id) |
//! | its acknowledgement | `acknowledge` | PUBREL | PUBREC | not told again |
//! | its end | PUBREL | | PUBCOMP | |
//! | loss of the server's session | CONNACK | | SUBSCRIBE, UNSUBSCRIBE, publishes | |
//!
//! So a publish is received at least once (QoS 1) or exactly once (QoS 2) if the store had it; one that had not come so far
//! was never sent, and its tag is in no record of the [`snapshot`](Session::snapshot). A message of QoS 2 that was
//! acknowledged is never told again, and one that was not is: an application that stores the delivery id together with what
//! it made of the message works on it exactly once. One that is refused (5.0) is forgotten before PUBREC says so. A message
//! of QoS 1 is not stored, as the server repeats it until PUBACK. The end of a publish is told at once; after a crash it may
//! be told a second time.
//!
//! When the store fails, say so with [`handle_store_failed`](Session::handle_store_failed): nothing that relies on it is
//! sent or told any more, and new publishes of QoS 1 and 2 are refused. What a damaged, newer or contradictory record is
//! good for is a [`RestoreError`].
//!
//! # Message expiry
//!
//! The Message Expiry Interval of a publish (5.0) is counted down from the first [`poll_io`](Session::poll_io) after its
//! submission, through all that follows: behind a full output, and while there is no connection. One that nothing was
//! sent of until then ends as [`PublishEnd::Expired`], when its turn comes. One that was sent is seen through
//! [MQTT-4.3.3-7]: the server may have the message, and only the end of the exchange can tell. What goes out has the
//! interval that is left, and at least one second, since mosquitto 2.0.11 takes 0 for no expiry; what is told has the
//! caller's.
//!
//! # Phases
//!
//! What the session waits for is its [`Phase`]; what happens moves it on:
//!
//! | from | what happens | to | and then |
//! | --- | --- | --- | --- |
//! | `Closed` | `handle_opened` | `AwaitConnack` | CONNECT is sent |
//! | `AwaitConnack` | AUTH 0x18 (5.0), if CONNECT named a method | `AwaitAnswer` | [`Event::Challenged`] |
//! | `AwaitAnswer` | [`Command::AnswerChallenge`] | `AwaitConnack` | AUTH 0x18 is sent |
//! | `AwaitConnack`, `AwaitAnswer` | CONNACK, Success | `Ready` | losses, [`Event::Connected`]; what is due is resent |
//! | `AwaitConnack`, `AwaitAnswer` | CONNACK, 0x80 or above | `Closing` | [`Event::Refused`]; the transport is closed |
//! | `AwaitConnack`, `AwaitAnswer` | any other packet | `Closing` | the transport is closed |
//! | `AwaitConnack`, `AwaitAnswer` | [`Command::Disconnect`], if CONNECT named a method | `Closing` | DISCONNECT is sent |
//! | `Ready` | [`Command::Disconnect`] | `Closing` | what was submitted before is sent, then DISCONNECT |
//! | `Ready` | DISCONNECT (5.0) | `Closing` | the transport is closed |
//! | `Ready` | a packet that breaks a rule | `Closing` | 5.0: DISCONNECT with the reason is sent |
//! | `Ready` | no PINGRESP in time | `Closing` | the transport is closed |
//! | any but `Closed` | the transport takes nothing in time, or the peer does not read | `Closing` | the transport is closed |
//! | `Closing` | the output is written, or 5 s have passed | `Closing` | [`Duty::Close`] |
//! | any but `Closed` | `handle_closed` | `Closed` | [`Event::Disconnected`] |
//!
//! On a connection whose CONNECT named an Authentication Method, `Ready` has three states of its own; without a method
//! each of these packets and commands is an error or refused:
//!
//! | in `Ready`, an authentication is | AUTH 0x18 | AUTH 0x00 | [`Command::Reauthenticate`] | [`Command::AnswerChallenge`] |
//! | --- | --- | --- | --- | --- |
//! | not under way | error | error | AUTH 0x19; *the server's turn* | refused |
//! | the server's turn | [`Event::Challenged`]; *ours* | [`Event::Reauthenticated`]; *not under way* | refused | refused |
//! | ours | error | error | refused | AUTH 0x18; *the server's turn* |
//!
//! # Outgoing flows
//!
//! | a publish is | PUBACK | PUBREC < 0x80 | PUBREC ≥ 0x80 | PUBCOMP | resumed connection |
//! | --- | --- | --- | --- | --- | --- |
//! | unknown | ignored | PUBREL (5.0: 0x92) | ignored | ignored | |
//! | unsent | error | error | error | error | PUBLISH; expired: **ends** |
//! | QoS 1, sent | **ends** | error | error | error | PUBLISH with DUP |
//! | QoS 2, sent | error | PUBREL; *released* | **ends**, refused | error | PUBLISH with DUP |
//! | QoS 2, released | error | PUBREL | **ends**, refused | **ends** | PUBREL |
//!
//! PUBRELs go out first on a resumed connection, in the order of their PUBRECs, and are never held back; PUBLISHes
//! follow in their original order as the new Receive Maximum allows. A connection to a server that has no session any
//! more ends each of them as [`Event::PublishLost`].
//!
//! # Inbound flows
//!
//! | a message is | the same PUBLISH | PUBLISH of the other QoS | its answer's turn | PUBREL |
//! | --- | --- | --- | --- | --- |
//! | unknown | [`Event::Message`]; *open* | | | PUBCOMP (5.0: 0x92) |
//! | open, not answered by the application | silent | error | | error |
//! | answered, waiting for its turn | silent | error | PUBACK: **ends**; PUBREC: *recorded*, or **ends** if refused | error |
//! | QoS 2, recorded | PUBREC again, in turn | error | | PUBCOMP; **ends** |
//!
//! "Its turn" is the order of the PUBLISHes of the same QoS on this connection; a PUBREC's comes when no more than
//! [`Config::max_unreleased`] others wait for their PUBREL. A flow of an earlier connection is kept,
//! and answered only after this connection has shown its PUBLISH; until then a PUBLISH of the other QoS, or one of QoS 1
//! without DUP, begins anew, and a PUBREL for what was not recorded is that of an unknown message.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub use mqtt_codec as codec;

mod auth;
mod batch;
mod command;
mod config;
mod connection;
mod duty;
mod error;
mod event;
mod handshake;
mod held;
mod ids;
mod inbound;
mod inbound_aliases;
mod inbound_publish;
mod inbox;
mod incoming;
mod keep_alive;
mod lifetimes;
mod limits;
mod news;
mod outbound;
mod outbound_aliases;
mod output;
mod phase;
mod requests;
mod round_trip;
mod send_queue;
mod session;
mod store;
mod timestamp;
mod trace;
mod wire;
mod wishes;

pub use batch::{Batch, BatchForm};
pub use command::{Command, Refusal, Rejected, Tag};
pub use config::Config;
pub use duty::{Deadline, Duty, Timer};
pub use error::{ProtocolError, Violation};
pub use event::{Aborted, Connected, DisconnectCause, Event, Inbound, LastAck, PublishEnd, Stage};
pub use inbound::Token;
pub use inbound_publish::InboundPublish;
pub use limits::Limits;
pub use output::Output;
pub use phase::Phase;
pub use session::Session;
pub use store::{Fault, Key, Operation, Record, RestoreError};
pub use timestamp::Timestamp;
pub use trace::{Direction, PacketLine, PacketTrace, PayloadStart};
