//! How bytes reach the broker, as far as both adapters would otherwise write it twice. They bring a socket.

mod tcp;

use crate::{Endpoint, InvalidOptions};

pub use tcp::{RACE_DELAY, TcpKeepAlive, TcpOptions, literal, race_order};

/// What an adapter has to know about the way to a broker; see [`Driver::transport`](crate::Driver::transport).
#[derive(Clone, Debug, Default)]
pub struct TransportOptions {
    pub(crate) tcp: TcpOptions,
}

impl TransportOptions {
    /// How TCP sockets are set up.
    pub fn tcp(&self) -> &TcpOptions {
        &self.tcp
    }

    /// Refuses what would have no effect at one of the endpoints, or less than it says: before anything is sent.
    pub(crate) fn check(&self, endpoints: &[Endpoint]) -> Result<(), InvalidOptions> {
        let fault = |option, problem| Err(InvalidOptions::Option { option, problem });
        if let Some(problem) = self.tcp.problem() {
            return fault("tcp", problem.to_owned());
        }
        for endpoint in endpoints {
            if !endpoint.scheme().is_available() {
                return fault("endpoint", format!("{endpoint} is not available in this build"));
            }
        }
        Ok(())
    }
}
