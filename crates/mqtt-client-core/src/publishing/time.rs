//! What time alone changes about messages.

use super::{Publishing, SlotStage};
use crate::codec::Publish;
use crate::effects::Effects;
use crate::outbox::Entry;
use crate::session::Timestamp;
use crate::slots::Tag;
use crate::time_limits::Limit;
use crate::{Indeterminate, NotSent, PublishError, PublishFailure};

impl Publishing {
    /// What time alone changes.
    pub(crate) fn handle_time(&mut self, now: Timestamp, effects: &mut Effects) {
        while let Some((tag, limit, at)) = self.limits.start_next(now) {
            if let Some(slot) =
                self.slots.get_mut(tag).filter(|slot| !matches!(slot.stage, SlotStage::Ended(_)))
            {
                self.limits.watch(tag, limit, at, slot.ends());
            }
        }
        while let Some((tag, limit)) = self.limits.pop_due(now) {
            self.run_out(tag, limit, effects);
        }
    }

    /// Whether the driver has to start the clock of a message.
    pub(crate) fn has_fresh_limits(&self) -> bool {
        self.limits.has_fresh()
    }

    /// When time will change something.
    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        self.limits.next()
    }

    /// A message's time is up. What was never sent is taken back; of what was, the caller hears no more.
    fn run_out(&mut self, tag: Tag, limit: Limit, effects: &mut Effects) {
        let Some(slot) = self.slots.get_mut(tag) else { return };
        match (&slot.stage, limit) {
            (&(SlotStage::Waiting(key) | SlotStage::Admitted(key)), _) => {
                let Some(Entry { publish, sent, .. }) = self.outbox.remove(key) else { return };
                let failure: PublishFailure = match limit {
                    _ if sent => Indeterminate::SessionLost.into(),
                    Limit::Expiry => {
                        self.counts.expired += 1;
                        NotSent::Expired.into()
                    }
                    Limit::Timeout => {
                        self.counts.timed_out += 1;
                        NotSent::TimedOut.into()
                    }
                };
                self.fail(tag, &publish.topic, failure, effects);
                effects.discard(publish);
            }
            (SlotStage::Handed, Limit::Timeout) => {
                let topic = slot.rare.as_ref().and_then(|rare| rare.topic.as_ref());
                let error = topic.filter(|_| !slot.detached);
                let error = error.map(|topic| PublishError::new(topic, Indeterminate::TimedOut));
                slot.stage = SlotStage::GivenUp(error);
                effects.wake(&mut slot.waker);
            }
            // The session counts it down from now on; `lost` looks at the end once more.
            (SlotStage::Handed, Limit::Expiry) => {}
            (SlotStage::Entered | SlotStage::GivenUp(_) | SlotStage::Ended(_), _) => {}
        }
    }
}

/// Takes the time that it has waited here off its Message Expiry Interval, in whole seconds.
pub(super) fn count_down(publish: &mut Publish, end: Option<Timestamp>, now: Timestamp) {
    if let (Some(end), Some(interval)) = (end, publish.properties.message_expiry_interval()) {
        let left = end.saturating_since(now).as_millis().div_ceil(1000);
        let left = u32::try_from(left).unwrap_or(u32::MAX).min(interval);
        if left < interval {
            publish.properties.set_message_expiry_interval(left);
        }
    }
}
