//! [`Vigil`]: waiting awake for what is about to happen.
//!
//! To put a task to sleep and call it takes longer than a broker near by takes to answer, most of all where a processor goes to sleep
//! with it. So a task may wait awake for a while: it gives others a turn, and looks whether its bell has rung, which takes no lock.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};

use crate::locking::lock;

/// So many waits are begun asleep at most, after those before had been awake in vain.
const MOST_SKIPPED: u8 = 127;

/// How long a client's tasks wait awake: a matter of what runs them.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// How many turns others have meanwhile.
    turns: AtomicU32,
    /// How often a bell has rung.
    rung: AtomicUsize,
}

impl Patience {
    pub(crate) fn set(&self, turns: u32) {
        self.turns.store(turns, Ordering::Relaxed);
    }

    /// How many wake-ups woke nobody, since this was asked the last time.
    pub(crate) fn take_rung(&self) -> usize {
        self.rung.swap(0, Ordering::Relaxed)
    }
}

/// Where one task at a time may wait awake. How that went decides whether the next one does.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    state: Mutex<SeatState>,
}

#[derive(Debug, Default)]
struct SeatState {
    /// Of who sits there.
    bell: Weak<Bell>,
    /// So many waits more begin asleep.
    skip: u8,
    /// So many did, after the latest one that was in vain.
    skipped: u8,
}

impl Seat {
    /// The bell of a wait that is to be awake.
    fn take(&self, patience: &Arc<Patience>) -> Option<Arc<Bell>> {
        let mut state = self.state();
        if state.skip > 0 {
            state.skip -= 1;
            return None;
        }
        if state.bell.strong_count() > 0 {
            return None;
        }
        let bell = Arc::new(Bell { rang: AtomicBool::new(false), patience: Arc::clone(patience) });
        state.bell = Arc::downgrade(&bell);
        Some(bell)
    }

    /// Somebody has waited awake, and it was worth it or not.
    fn tell(&self, worth_it: bool) {
        let mut state = self.state();
        state.skipped = if worth_it { 0 } else { (2 * state.skipped + 1).min(MOST_SKIPPED) };
        state.skip = state.skipped;
    }

    fn state(&self) -> MutexGuard<'_, SeatState> {
        lock(&self.state)
    }
}

/// The waker of a task that is awake.
#[derive(Debug)]
struct Bell {
    rang: AtomicBool,
    patience: Arc<Patience>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.patience.rung.fetch_add(1, Ordering::Relaxed);
        self.rang.store(true, Ordering::Release);
    }
}

/// A wait.
#[derive(Debug, Default)]
pub(crate) struct Vigil {
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    New,
    Awake {
        bell: Arc<Bell>,
        turns: u32,
    },
    Asleep,
}

