//! Scripted misbehaviour: which packet a fault waits for, and what then happens to it.

use std::time::Duration;

use mqtt_codec::{PacketKind, ReasonCode, Text};
use mqtt_session::Direction;

/// One scripted fault: a packet to wait for, and what to do to it. It strikes once, unless [`times`](FaultMatch::times)
/// or [`always`](FaultMatch::always) says otherwise. The same script on the same traffic gives the same run.
///
/// ```
/// use mqtt_testkit::{BrokerConfig, Fault};
/// use mqtt_codec::{PacketKind, ReasonCode};
///
/// let faults = vec![
///     Fault::sent(PacketKind::Puback).client("sensor").nth(3).lose(),
///     Fault::received(PacketKind::Subscribe).always().refuse(ReasonCode::NotAuthorized),
///     Fault::sent(PacketKind::Pubrec).cut_before(),
/// ];
/// let config = BrokerConfig { faults, ..BrokerConfig::default() };
/// # assert_eq!(config.faults.len(), 3);
/// ```
#[derive(Debug, Clone)]
pub struct Fault {
    target: Target,
    client: Option<Text>,
    /// Matches that pass before the first strike.
    skip: u64,
    /// Strikes left; `u64::MAX` never runs out.
    strikes: u64,
    action: Action,
}

/// What a fault waits for, without what it does; end it with one of the action methods.
#[derive(Debug, Clone)]
pub struct FaultMatch {
    target: Target,
    client: Option<Text>,
    skip: u64,
    strikes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Packet(Direction, Option<PacketKind>),
    /// A whole connection, when it opens.
    Connection(Direction),
}

/// What happens to the packet that a fault waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Lose,
    Delay(Duration),
    Duplicate,
    Withhold,
    Refuse(ReasonCode),
    CutBefore,
    CutAfter,
    /// After so many bytes of the packet (or of the connection, in the target's direction).
    CutAfterBytes(u64),
}

impl Fault {
    /// Waits for a packet of this kind from a client.
    pub fn received(kind: PacketKind) -> FaultMatch {
        FaultMatch::new(Target::Packet(Direction::Inbound, Some(kind)))
    }

    /// Waits for a packet of this kind to a client.
    pub fn sent(kind: PacketKind) -> FaultMatch {
        FaultMatch::new(Target::Packet(Direction::Outbound, Some(kind)))
    }

    /// Waits for any packet in this direction; inbound is from a client to the broker.
    pub fn any(direction: Direction) -> FaultMatch {
        FaultMatch::new(Target::Packet(direction, None))
    }

    /// Waits for the `nth` connection that any client opens (from 1, from now on), and cuts it after so many bytes
    /// in one direction (inbound is from the client): exactly `bytes` pass.
    pub fn cut_connection(nth: u64, direction: Direction, bytes: u64) -> Fault {
        FaultMatch::new(Target::Connection(direction)).nth(nth).then(Action::CutAfterBytes(bytes))
    }
}

impl FaultMatch {
    fn new(target: Target) -> Self {
        Self { target, client: None, skip: 0, strikes: 1 }
    }

    /// Only packets of this client; of all clients without it. A CONNECT counts as its own client's.
    ///
    /// # Panics
    /// When the identifier isn't an MQTT string.
    #[must_use]
    pub fn client(mut self, client_id: &str) -> Self {
        self.client = Some(Text::new(client_id).expect("a client identifier is an MQTT string"));
        self
    }

    /// Strikes first at the `n`-th match from now on; 1 is the next one, and the default.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// Strikes at so many consecutive matches instead of one.
    #[must_use]
    pub fn times(mut self, strikes: u64) -> Self {
        self.strikes = strikes;
        self
    }

    /// Strikes at every match.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// The packet vanishes: one received is never seen, one sent never arrives.
    pub fn lose(self) -> Fault {
        self.then(Action::Lose)
    }

    /// The packet, and whatever follows it in its direction, comes so much later.
    pub fn delay(self, by: Duration) -> Fault {
        self.then(Action::Delay(by))
    }

    /// The packet comes twice.
    pub fn duplicate(self) -> Fault {
        self.then(Action::Duplicate)
    }

    /// A sent packet is held back while others pass, until [`Broker::release`](super::Broker::release) or the end
    /// of the connection, which loses it. A received one is lost.
    pub fn withhold(self) -> Fault {
        self.then(Action::Withhold)
    }

