//! What the adapters' clients, streams and listeners have in common, with one text for both.

/// Writes the calls of an adapter's client, a newtype over [`Client`](crate::Client) with the field `core`; subscriptions
/// and events come as the adapter's own types. Not part of the public API.
#[doc(hidden)]
#[macro_export]
macro_rules! client_calls {
    ($Client:ident, $Subscription:ident, $Events:ident) => {
        impl $Client {
            /// Connects, or waits for a connection that is being made; also after `disconnect`, and after the client gave up.
            ///
            /// Ready when the broker has accepted and lost subscriptions are restored. Fails when the reconnect policy gives up,
            /// which for the first connection is, by default, at its first failure; and at once while a disconnect is under way.
            /// Giving up the wait does not stop the attempt.
            pub fn connect(&self) -> $crate::Connecting {
                self.core.connect()
            }

            /// Connects anew at once: leaves the present connection with a DISCONNECT, or cuts short the wait for the next
            /// attempt; also after `disconnect`, and after the client gave up. What is on its way is not lost: it goes on as
            /// after any lost link. Ready, and failing, as [`connect`](Self::connect).
            pub fn reconnect(&self) -> $crate::Connecting {
                self.core.reconnect()
            }

            /// The same with a clean start: in 5.0 the broker throws away what it holds of this client. In 3.1.1, where one
            /// flag says that and whether the session is kept, it is [`reconnect`](Self::reconnect).
            pub fn reconnect_clean(&self) -> $crate::Connecting {
                self.core.reconnect_clean()
            }

            /// Disconnects: what is on its way goes out first, up to the drain timeout; then DISCONNECT, and the connection closes.
            ///
            /// The report holds what was not sent. Every publish that has not ended ends. Giving up the wait does not stop it.
            pub fn disconnect(&self) -> $crate::Disconnecting {
                self.core.disconnect()
            }

            /// The same with a limit of its own in the place of the drain timeout, up to which what is on its way goes out first:
            /// of zero, it leaves at once. Where the client is leaving already, whichever limit ends sooner holds. The report
            /// comes within a second of the limit, even from a transport that takes nothing any more.
            pub fn disconnect_within(&self, limit: ::core::time::Duration) -> $crate::Disconnecting {
                self.core.disconnect_within(limit)
            }

            /// As [`disconnect`](Self::disconnect), with this DISCONNECT (5.0): with the will all the same
            /// (`DisconnectWithWill`), another session expiry, a reason string, user properties. Properties that would
            /// outgrow the broker's packet limit are left out in the end. Where a disconnect is under way already, that one's
            /// holds.
            ///
            /// # Errors
            /// It says what a client may not, or what 3.1.1 can't. Then nothing happens.
            pub fn disconnect_with(
                &self,
                disconnect: $crate::codec::Disconnect,
            ) -> Result<$crate::Disconnecting, $crate::session::Refusal> {
                self.core.disconnect_with(disconnect)
            }

            /// Disconnects for good: as [`disconnect`](Self::disconnect), and then the client's task or thread ends. Nothing connects it
            /// again; streams and listeners end.
            pub fn stop(&self) -> $crate::Disconnecting {
                self.core.stop()
            }

            /// The same with a limit of its own, as [`disconnect_within`](Self::disconnect_within).
            pub fn stop_within(&self, limit: ::core::time::Duration) -> $crate::Disconnecting {
                self.core.stop_within(limit)
            }

            /// A message to publish; see [`PublishBuilder`] for what waiting for it means. A topic that is not valid is reported when
            /// it is sent.
            #[inline]
            pub fn publish<T: AsRef<str>>(
                &self,
                topic: T,
                payload: impl Into<$crate::codec::bytes::Bytes>,
            ) -> $crate::PublishBuilder<'_, T> {
                self.core.publish(topic, payload)
            }

            /// A publisher that gathers payloads, and sends those of a topic as one JSON array, when there are enough of them or when
            /// it is time. Text becomes a string, anything else an object, `{"base64":"…"}`.
            pub fn batch_publisher(&self, collect: $crate::Collect) -> $crate::CollectingPublisher {
                self.core.batch_publisher(collect)
            }

            /// A publisher that gathers messages, and sends them one by one, in their order, when there are enough of them or when it
            /// is time.
            pub fn queue_publisher(&self, collect: $crate::Collect) -> $crate::CollectingPublisher {
                self.core.queue_publisher(collect)
            }

            /// Ready when every message that was published before this call has come to its end: QoS 0 written to the transport,
            /// QoS 1 and 2 acknowledged, or not delivered, which their own outcomes tell. Messages published later are not waited
            /// for; what is only collected yet is published first. Giving up the wait changes nothing.
            pub fn flush(&self) -> $crate::Flushing {
                self.core.flush()
            }

            /// Ready when all that has happened before this call is in the store: messages that were admitted, acknowledgements,
            /// and subscriptions. Without a store it is ready at once. Fails when the store does. Giving up the wait changes
            /// nothing.
            pub fn stored(&self) -> $crate::Stored {
                self.core.stored()
            }

            /// A request, of which the response is waited for; see [`RequestBuilder`]($crate::RequestBuilder). A topic that is
            /// not valid is reported when it is sent.
            pub fn request(
                &self,
                topic: impl AsRef<str>,
                payload: impl Into<$crate::codec::bytes::Bytes>,
            ) -> $crate::RequestBuilder {
                self.core.request(topic, payload)
            }

            /// The response to a request that was received: a message to publish, with the topic, the correlation data and the
            /// QoS that the request asks for.
            ///
            /// # Errors
            /// The message is no request.
            pub fn respond(
                &self,
                request: &$crate::Message,
                payload: impl Into<$crate::codec::bytes::Bytes>,
            ) -> Result<$crate::PublishBuilder<'_, $crate::codec::TopicName>, $crate::NoResponseTopic> {
                self.core.respond(request, payload)
            }

            /// A subscription to one filter or several; see [`SubscribeBuilder`]. A filter that is not valid is reported when it is
            /// sent.
            pub fn subscribe(
                &self,
                filters: impl $crate::IntoFilters,
            ) -> $crate::SubscribeBuilder<$Subscription> {
                self.core.subscribe(filters)
            }

            /// A stream of what no other stream matches: messages of a session whose streams are not open yet, or that a broker
            /// sends unasked. Nothing is subscribed to. Messages that have waited for a stream come first.
            pub fn catch_all(&self, acknowledge: $crate::Acknowledge) -> $Subscription {
                self.core.catch_all(acknowledge)
            }

            /// Gives up filters, for every stream. Each comes back with the broker's answer (3.1.1 knows only success). A filter
            /// that is not valid is reported when it is sent. Giving up the wait does not take the request back.
            pub fn unsubscribe(&self, filters: impl $crate::IntoFilters) -> $crate::UnsubscribeBuilder {
                self.core.unsubscribe(filters)
            }

            /// Sends a PINGREQ; the time until its PINGRESP came. Fails when there is no connection now. Giving up the wait
            /// ignores the answer.
            pub fn ping(&self) -> $crate::Pinging {
                self.core.ping()
            }

            /// Authenticates anew on the present connection, by the method that the options name
            /// ([`authenticator`]($crate::OptionsBuilder::authenticator)): with a fresh token, say. Messages flow meanwhile. Ready
            /// when both sides are convinced; a side that is not ends the connection, and so does the connect timeout. Giving
            /// up the wait changes nothing.
            pub fn reauthenticate(&self) -> $crate::Reauthenticating {
                self.core.reauthenticate()
            }

            /// What happens to the client from now on.
            pub fn events(&self) -> $Events {
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
            pub fn stats(&self) -> $crate::Stats {
                self.core.stats()
            }
        }

        impl From<$crate::Client> for $Client {
            /// Wraps a handle, such as [`Subscription::client`]'s, whose driver runs somewhere.
            fn from(core: $crate::Client) -> Self {
                Self { core }
            }
        }
    };
}

/// Writes what the adapters' streams and listeners have in common: newtypes over [`Subscription`](crate::Subscription) and
/// [`Events`](crate::Events) with the field `core`. Not part of the public API.
#[doc(hidden)]
#[macro_export]
macro_rules! stream_calls {
    ($Client:ident, $Subscription:ident, $Events:ident) => {
        impl $Subscription {
            /// The broker's answer to each filter, in the order in which they were given.
            pub fn granted(&self) -> &$crate::FilterResults {
                self.core.granted()
            }

            /// How many QoS 0 messages the stream has lost because it was full; see [`Qos0Overflow`]($crate::Qos0Overflow).
            pub fn dropped(&self) -> u64 {
                self.core.dropped()
            }

            /// The client that this stream belongs to.
            pub fn client(&self) -> $Client {
                self.core.client().clone().into()
            }
        }

        impl From<$crate::Subscription> for $Subscription {
            fn from(core: $crate::Subscription) -> Self {
                Self { core }
            }
        }

        impl From<$crate::Events> for $Events {
            fn from(core: $crate::Events) -> Self {
                Self { core }
            }
        }
    };
}
