//! One run of a scenario.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mqtt_client_core::codec::Version;
use mqtt_client_core::{
    ClientError, ConnectError, Failure, Offline, Options, OptionsBuilder, Reconnect, SESSION_NEVER_EXPIRES,
};

use crate::Adapter;
use crate::secrets::{PASSWORD, USER, told};

/// Numbers the names that have to differ from all others at a broker.
static NAMES: AtomicU32 = AtomicU32::new(0);

/// One run of a scenario: over an adapter, in a protocol version.
#[derive(Debug)]
pub struct Case<A> {
    /// The adapter.
    pub adapter: A,
    /// The protocol version.
    pub version: Version,
}

impl<A: Adapter> Case<A> {
    /// Starts the adapter.
    pub fn start(version: Version) -> Self {
        Case { adapter: A::start(), version }
    }

    /// Options to build on: the version, a reconnect without much waiting, and a password that nobody may hear of.
    pub fn options(&self, url: &str) -> OptionsBuilder {
        Options::builder()
            .credentials(USER, Some(PASSWORD.as_bytes()))
            .url(url)
            .version(self.version)
            .reconnect(Reconnect {
                first_wait: Duration::from_millis(20),
                max_wait: Duration::from_millis(100),
                ..Reconnect::default()
            })
    }

    /// The same with a session that outlives its connections, for this client id.
    pub fn persistent(&self, url: &str, client_id: &str) -> OptionsBuilder {
        self.options(url).client_id(client_id).clean_start(false).session_expiry(SESSION_NEVER_EXPIRES)
    }

    /// A connected client with the options to build on.
    ///
    /// # Panics
    /// When it can't connect.
    #[track_caller]
    pub fn connect(&self, url: &str) -> A::Client {
        self.connect_with(self.options(url))
    }

    /// A connected client.
    ///
    /// # Panics
    /// When it can't connect.
    #[track_caller]
    pub fn connect_with(&self, options: OptionsBuilder) -> A::Client {
        let options = told(options.build().expect("the scenario's options make sense"));
        match self.adapter.connect(options) {
            Ok(client) => client,
            Err(error) => panic!("can't connect: {error}"),
        }
    }

    /// How connecting fails for good.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn failure(&self, options: OptionsBuilder) -> Failure {
        match self.adapter.connect(told(options.build().expect("the scenario's options make sense"))) {
            Err(ClientError::Offline(Offline::GaveUp(ConnectError { failure, .. }))) => failure,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it connected"),
        }
    }

    /// A client that has not been told to connect.
    pub fn client(&self, options: OptionsBuilder) -> A::Client {
        self.adapter.client(told(options.build().expect("the scenario's options make sense")))
    }

    /// A name that nobody else uses at any broker: for topics and client ids.
    pub fn unique(&self, name: &str) -> String {
        format!("{name}{}x{}", process::id(), NAMES.fetch_add(1, Ordering::Relaxed))
    }
}
