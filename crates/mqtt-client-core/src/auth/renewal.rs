//! Authenticating anew on a connection that goes on: [`Reauthenticating`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::step::Work;
use super::{AuthError, AuthFailure};
use crate::codec::Version;
use crate::core::Core;
use crate::effects::{Effects, park};
use crate::error_texts::error_texts;
use crate::link::Link;
use crate::session::Timestamp;
use crate::slots::{Slots, Tag};
use crate::{Client, Failure};

/// Why the client was not authenticated anew.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReauthenticateError {
    /// MQTT 3.1.1 has no AUTH packet.
    Version,
    /// The connection was made without a method: there is none to go on with.
    NoAuthenticator,
    /// There is no connection now. The next one authenticates in any case.
    NotConnected,
    /// An earlier call has not come to its end.
    UnderWay,
    /// The exchange could not begin. Nothing was sent, and the connection goes on.
    NotBegun(AuthFailure),
    /// It failed, and the connection ended over it: the server was not convinced
    /// ([`Failure::Disconnected`](crate::Failure::Disconnected)), or the client was not
    /// ([`Failure::Authentication`](crate::Failure::Authentication)); or it ended for any other reason.
    Failed(Failure),
    /// The client left the connection first.
    Left,
}

error_texts!(ReauthenticateError {
    Self::Version => "MQTT 3.1.1 has no enhanced authentication";
    Self::NoAuthenticator => "the options name no authenticator";
    Self::NotConnected => "the client is not connected at the moment; the next connection authenticates in any case";
    Self::UnderWay => "another authentication is under way";
    Self::NotBegun(failure) => source failure, "nothing was sent, and the connection goes on: {failure}";
    Self::Failed(failure) => "the connection ended: {failure}";
    Self::Left => "the client was disconnected first";
});

/// The future of [`Client::reauthenticate`](crate::Client::reauthenticate).
#[derive(Debug)]
#[must_use = "the outcome tells whether both sides are convinced"]
pub struct Reauthenticating {
    client: Client,
    tag: Result<Tag, ReauthenticateError>,
}

impl Reauthenticating {
    pub(crate) fn new(client: Client) -> Self {
        let tag = client.shared().run(Core::reauthenticate);
        Reauthenticating { client, tag }
    }
}

impl Future for Reauthenticating {
    type Output = Result<(), ReauthenticateError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.tag {
            Err(error) => Poll::Ready(Err(error.clone())),
            Ok(tag) => {
                let tag = *tag;
                self.client
                    .shared()
                    .poll(context, |core, waker| core.authentication.renewals.poll(tag, waker))
            }
        }
    }
}

impl Drop for Reauthenticating {
    fn drop(&mut self) {
        if let Ok(tag) = self.tag {
            self.client.shared().run(|core| core.authentication.renewals.callers.remove(tag));
        }
    }
}

/// Who waits for an authentication anew, and the one that is under way.
#[derive(Debug)]
pub(crate) struct Renewals {
    callers: Slots<Caller>,
    current: Option<Renewal>,
}

#[derive(Debug, Default)]
struct Caller {
    result: Option<Result<(), ReauthenticateError>>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Renewal {
    caller: Tag,
    /// Set when the driver first sees it: the application has no clock.
    deadline: Option<Timestamp>,
    /// AUTH has gone out.
    sent: bool,
}

impl Default for Renewals {
    fn default() -> Self {
        Renewals { callers: Slots::new(), current: None }
    }
}

impl Renewals {
    /// The server knows of it from now on.
    pub(super) fn sent(&mut self) {
        if let Some(renewal) = &mut self.current {
            renewal.sent = true;
        }
    }

    /// Whether there is one that the server does not know of.
    pub(super) fn is_unsent(&self) -> bool {
        self.current.as_ref().is_some_and(|renewal| !renewal.sent)
    }

    /// The one that is under way, if one is, has come to its end.
    pub(super) fn end(&mut self, result: Result<(), ReauthenticateError>, effects: &mut Effects) {
        let Some(renewal) = self.current.take() else { return };
        if let Some(caller) = self.callers.get_mut(renewal.caller) {
            caller.result = Some(result);
            effects.wake(&mut caller.waker);
        }
    }

    fn poll(&mut self, tag: Tag, waker: &mut Option<Waker>) -> Poll<Result<(), ReauthenticateError>> {
        match self.callers.get_mut(tag) {
            Some(Caller { result: None, waker: place }) => park(place, waker),
            Some(Caller { result: Some(result), .. }) => Poll::Ready(result.clone()),
            None => Poll::Ready(Err(ReauthenticateError::Left)),
        }
    }
}

impl Core {
    fn reauthenticate(&mut self) -> Result<Tag, ReauthenticateError> {
        if self.options.version == Version::V311 {
            return Err(ReauthenticateError::Version);
        }
        let Some(method) = self.options.authenticator.clone() else {
            return Err(ReauthenticateError::NoAuthenticator);
        };
        if !matches!(self.link, Link::Up { .. }) || self.drain.is_some() {
            return Err(ReauthenticateError::NotConnected);
        }
        if self.authentication.renewals.current.is_some() {
            return Err(ReauthenticateError::UnderWay);
        }
        let endpoint = self.destinations.current();
        self.authentication.ask(Work::Begin { method, endpoint, renewal: true });
        let renewals = &mut self.authentication.renewals;
        let caller = renewals.callers.insert(Caller::default());
        renewals.current = Some(Renewal { caller, deadline: None, sent: false });
        self.attend();
        Ok(caller)
    }

    /// Starts the clock of one that is new, and ends one that takes too long.
    pub(crate) fn reauthentication_timeout(&mut self) {
        let Some(renewal) = &mut self.authentication.renewals.current else { return };
        if *renewal.deadline.get_or_insert(self.now + self.options.connect_timeout) <= self.now {
            self.authentication_failed(AuthError::TimedOut);
        }
    }

    /// When the one that is under way has taken too long.
    pub(crate) fn reauthentication_deadline(&self) -> Option<Timestamp> {
        self.authentication.renewals.current.as_ref()?.deadline
    }
}
