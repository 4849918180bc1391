//! The handle: the core's calls, and the start of the task that serves them.

use std::thread;

use mqtt_client_core as core;
use tokio::runtime::Handle;

use crate::transport::{Stream, connector};
use crate::{Callbacks, ClientError, Endpoint, Events, IntoOptions, RunningCallbacks, Subscription, driver};

/// Connects to a broker: a URL such as `mqtt://user:password@host:1883`, or [`Options`](crate::Options).
///
/// The connection is then kept, and made again when it breaks, until [`Client::disconnect`], or until the last handle is
/// dropped.
///
/// # Errors
/// The options make no sense, no tokio runtime runs here, or there is no connection: by default the first failure of the
/// first attempt is final; see [`Reconnect`](crate::Reconnect).
pub async fn connect(options: impl IntoOptions) -> Result<Client, ClientError> {
    let client = Client::new(options)?;
    client.connect().await?;
    Ok(client)
}

/// A client. Clones share one connection; when the last clone, stream and listener is gone, the client disconnects in good
/// order, in the background.
///
/// Giving up a wait is dropping its future.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) core: core::Client,
}

impl Client {
    /// A client that is not connected yet, on the runtime that this is called in.
    ///
    /// # Errors
    /// The options make no sense, or no tokio runtime runs here.
    pub fn new(options: impl IntoOptions) -> Result<Self, ClientError> {
        let runtime = Handle::try_current().map_err(std::io::Error::other)?;
        Self::with_handle(options, &runtime)
    }

    /// A client that is not connected yet, on a runtime of choice.
    ///
    /// # Errors
    /// The options make no sense.
    pub fn with_handle(options: impl IntoOptions, runtime: &Handle) -> Result<Self, ClientError> {
        Ok(driver::spawn(options.into_options()?, None, runtime)?.into())
    }

    /// A client that is not connected yet, and whose connections go over streams of the caller's own, on the runtime that this
    /// is called in.
    ///
    /// `open` is called for each attempt, with the endpoint whose turn it is. Its stream takes the place of the socket; what
    /// the endpoint's scheme asks for above that is added to it. It falls under the connect timeout, and is dropped when that
    /// is over. Writes that take a part are fine; a write or a flush that never gets ready is noticed by the write timeout.
    ///
    /// ```no_run
    /// # fn example() -> Result<(), mqtt_tokio::ClientError> {
    /// let client = mqtt_tokio::Client::with_connector("mqtt://vsock", |_endpoint| {
    ///     tokio::net::TcpStream::connect("127.0.0.1:1883")
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The options make no sense, or no tokio runtime runs here.
    pub fn with_connector<C, F, S>(options: impl IntoOptions, open: C) -> Result<Self, ClientError>
    where
        C: Fn(Endpoint) -> F + Send + Sync + 'static,
        F: Future<Output = std::io::Result<S>> + Send + 'static,
        S: Stream + 'static,
    {
        let runtime = Handle::try_current().map_err(std::io::Error::other)?;
        Ok(driver::spawn(options.into_options()?, Some(connector(open)), &runtime)?.into())
    }

    /// Calls these functions from now on, one at a time, on a thread of their own, where they may block; until the result is
    /// dropped. What blocks holds up the functions behind it, and nothing else. They run within the runtime that this is called
    /// in, so that they can start tasks.
    ///
    /// # Errors
    /// No tokio runtime runs here, or there is no thread to be had.
    pub fn run_callbacks(&self, callbacks: Callbacks) -> Result<RunningCallbacks, ClientError> {
        let runtime = Handle::try_current().map_err(std::io::Error::other)?;
        let (runner, running) = self.core.callbacks(callbacks);
        thread::Builder::new().name("mqtt-callbacks".into()).spawn(move || runtime.block_on(runner))?;
        Ok(running)
    }
}

core::client_calls!(Client, Subscription, Events);
