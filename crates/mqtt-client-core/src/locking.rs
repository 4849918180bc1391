//! Locks that are held for moments, and by nobody who could leave them broken.

use std::hint;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// How who finds a lock taken waits for it awake.
#[derive(Clone, Copy)]
pub(crate) struct Watch {
    /// How often it looks again before it sleeps.
    pub(crate) looks: u32,
    /// For so many turns of the processor it lets the lock be each time.
    pub(crate) pause: u32,
}

/// For a door: meanwhile whoever has it keeps its memory, and comes through some ten times.
const AT_THE_DOOR: Watch = Watch { looks: 20, pause: 80 };

/// The lock. A panic under it, which no test has ever seen, must not take the others with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock, if nobody has it now.
#[inline]
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// The lock that somebody has now, if it becomes free in time.
pub(crate) fn await_lock<T>(mutex: &Mutex<T>, watch: Watch) -> Option<MutexGuard<'_, T>> {
    (0..watch.looks).find_map(|_| {
        (0..watch.pause).for_each(|_| hint::spin_loop());
        try_lock(mutex)
    })
}

/// The lock of a door beside the core's. Those who come in by it do so one after the other, and are through in less time than it
/// takes to fall asleep and be called.
#[inline]
pub(crate) fn lock_door<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match try_lock(mutex) {
        Some(guard) => guard,
        None => await_lock(mutex, AT_THE_DOOR).unwrap_or_else(|| lock(mutex)),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn many_who_come_in_by_a_door_are_all_let_in_one_at_a_time() {
        let door = Mutex::new(0u32);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..10_000).for_each(|_| *lock_door(&door) += 1));
            }
        });
        assert_eq!(*lock(&door), 80_000);
    }

    #[test]
    fn a_lock_that_stays_taken_is_not_awaited_for_ever() {
        let (door, watch) = (Mutex::new(()), Watch { looks: 3, pause: 1 });
        let taken = lock(&door);
        assert!(try_lock(&door).is_none() && await_lock(&door, watch).is_none());
        drop(taken);
        assert!(await_lock(&door, Watch { looks: 1, ..watch }).is_some());
    }

    #[test]
    fn a_panic_under_a_lock_leaves_it_to_the_others() {
        let door = Mutex::new(1);
        let panicked = thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _taken = lock(&door);
                    panic!("under the lock");
                })
                .join()
        });
        assert!(panicked.is_err() && door.is_poisoned());
        assert_eq!(*lock(&door), 1);
        assert_eq!(*lock_door(&door), 1);
        assert_eq!(try_lock(&door).map(|value| *value), Some(1));
    }
}
