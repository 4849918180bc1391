//! The handle: the core's calls, and the start of the thread that serves them.

use std::thread;

use mqtt_client_core as core;

use crate::transport::{Stream, connector};
use crate::{
    Callbacks, ClientError, Endpoint, Events, IntoOptions, RunningCallbacks, Subscription, Wait, driver,
};

/// Connects to a broker: a URL such as `mqtt://user:password@host:1883`, or [`Options`](crate::Options).
///
/// The connection is then kept, and made again when it breaks, until [`Client::disconnect`], or until the last handle is
/// dropped.
///
/// # Errors
/// The options make no sense, there is no thread to be had, or there is no connection: by default the first failure of the
/// first attempt is final; see [`Reconnect`](crate::Reconnect).
pub fn connect(options: impl IntoOptions) -> Result<Client, ClientError> {
    let client = Client::new(options)?;
    client.connect().wait()?;
    Ok(client)
}

/// A client. Clones share one connection; when the last clone, stream and listener is gone, the client disconnects in good
/// order: its thread goes on in the background for at most the drain timeout. A program that ends first ends the connection
/// without a DISCONNECT, so call [`disconnect`](Self::disconnect) before it does.
///
/// What blocks must not be called from the packet hook, which runs on the thread that would have to answer.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) core: core::Client,
}

impl Client {
    /// A client that is not connected yet. Starts its thread.
    ///
    /// # Errors
    /// The options make no sense, or there is no thread to be had.
    pub fn new(options: impl IntoOptions) -> Result<Self, ClientError> {
        Ok(driver::spawn(options.into_options()?, None)?.into())
    }

    /// A client that is not connected yet, and whose connections go over streams of the caller's own. Starts its thread.
    ///
    /// `open` is called for each attempt, with the endpoint whose turn it is, on a thread of its own, where it may block. Its
    /// stream takes the place of the socket; what the endpoint's scheme asks for above that is added to it. An attempt that
    /// takes longer than the connect timeout is left to its thread.
    ///
    /// ```no_run
    /// # fn example() -> Result<(), mqtt_blocking::ClientError> {
    /// let client = mqtt_blocking::Client::with_connector("mqtt://vsock", |_endpoint| {
    ///     mio::net::TcpStream::connect(([127, 0, 0, 1], 1883).into())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The options make no sense, or there is no thread to be had.
    pub fn with_connector<C, S>(options: impl IntoOptions, open: C) -> Result<Self, ClientError>
    where
        C: Fn(&Endpoint) -> std::io::Result<S> + Send + Sync + 'static,
        S: Stream + 'static,
    {
        Ok(driver::spawn(options.into_options()?, Some(connector(open)))?.into())
    }

    /// Calls these functions from now on, one at a time, on a thread of their own, where they may block; until the result is
    /// dropped. What blocks holds up the functions behind it, and nothing else.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn run_callbacks(&self, callbacks: Callbacks) -> Result<RunningCallbacks, ClientError> {
        let (runner, running) = self.core.callbacks(callbacks);
        thread::Builder::new().name("mqtt-callbacks".into()).spawn(move || runner.wait())?;
        Ok(running)
    }
}

core::client_calls!(Client, Subscription, Events);
