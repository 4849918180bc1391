//! The heart of the MQTT clients, sans-IO: everything that the tokio and the blocking adapter would otherwise write twice.
//!
//! Options, reconnecting, subscriptions that survive, bounded queues, and the outcome of every message are decided here. An
//! adapter, or a simulation, brings bytes and time. Programs use `mqtt-tokio` or `mqtt-blocking`; this crate is for whoever
//! writes another adapter.
//!
//! What programs rely on is on a page of its own, [`contract`]. This page is about what an adapter does.
//!
//! # Two ends
//!
//! [`Driver::new`] gives two ends of one client.
//!
//! | end | who holds it | what it does |
//! | --- | --- | --- |
//! | [`Client`] | the application, as often as it likes | wishes: connect, publish, subscribe, disconnect; futures and streams |
//! | [`Driver`] | one task or thread | facts in (`handle_*`), duties out ([`Driver::poll_io`]) |
//!
//! The driver loops: ask for a [`Duty`], write what the [`Output`](session::Output) holds, wait for what the duty names, tell
//! what happened. It is the only one that touches the transport, so dropping an application's future never tears a packet.
//!
//! Both ends share the core behind a lock that is held for one short step. Wakers, payload drops, log lines and the packet
//! hook run after it is free: code of the application's can call the client from anywhere.
//!
//! ```
//! use std::task::Waker;
//! use std::time::Duration;
//! use mqtt_client_core::{Driver, Duty, Options, session::{Output, Timestamp}};
//!
//! let options: Options = "mqtt://localhost".parse()?;
//! let (client, mut driver) = Driver::new(options, 7, Waker::noop().clone())?;
//! let mut output = Output::new();
//!
//! let now = Timestamp::ZERO;
//! assert_eq!(driver.poll_io(now, &mut output), Duty::Wait { deadline: None, read: false, turns: 0 });
//! let connecting = client.connect();
//! assert!(matches!(driver.poll_io(now, &mut output), Duty::Dial(endpoint) if endpoint.port() == 1883));
//! driver.handle_dialed(now + Duration::from_millis(2));
//! driver.poll_io(now + Duration::from_millis(2), &mut output);
//! assert_eq!(output.chunks().next().map(|bytes| bytes[0]), Some(0x10), "CONNECT");
//! # drop(connecting);
//! # Ok::<(), mqtt_client_core::ClientError>(())
//! ```
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub use mqtt_session as session;
pub use mqtt_session::codec;

mod acknowledge;
mod answer;
mod auth;
mod backoff;
mod bad_filter;
mod base64;
mod builder;
mod callback_runner;
mod callbacks;
mod client;
mod collect;
mod collectors;
#[cfg(feature = "serde")]
mod configuration;
pub mod contract;
mod core;
mod credentials;
mod defaults;
mod destinations;
mod driver;
mod duty;
mod effects;
mod endpoint;
mod error;
#[cfg(test)]
mod error_catalogue;
mod error_texts;
mod event;
mod facade;
mod filters;
mod flush;
mod gathering;
mod intake;
mod json_array;
mod lending;
mod lingering;
mod link;
mod linked;
mod locking;
mod log;
mod message;
mod named_topic;
mod one_shot;
mod options;
mod outbox;
mod overflow;
mod packet_watch;
mod provider;
mod publish;
mod publish_error;
mod publishing;
mod reconnect;
mod replies;
mod report;
mod request;
mod router;
mod secret;
mod shared;
mod slots;
mod spool;
mod store;
mod streams;
mod subscribe;
mod subscriptions;
mod suspend;
mod time_limits;
mod transport;
mod unasked;
mod unread;
mod unsubscribe;
mod url;
mod vigil;
mod wishes;