    /// The broker refuses with this code what a received CONNECT, PUBLISH, SUBSCRIBE or UNSUBSCRIBE asks for. What
    /// can't be refused in its version (a 3.1.1 or QoS 0 PUBLISH, any other packet) ends the connection with the
    /// code. A packet that is sent ends its connection likewise.
    pub fn refuse(self, reason: ReasonCode) -> Fault {
        self.then(Action::Refuse(reason))
    }

    /// The connection is cut without a word instead of this packet.
    pub fn cut_before(self) -> Fault {
        self.then(Action::CutBefore)
    }

    /// The connection is cut without a word after this packet: one sent still arrives, one received has been acted
    /// upon, but its answer is lost.
    pub fn cut_after(self) -> Fault {
        self.then(Action::CutAfter)
    }

    /// A sent packet is cut off after its first `bytes` bytes, and the connection with it. A received one is never
    /// seen.
    pub fn cut_after_bytes(self, bytes: u64) -> Fault {
        self.then(Action::CutAfterBytes(bytes))
    }

    fn then(self, action: Action) -> Fault {
        let Self { target, client, skip, strikes } = self;
        Fault { target, client, skip, strikes, action }
    }
}

/// The faults that still wait, in the order given. The first that matches a packet strikes; each one that is still
/// counting towards its own counts that packet too.
#[derive(Debug, Default)]
pub(super) struct FaultScript {
    waiting: Vec<Fault>,
}

impl FaultScript {
    pub(super) fn add(&mut self, fault: Fault) {
        self.waiting.push(fault);
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// What is to happen to this packet.
    pub(super) fn strike(&mut self, direction: Direction, kind: PacketKind, client: &Text) -> Option<Action> {
        if self.waiting.is_empty() {
            return None;
        }
        self.first(|fault| match fault.target {
            Target::Packet(at, wanted) => {
                at == direction
                    && wanted.is_none_or(|k| k == kind)
                    && fault.client.as_ref().is_none_or(|c| c == client)
            }
            Target::Connection(_) => false,
        })
    }

    /// After how many bytes the connection that just opened is to be cut, received and sent.
    pub(super) fn strike_connection(&mut self) -> [Option<u64>; 2] {
        [Direction::Inbound, Direction::Outbound].map(|direction| {
            match self.first(|fault| fault.target == Target::Connection(direction)) {
                Some(Action::CutAfterBytes(bytes)) => Some(bytes),
                _ => None,
            }
        })
    }

    fn first(&mut self, matches: impl Fn(&Fault) -> bool) -> Option<Action> {
        let mut struck = None;
        for fault in self.waiting.iter_mut().filter(|fault| matches(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if struck.is_none() && fault.strikes > 0 {
                if fault.strikes != u64::MAX {
                    fault.strikes -= 1;
                }
                struck = Some(fault.action);
            }
        }
        self.waiting.retain(|fault| fault.strikes > 0);
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strikes of a script at a row of PUBACKs of client "a", as indices of the packets struck.
    fn check(fault: Fault, expected: &[usize]) {
        let mut script = FaultScript::default();
        script.add(fault);
        let client = Text::new("a").unwrap();
        let struck: Vec<_> = (0..6)
            .filter(|_| script.strike(Direction::Outbound, PacketKind::Puback, &client).is_some())
            .collect();
        assert_eq!(struck, expected);
    }

    #[test]
    fn a_fault_strikes_where_it_was_told() {
        check(Fault::sent(PacketKind::Puback).lose(), &[0]);
        check(Fault::sent(PacketKind::Puback).nth(3).lose(), &[2]);
        check(Fault::sent(PacketKind::Puback).nth(2).times(3).lose(), &[1, 2, 3]);
        check(Fault::sent(PacketKind::Puback).always().lose(), &[0, 1, 2, 3, 4, 5]);
        check(Fault::sent(PacketKind::Puback).client("a").lose(), &[0]);
        check(Fault::sent(PacketKind::Puback).client("b").always().lose(), &[]);
        check(Fault::sent(PacketKind::Pubrec).always().lose(), &[]);
        check(Fault::any(Direction::Outbound).nth(6).lose(), &[5]);
    }

    #[test]
    fn a_connection_is_cut_by_its_number() {
        let mut script = FaultScript::default();
        script.add(Fault::cut_connection(2, Direction::Outbound, 7));
        assert_eq!(script.strike_connection(), [None, None]);
        assert_eq!(script.strike_connection(), [None, Some(7)]);
        assert_eq!(script.strike_connection(), [None, None]);
    }
}
