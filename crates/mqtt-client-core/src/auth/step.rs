//! [`AuthStep`]: one step of an exchange, which is the application's code, taken where that may run.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::{AuthError, AuthExchange, AuthOccasion, Method};
use crate::codec::Binary;
use crate::locking::lock;
use crate::{Endpoint, Entropy};

/// An exchange, in the hands of the core or of the step that is taken; never of both at work.
pub(crate) type SharedExchange = Arc<Mutex<Box<dyn AuthExchange>>>;

/// A step of an exchange that is to be taken; see [`Duty::Authenticate`](crate::Duty::Authenticate).
#[derive(Clone)]
pub struct AuthStep {
    pub(super) number: u64,
    pub(super) work: Work,
}

#[derive(Clone)]
pub(super) enum Work {
    Begin { method: Method, endpoint: Endpoint, renewal: bool },
    Answer { exchange: SharedExchange, challenge: Option<Binary> },
    Finish { exchange: SharedExchange, last: Option<Binary> },
}

/// What came of a step; for [`Driver::handle_authenticated`](crate::Driver::handle_authenticated).
pub struct AuthOutcome {
    pub(super) number: u64,
    pub(super) result: Result<Done, AuthError>,
}

pub(super) enum Done {
    Begun(SharedExchange, Option<Binary>),
    Answered(Option<Binary>),
    Finished,
}

impl AuthStep {
    /// Takes the step. This is the application's code: it may block, and it may panic. `entropy` is what the exchange has of
    /// randomness.
    pub fn run(self, entropy: Entropy) -> AuthOutcome {
        let AuthStep { number, work } = self;
        AuthOutcome { number, result: work.run(entropy) }
    }
}

impl Work {
    fn run(self, entropy: Entropy) -> Result<Done, AuthError> {
        match self {
            Work::Begin { method, endpoint, renewal } => {
                let occasion = AuthOccasion { endpoint, renewal, entropy };
                let mut exchange = method.authenticator.begin(&occasion)?;
                let initial = data(exchange.initial()?)?;
                Ok(Done::Begun(Arc::new(Mutex::new(exchange)), initial))
            }
            Work::Answer { exchange, challenge } => {
                let mut exchange = lock(&exchange);
                let challenge = challenge.as_ref().map(Binary::as_bytes);
                Ok(Done::Answered(data(exchange.answer(challenge)?)?))
            }
            Work::Finish { exchange, last } => {
                let mut exchange = lock(&exchange);
                exchange.finish(last.as_ref().map(Binary::as_bytes)).map(|()| Done::Finished)
            }
        }
    }
}

fn data(bytes: Option<Vec<u8>>) -> Result<Option<Binary>, AuthError> {
    bytes.map(Binary::try_from).transpose().map_err(AuthError::permanent)
}

impl PartialEq for AuthStep {
    /// Whether it is the same step of the same client.
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for AuthStep {}

impl fmt::Debug for AuthStep {
    /// Nothing of what is said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.work {
            Work::Begin { .. } => "Begin",
            Work::Answer { .. } => "Answer",
            Work::Finish { .. } => "Finish",
        };
        f.debug_tuple("AuthStep").field(&name).finish()
    }
}

impl fmt::Debug for AuthOutcome {
    /// Nothing of what is said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthOutcome").field("error", &self.result.as_ref().err()).finish_non_exhaustive()
    }
}
