//! The core behind its lock, and the rule that nothing foreign runs under it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::codec::{PlainPublish, Publish};
use crate::core::Core;
use crate::defaults::PublishDefaults;
use crate::effects::Effects;
use crate::intake::Intake;
use crate::locking::{Watch, await_lock, lock, try_lock};
use crate::slots::Tag;
use crate::spool::Spool;
use crate::store::Gate;
use crate::vigil::{Patience, Seat};

/// How long one waits awake for the core: about as long as the driver has it.
const FOR_THE_CORE: Watch = Watch { looks: 100, pause: 32 };

/// What handles and the driver have in common.
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Somebody waits awake for the lock.
    is_awaited: AtomicBool,
    intake: Arc<Intake>,
    spool: Arc<Spool>,
    /// Wakes the driver.
    driver: Waker,
    /// What a message has that does not say.
    pub(crate) defaults: PublishDefaults,
    /// Calls the store's thread.
    pub(crate) gate: Gate,
    pub(crate) patience: Arc<Patience>,
    /// For who waits for room.
    pub(crate) seat: Seat,
}

impl Shared {
    pub(crate) fn new(core: Core, driver: Waker) -> Arc<Self> {
        let defaults = core.options.publish_defaults.clone();
        let (intake, spool) = (core.publishing.intake(), core.publishing.spool());
        Arc::new(Shared {
            core: Mutex::new(core),
            is_awaited: AtomicBool::new(false),
            intake,
            spool,
            driver,
            defaults,
            gate: Gate::default(),
            patience: Arc::default(),
            seat: Seat::default(),
        })
    }

    /// Runs one step under the lock; then, without it, wakes whom the step wants woken, the driver included.
    pub(crate) fn run<T>(&self, step: impl FnOnce(&mut Core) -> T) -> T {
        self.run_in(lock(&self.core), step)
    }

    /// The same for a step that the driver keeps waiting often: see [`lock_awake`](Self::lock_awake).
    pub(crate) fn run_awake<T>(&self, step: impl FnOnce(&mut Core) -> T) -> T {
        self.run_in(self.lock_awake(), step)
    }

    fn run_in<T>(&self, mut core: MutexGuard<'_, Core>, step: impl FnOnce(&mut Core) -> T) -> T {
        core.take_arrivals();
        let result = step(&mut core);
        let effects = core.effects.take();
        self.unlock(core);
        if let Some(mut effects) = effects {
            effects.run();
        }
        result
    }

    /// Admits a message without the lock, if it needs nothing but room and there is room.
    pub(crate) fn enter(&self, publish: &mut Publish) -> Option<Tag> {
        let entered = self.intake.enter(publish)?;
        if entered.calls_driver {
            self.driver.wake_by_ref();
        }
        Some(entered.tag)
    }

    /// The same for one of QoS 0, of which nobody asks more. Whether it is admitted.
    #[inline]
    pub(crate) fn spool(&self, publish: &PlainPublish<'_>) -> bool {
        let Some(spooled) = self.spool.enter(publish) else { return false };
        if spooled.calls_driver {
            self.driver.wake_by_ref();
        }
        true
    }

    /// Nobody will ask what became of an admitted message.
    pub(crate) fn let_go(&self, tag: Tag) {
        self.intake.let_go(tag);
    }

    /// A step of the driver's, with memory that is kept from one to the next.
    pub(crate) fn run_with<T>(&self, effects: &mut Effects, step: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = self.lock_awake();
        std::mem::swap(&mut core.effects, effects);
        let result = step(&mut core);
        std::mem::swap(&mut core.effects, effects);
        self.unlock(core);
        effects.run();
        result
    }

    /// The same for a step that may leave its caller's waker behind. The clone, and the drop of the one it replaces, stay
    /// outside of the lock.
    pub(crate) fn poll<T>(
        &self,
        context: &mut Context<'_>,
        step: impl FnOnce(&mut Core, &mut Option<Waker>) -> Poll<T>,
    ) -> Poll<T> {
        let mut waker = Some(context.waker().clone());
        self.run_awake(|core| step(core, &mut waker))
    }

    /// Calls those who have to look after what was asked.
    fn unlock(&self, mut core: MutexGuard<'_, Core>) {
        let wake_driver = core.take_attention();
        let call_store = core.take_store_attention();
        drop(core);
        if wake_driver {
            self.driver.wake_by_ref();
        }
        if call_store {
            self.gate.open();
        }
    }

    /// The lock for who waits awake if it is taken, and if nobody else does. The driver has it for some 100 µs at a time, and would
    /// otherwise call a sleeper each time it lets go of it, who would come when it has it again. Of many that publish at once it is
    /// better that they sleep, and leave the processors to the driver.
    fn lock_awake(&self) -> MutexGuard<'_, Core> {
        if let Some(core) = try_lock(&self.core) {
            return core;
        }
        if !self.is_awaited.swap(true, Ordering::Relaxed) {
            let found = await_lock(&self.core, FOR_THE_CORE);
            self.is_awaited.store(false, Ordering::Relaxed);
            if let Some(core) = found {
                return core;
            }
        }
        lock(&self.core)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_waits_awake_for_the_lock_gets_it_whether_or_not_it_takes_long() {
        let options = crate::Options::builder().url("mqtt://localhost").build().expect("valid");
        let shared = Shared::new(Core::new(options, 1, None).expect("no store"), Waker::noop().clone());
        for takes_long in [false, true] {
            let core = lock(&shared.core);
            assert!(try_lock(&shared.core).is_none());
            thread::scope(|scope| {
                let waits: Vec<_> =
                    (0..3).map(|_| scope.spawn(|| shared.run_awake(|core| core.now))).collect();
                if takes_long {
                    (0..1000).for_each(|_| thread::yield_now());
                }
                drop(core);
                assert!(waits.into_iter().all(|wait| wait.join().is_ok()));
            });
            assert!(!shared.is_awaited.load(Ordering::Relaxed));
        }
    }
}
