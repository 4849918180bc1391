//! The handle: the core's calls, and the start of the thread that serves them.

use bytes::Bytes;
use mqtt_client_core as core;

use crate::{
    ClientError, Connecting, Disconnecting, Events, IntoFilters, Options, Pinging, PublishBuilder, Stats,
    SubscribeBuilder, Subscription, Unsubscribing, Wait, driver,
};

/// Connects to a broker: a URL such as `mqtt://user:password@host:1883`, or [`Options`].
///
/// The connection is then kept, and made again when it breaks, until [`Client::disconnect`], or until the last handle is
/// dropped.
///
/// # Errors
/// The options make no sense, there is no thread to be had, or there is no connection: by default the first failure of the
/// first attempt is final; see [`Reconnect`](crate::Reconnect).
pub fn connect<O>(options: O) -> Result<Client, ClientError>
where
    O: TryInto<Options>,
    ClientError: From<O::Error>,
{
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
    core: core::Client,
}

impl Client {
    /// A client that is not connected yet. Starts its thread.
    ///
    /// # Errors
    /// The options make no sense, or there is no thread to be had.
    pub fn new<O>(options: O) -> Result<Self, ClientError>
    where
        O: TryInto<Options>,
        ClientError: From<O::Error>,
    {
        let core = driver::spawn(options.try_into()?)?;
        Ok(Client { core })
    }

    /// Connects, or waits for a connection that is being made; also after `disconnect`, and after the client gave up.
    ///
    /// Ready when the broker has accepted and lost subscriptions are restored. Fails when the reconnect policy gives up,
    /// which for the first connection is, by default, at its first failure. Giving up the wait does not stop the attempt.
    pub fn connect(&self) -> Connecting {
        self.core.connect()
    }

    /// Disconnects: what is on its way goes out first, up to the drain timeout; then DISCONNECT, and the connection closes.
    ///
    /// The report holds what was not sent. Every publish that has not ended ends. Giving up the wait does not stop it.
    pub fn disconnect(&self) -> Disconnecting {
        self.core.disconnect()
    }

    /// A message to publish; see [`PublishBuilder`] for what waiting for it means. A topic that is not valid is reported when
    /// it is sent.
    pub fn publish(&self, topic: impl AsRef<str>, payload: impl Into<Bytes>) -> PublishBuilder {
        self.core.publish(topic, payload)
    }

    /// A subscription to one filter or several; see [`SubscribeBuilder`]. A filter that is not valid is reported when it is
    /// sent.
    pub fn subscribe(&self, filters: impl IntoFilters) -> SubscribeBuilder<Subscription> {
        self.core.subscribe(filters)
    }

    /// Gives up filters, for every stream. Each comes back with the broker's reason (3.1.1 knows only success).
    ///
    /// Giving up the wait does not take the request back.
    pub fn unsubscribe(&self, filters: impl IntoFilters) -> Unsubscribing {
        self.core.unsubscribe(filters)
    }

    /// Sends a PINGREQ; the time until its PINGRESP came. Fails when there is no connection now. Giving up the wait ignores
    /// the answer.
    pub fn ping(&self) -> Pinging {
        self.core.ping()
    }

    /// What happens to the client from now on.
    pub fn events(&self) -> Events {
        self.core.events().into()
    }

    /// Whether the client is connected and ready now.
    pub fn is_connected(&self) -> bool {
        self.core.is_connected()
    }

    /// The client id in use.
    pub fn client_id(&self) -> String {
        self.core.client_id()
    }

    /// A look at the counters.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }
}

impl From<core::Client> for Client {
    /// Wraps a handle, such as [`Subscription::client`]'s, whose driver runs somewhere.
    fn from(core: core::Client) -> Self {
        Client { core }
    }
}