impl Vigil {
    /// Polls what is waited for, unless nothing can have changed since this was done the last time. When it is ready, the
    /// wait is over, and another one begins with the next call.
    pub(crate) fn poll<T>(
        &mut self,
        patience: &Arc<Patience>,
        seat: &Seat,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match &mut self.stage {
            Stage::New => {
                let turns = patience.turns.load(Ordering::Relaxed);
                let bell = if turns > 0 { seat.take(patience) } else { None };
                self.stage = bell.map_or(Stage::Asleep, |bell| Stage::Awake { bell, turns });
            }
            Stage::Awake { bell, turns } if !bell.rang.swap(false, Ordering::Acquire) => {
                if *turns > 0 {
                    *turns -= 1;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                seat.tell(false);
                self.stage = Stage::Asleep;
            }
            Stage::Awake { .. } => seat.tell(true),
            Stage::Asleep => {}
        }
        let polled = match &self.stage {
            Stage::Awake { bell, .. } => {
                let polled = poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))));
                if polled.is_pending() {
                    context.waker().wake_by_ref();
                }
                polled
            }
            Stage::New | Stage::Asleep => poll(context),
        };
        if polled.is_ready() {
            self.stage = Stage::New;
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something that is waited for, and who waits.
    #[derive(Default)]
    struct Wait {
        vigil: Vigil,
        /// Whom it calls when it happens.
        waker: Option<Waker>,
        happened: bool,
        looks: usize,
        /// How often the task has called itself or was called.
        called: Arc<Calls>,
    }

    #[derive(Default)]
    struct Calls(AtomicUsize);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Wait {
        fn poll(&mut self, patience: &Arc<Patience>, seat: &Seat) -> Poll<()> {
            let Wait { vigil, waker, happened, looks, called } = self;
            vigil.poll(patience, seat, &mut Context::from_waker(&Arc::clone(called).into()), |context| {
                *looks += 1;
                *waker = Some(context.waker().clone());
                if *happened { Poll::Ready(()) } else { Poll::Pending }
            })
        }

        fn happen(&mut self) {
            self.happened = true;
            self.waker.take().expect("somebody waits").wake();
        }

        fn calls(&self) -> usize {
            self.called.0.load(Ordering::Relaxed)
        }
    }

    fn patience(turns: u32) -> Arc<Patience> {
        let patience = Arc::<Patience>::default();
        patience.set(turns);
        patience
    }

    /// Whether the next wait begins awake. Nothing happens while it does.
    fn waits_in_vain(patience: &Arc<Patience>, seat: &Seat) -> bool {
        let mut wait = Wait::default();
        let first = wait.poll(patience, seat);
        let awake = wait.calls() > 0;
        let polled = std::iter::repeat_with(|| wait.poll(patience, seat)).take(10).chain([first]);
        assert!(polled.into_iter().all(|polled| polled.is_pending()));
        awake
    }

    #[test]
    fn a_task_that_is_awake_looks_again_only_when_something_has_happened() {
        let (patience, seat, mut wait) = (patience(5), Seat::default(), Wait::default());
        for turn in 1..=3 {
            assert!(wait.poll(&patience, &seat).is_pending());
            assert_eq!((wait.looks, wait.calls()), (1, turn), "it calls itself each time");
        }
        wait.happen();
        assert_eq!((wait.calls(), patience.take_rung(), patience.take_rung()), (3, 1, 0));
        assert!(wait.poll(&patience, &seat).is_ready());
        assert_eq!(wait.looks, 2);
    }

    #[test]
    fn it_sleeps_after_its_turns_and_is_called() {
        let (patience, seat, mut wait) = (patience(5), Seat::default(), Wait::default());
        for _ in 0..20 {
            assert!(wait.poll(&patience, &seat).is_pending());
        }
        assert_eq!(wait.calls(), 6);
        wait.happen();
        assert_eq!((wait.calls(), patience.take_rung()), (7, 0));
        assert!(wait.poll(&patience, &seat).is_ready());
    }

    #[test]
    fn without_patience_it_sleeps_at_once() {
        assert!(!waits_in_vain(&patience(0), &Seat::default()));
    }

    #[test]
    fn waits_in_vain_let_more_and_more_others_sleep_until_one_is_worth_it() {
        let (patience, seat) = (patience(5), Seat::default());
        let asleep = |seat| std::iter::repeat_with(|| waits_in_vain(&patience, seat)).position(|awake| awake);
        assert!(waits_in_vain(&patience, &seat));
        let skipped: Vec<usize> = (0..9).filter_map(|_| asleep(&seat)).collect();
        assert_eq!(skipped, [1, 3, 7, 15, 31, 63, 127, 127, 127]);
        (0..MOST_SKIPPED).for_each(|_| assert!(!waits_in_vain(&patience, &seat)));
        let mut wait = Wait::default();
        assert!(wait.poll(&patience, &seat).is_pending());
        wait.happen();
        assert!(wait.poll(&patience, &seat).is_ready());
        drop(wait);
        assert!(waits_in_vain(&patience, &seat));
    }

    #[test]
    fn one_at_a_time_is_awake_until_it_is_given_up() {
        let (patience, seat) = (patience(5), Seat::default());
        let mut waits = [const { None }; 2].map(|_: Option<()>| Wait::default());
        for wait in &mut waits {
            assert!(wait.poll(&patience, &seat).is_pending());
        }
        assert_eq!(waits.each_ref().map(Wait::calls), [1, 0]);
        let [first, second] = waits;
        drop(second);
        assert!(!waits_in_vain(&patience, &seat));
        drop(first);
        assert!(waits_in_vain(&patience, &seat));
    }
}
