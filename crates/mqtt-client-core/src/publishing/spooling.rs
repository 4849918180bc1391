//! Messages of QoS 0 that came in by the [`Spool`].

use std::mem;
use std::sync::Arc;

use super::Publishing;
use super::inbox::LOAN;
use crate::outbox::Bounds;
use crate::session::{Batch, Session};
use crate::spool::Spool;
use crate::unasked::Share;

/// The core's side of the spool.
///
/// It is open only while nothing is queued, and the other door is closed: so all that is in it comes behind all else.
#[derive(Debug, Default)]
pub(super) struct Spooling {
    spool: Arc<Spool>,
    open: bool,
    /// Whether those who publish would use it.
    pub(super) wanted: bool,
    /// Whether who comes in calls the driver.
    calls: bool,
}

impl Publishing {
    /// What the handles share.
    pub(crate) fn spool(&self) -> Arc<Spool> {
        Arc::clone(&self.spooling.spool)
    }

    /// Opens the spool, where that is of use and nothing is before what comes in by it.
    pub(super) fn lend_spool(&mut self, session: &Session) {
        if !self.outbox.is_empty() || !self.inbox.is_empty() {
            return self.close_spool();
        }
        let lent = self.outbox.lent().messages;
        if self.spooling.open && lent > LOAN - LOAN / 4 {
            return;
        }
        if let Some(form) = session.batch_form()
            && let Some(room) = self.outbox.lend(LOAN.saturating_sub(lent))
        {
            self.spooling.spool.lend(form, room);
            self.spooling.open = true;
        }
    }

    /// Closes the spool. What is in it is admitted, and comes behind all that was before.
    pub(super) fn close_spool(&mut self) {
        if mem::take(&mut self.spooling.open) {
            self.take_spooled(Spool::close);
            self.outbox.end_loan();
        }
    }

    /// Whether something is in the spool.
    #[inline]
    pub(super) fn has_spooled(&self) -> bool {
        self.spooling.spool.is_filled()
    }

    /// Takes out what is in it, by this call of the spool's.
    pub(super) fn take_spooled(&mut self, take: fn(&Spool, &mut Batch) -> Bounds) {
        let mut batch = self.unasked.take_spare();
        let used = take(&self.spooling.spool, &mut batch);
        self.outbox.charge_lent(used);
        self.inbox.came += used.messages;
        let epoch = self.epochs.begin_all(used.messages);
        self.unasked.push_batch(batch, Share { used, epoch });
    }

    /// Whether the driver may sleep, as far as the spool is concerned: it is called should a message come that could be sent at
    /// once, and none is there now.
    pub(super) fn watch_spool(&mut self, session: &Session) -> bool {
        let sends = self.spooling.open && self.unasked.are_all_sent() && session.can_send_qos0();
        self.spooling.calls = sends && self.spooling.spool.call_driver();
        !sends || self.spooling.calls
    }

    /// The driver is awake.
    #[inline]
    pub(super) fn unwatch_spool(&mut self) {
        if mem::take(&mut self.spooling.calls) {
            self.spooling.spool.let_driver_be();
        }
    }
}
