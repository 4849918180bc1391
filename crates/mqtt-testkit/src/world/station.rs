//! A client's driver and its simulated socket.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use mqtt_client_core::{Client, Driver, Duty, Options, Preparing, StoreError, Storing};
use mqtt_session::{Output, Timestamp};

use crate::broker::ConnId;
use crate::link::LinkConfig;

use super::network::Network;
use super::task::Flag;

/// How long a store takes for a batch.
const COMMIT: Duration = Duration::from_millis(1);

/// Does for one client what an adapter's tasks or threads do.
pub(super) struct Station {
    pub(super) client_id: String,

    /// `None` once it has ended.
    driver: Option<Driver>,
    /// Raised by the core when it wants to be asked for duties.
    wake: Arc<Flag>,
    waker: Waker,
    /// Serves the client's store, if it has one.
    storing: Option<Storing>,
    /// The store is at work until then.
    stored: Option<Timestamp>,
    transport: Transport,
    output: Output,
    input: BytesMut,
    deadline: Option<Timestamp>,
    /// Whether the core wants input now.
    reading: bool,
    /// Something happened, so that the core has to be asked for duties.
    news: bool,
}

enum Transport {
    None,
    /// The application is asked what the attempt uses.
    Preparing(Preparing),
    Dialing {
        until: Timestamp,
        link: LinkConfig,
    },
    Open(ConnId),
}

impl Station {
    pub(super) fn new(options: Options, seed: u64) -> Result<(Client, Self), StoreError> {
        let (wake, waker) = Flag::raised();
        let (client, mut driver) = Driver::new(options, seed, waker.clone())?;
        let station = Self {
            client_id: client.client_id(),
            storing: driver.take_storing(),
            stored: None,
            driver: Some(driver),
            wake,
            waker,
            transport: Transport::None,
            output: Output::new(),
            input: BytesMut::new(),
            deadline: None,
            reading: false,
            news: true,
        };
        Ok((client, station))
    }

    /// The process dies: the store is not told what it was not told yet, and the connection breaks.
    pub(super) fn kill(mut self, network: &mut Network) {
        if let Transport::Open(id) = self.transport {
            network.hang_up(id);
        }
        drop(self.storing.take());
    }

    /// When there is something to do.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Timestamp> {
        let dialing = match self.transport {
            Transport::Dialing { until, .. } => Some(until),
            Transport::None | Transport::Preparing(_) | Transport::Open(_) => None,
        };
        self.deadline.into_iter().chain(dialing).chain(self.stored)
    }

    /// Tells the core what has happened, and does what it then wants. Returns whether there was anything.
    pub(super) fn turn(&mut self, now: Timestamp, network: &mut Network) -> bool {
        let mut used = self.store(now);
        let Some(mut driver) = self.driver.take() else { return used };
        self.tell(now, network, &mut driver);
        self.news |= self.wake.lower();
        if !core::mem::take(&mut self.news) {
            self.driver = Some(driver);
            return used;
        }
        used = true;
        match driver.poll_io(now, &mut self.output) {
            Duty::Wait { deadline, read, .. } => {
                self.deadline = deadline;
                self.reading = read;
            }
            Duty::Gather | Duty::GiveWay => self.news = true,
            Duty::Resume => self.parse(now, &mut driver),
            Duty::Prepare(preparation) => {
                self.transport = Transport::Preparing(preparation.into_future());
                self.news = true;
            }
            Duty::Authenticate(step) => {
                driver.handle_authenticated(now, Some(step.run(no_chance)));
                self.news = true;
            }
            Duty::Dial(_) => {
                let link = network.dial(now);
                self.transport = Transport::Dialing { until: now + link.delay * 2, link };
                self.news = true;
            }
            Duty::Close => self.close(now, network, &mut driver),
            Duty::Stop => {
                if let Transport::Open(id) = self.transport {
                    network.hang_up(id);
                }
                return true;
            }
        }
        self.driver = Some(driver);
        used
    }

    /// Does what the store's thread does. Returns whether there was anything.
    fn store(&mut self, now: Timestamp) -> bool {
        let Some(storing) = &mut self.storing else { return false };
        match self.stored {
            Some(at) if at > now => false,
            Some(_) => {
                self.stored = None;
                storing.finish();
                true
            }
            None => {
                let begun = storing.begin();
                self.stored = begun.then(|| now + COMMIT);
                begun
            }
        }
    }

    /// Facts: a deadline, the end of a dial, input, room for output, the end of the connection.
    fn tell(&mut self, now: Timestamp, network: &mut Network, driver: &mut Driver) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            driver.handle_timeout(now);
            self.news = true;
        }
        match &mut self.transport {
            Transport::None => {}
            Transport::Preparing(preparing) => {
                if let Poll::Ready(answer) = preparing.as_mut().poll(&mut Context::from_waker(&self.waker)) {
                    self.transport = Transport::None;
                    driver.handle_prepared(now, Some(answer));
                    self.news = true;
                }
            }
            Transport::Dialing { until, .. } if *until > now => {}
            Transport::Dialing { link, .. } => {
                match network.open(now, link.clone()) {
                    Some(id) => {
                        self.transport = Transport::Open(id);
                        driver.handle_dialed(now);
                    }
                    None => {
                        self.transport = Transport::None;
                        let error = io::Error::from(io::ErrorKind::ConnectionRefused);
                        driver.handle_dial_failed(now, "connecting", error);
                    }
                }
                self.news = true;
            }
            Transport::Open(id) => {
                let id = *id;
                self.write(now, id, network, driver);
                if self.reading && network.receive(now, id, &mut self.input) > 0 {
                    self.parse(now, driver);
                }
                // Writing notices the end as well as reading does.
                if (self.reading || !self.output.is_empty()) && network.is_ended(id) {
                    self.close(now, network, driver);
                }
            }
        }
    }

    fn write(&mut self, now: Timestamp, id: ConnId, network: &mut Network, driver: &mut Driver) {
        let mut written = 0;
        for chunk in self.output.chunks() {
            let taken = network.send(now, id, chunk);
            written += taken;
            if taken < chunk.len() {
                break;
            }
        }
        if written > 0 {
            self.output.advance(written);
            driver.handle_written(now, written);
            self.news = true;
        }
    }

    fn parse(&mut self, now: Timestamp, driver: &mut Driver) {
        while driver.handle_input(now, &mut self.input) > 0 {}
        self.news = true;
    }

    /// The transport is gone, or is given up.
    fn close(&mut self, now: Timestamp, network: &mut Network, driver: &mut Driver) {
        if let Transport::Open(id) = self.transport {
            network.hang_up(id);
        }
        self.transport = Transport::None;
        self.output.clear();
        self.input.clear();
        driver.handle_closed(now, None);
        self.news = true;
    }
}

/// What a world has of randomness besides its seeds: the same for everybody.
fn no_chance(bytes: &mut [u8]) -> io::Result<()> {
    bytes.fill(7);
    Ok(())
}
