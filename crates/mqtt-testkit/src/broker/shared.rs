//! The members of one shared subscription, who take its messages in turn.

use super::session::SessionId;
use super::subscriptions::Subscription;

/// The sessions that subscribed with one share name to one filter, in the order they came.
#[derive(Debug, Default)]
pub(super) struct ShareGroup {
    members: Vec<(SessionId, Subscription)>,
    /// Index of the member whose turn is next.
    turn: usize,
}

impl ShareGroup {
    /// Adds a member at the end, or replaces its subscription where it stands. Returns the replaced one.
    pub(super) fn insert(&mut self, session: SessionId, subscription: Subscription) -> Option<Subscription> {
        match self.members.iter_mut().find(|(member, _)| *member == session) {
            Some((_, current)) => Some(core::mem::replace(current, subscription)),
            None => {
                self.members.push((session, subscription));
                None
            }
        }
    }

    /// Removes a member; the turn stays with whoever had it. Returns whether it was one.
    pub(super) fn remove(&mut self, session: SessionId) -> bool {
        let Some(at) = self.members.iter().position(|(member, _)| *member == session) else { return false };
        self.members.remove(at);
        if at < self.turn {
            self.turn -= 1;
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The next member in turn that is connected; when none is, the next in turn.
    pub(super) fn choose(
        &mut self,
        connected: &impl Fn(SessionId) -> bool,
    ) -> Option<(SessionId, Subscription)> {
        let count = self.members.len();
        let in_turn = (0..count).map(|i| (self.turn + i) % count);
        let at = in_turn.clone().find(|&i| connected(self.members[i].0)).or(in_turn.clone().next())?;
        self.turn = at + 1;
        Some(self.members[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::SubscriptionOptions;

    fn group(members: u64) -> ShareGroup {
        let mut group = ShareGroup::default();
        for id in 1..=members {
            let subscription = Subscription { options: SubscriptionOptions::default(), identifier: None };
            group.insert(SessionId(id), subscription);
        }
        group
    }

    fn check(group: &mut ShareGroup, connected: &[u64], expected: &[u64]) {
        let chosen: Vec<u64> = expected
            .iter()
            .filter_map(|_| group.choose(&|session| connected.contains(&session.0)))
            .map(|(session, _)| session.0)
            .collect();
        assert_eq!(chosen, expected);
    }

    #[test]
    fn members_take_turns() {
        check(&mut group(3), &[1, 2, 3], &[1, 2, 3, 1, 2, 3, 1]);
        check(&mut group(3), &[1, 3], &[1, 3, 1, 3]);
        check(&mut group(3), &[2], &[2, 2, 2]);
    }

    #[test]
    fn without_a_connected_member_the_turns_go_on() {
        check(&mut group(2), &[], &[1, 2, 1]);
        assert!(group(0).choose(&|_| true).is_none());
    }

    #[test]
    fn who_leaves_takes_nobody_elses_turn() {
        let mut three = group(3);
        check(&mut three, &[1, 2, 3], &[1, 2]);
        assert!(three.remove(SessionId(1)));
        assert!(!three.remove(SessionId(1)));
        check(&mut three, &[2, 3], &[3, 2, 3]);
    }
}