pub use acknowledge::Acknowledge;
pub use answer::{FilterAnswer, FilterResults};
#[cfg(feature = "scram")]
pub use auth::Scram;
pub use auth::{
    AuthError, AuthExchange, AuthFailure, AuthOccasion, AuthOutcome, AuthStep, Authenticator,
    ReauthenticateError, Reauthenticating,
};
pub use bad_filter::BadFilter;
pub use builder::OptionsBuilder;
pub use callback_runner::{CallbackRunner, RunningCallbacks};
pub use callbacks::{CallbackPacket, Callbacks};
pub use client::{Client, Connecting, Disconnecting, Events, Pinging};
pub use collect::{Collect, Collecting, CollectingPublisher};
#[cfg(feature = "serde")]
pub use configuration::Configuration;
pub use defaults::TopicDefaults;
pub use driver::Driver;
pub use duty::Duty;
pub use endpoint::{DEFAULT_PORT, Endpoint, InvalidUrl, Scheme};
pub use error::{
    ClientError, ConnectError, Failure, FilterRefused, InvalidOptions, NoResponseTopic, Offline, PingError,
    RecvError, RequestError, SubscribeError,
};
pub use event::Event;
pub use flush::Flushing;
pub use message::Message;
pub use one_shot::{OneShotError, publish_once, receive_once};
pub use options::{IntoOptions, Options, SESSION_NEVER_EXPIRES};
pub use overflow::{Overflow, Qos0Overflow};
pub use provider::{Attempt, Preparation, Preparing, ProviderError};
pub use publish::{Completion, Enqueueing, PublishBuilder, Publishing};
pub use publish_error::{Indeterminate, NotSent, PublishError, PublishFailure};
pub use publishing::Delivered;
pub use reconnect::Reconnect;
pub use report::{DisconnectReport, Stats};
pub use request::{RequestBuilder, Requesting};
pub use store::{Change, Changes, Durability, Opened, Owner, Storage, Store, StoreError, Stored, Storing};
pub use subscribe::{IntoFilters, SubscribeBuilder, Subscribing, Subscription};
#[cfg(feature = "quic")]
pub use transport::QuicTls;
#[cfg(feature = "websocket")]
pub use transport::WebSocketError;
pub use transport::{
    Confirming, Entropy, LINGER, Layers, Proxy, ProxyError, RACE_DELAY, TcpKeepAlive, TcpOptions,
    TransportOptions, literal, no_address, race_order,
};
#[cfg(feature = "tls")]
pub use transport::{TlsError, TlsOptions, TlsVersion};
pub use unsubscribe::{UnsubscribeBuilder, Unsubscribing};

/// For the testkit, so that there is one. Not part of the public API.
#[doc(hidden)]
pub mod shared_helpers {
    pub use crate::base64::base64;
}

/// What both adapters show as their own: one list for both. Not part of the public API.
#[doc(hidden)]
pub mod exports {
    #[cfg(feature = "serde")]
    pub use crate::Configuration;
    #[cfg(feature = "scram")]
    pub use crate::Scram;
    #[cfg(feature = "websocket")]
    pub use crate::WebSocketError;
    pub use crate::codec::{
        AckProperties, Disconnect, PacketKind, PublishProperties, QoS, ReasonCode, RetainHandling, Text,
        TopicFilter, Version, WillProperties,
    };
    pub use crate::session::{Direction, PacketLine, PacketTrace, PayloadStart};
    pub use crate::{
        Acknowledge, Attempt, AuthError, AuthExchange, AuthFailure, AuthOccasion, Authenticator, BadFilter,
        CallbackPacket, Callbacks, ClientError, Collect, Collecting, CollectingPublisher, Completion,
        ConnectError, Connecting, Delivered, DisconnectReport, Disconnecting, Durability, Endpoint,
        Enqueueing, Event, Failure, FilterAnswer, FilterRefused, FilterResults, Flushing, Indeterminate,
        IntoFilters, IntoOptions, InvalidOptions, InvalidUrl, Message, NoResponseTopic, NotSent, Offline,
        OneShotError, Options, OptionsBuilder, Overflow, PingError, Pinging, ProviderError, PublishBuilder,
        PublishError, PublishFailure, Publishing, Qos0Overflow, ReauthenticateError, Reauthenticating,
        Reconnect, RecvError, RequestBuilder, RequestError, Requesting, RunningCallbacks,
        SESSION_NEVER_EXPIRES, Scheme, Stats, StoreError, Stored, SubscribeBuilder, SubscribeError,
        Subscribing, TcpKeepAlive, TcpOptions, TopicDefaults, UnsubscribeBuilder, Unsubscribing,
    };
    pub use crate::{Proxy, ProxyError, contract};
    #[cfg(feature = "tls")]
    pub use crate::{TlsError, TlsOptions, TlsVersion};
}
