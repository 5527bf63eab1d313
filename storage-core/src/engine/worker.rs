//! Who does maintenance: a thread that is woken when something is due, or each commit a slice of it.
//!
//! The thread is started when it is first needed, and holds the store only while the engine lives: closing stops it after
//! the step at hand. Merging that was left over when the store was closed waits for a moment in which it is not used: beside
//! merging, a store or load takes about twice as long where two processors are one core, and an application that starts
//! loads a lot.

use super::delta::Delta;
use super::maintenance::{STEP_WORK, Step};
use super::state::Core;
use super::{Engine, MaintainedBy, Schema};
use crate::file::FileIO;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Work that a commit does for each byte it wrote, and at least, where there is no thread.
const WORK_PER_BYTE: u64 = 8;
const LEAST_WORK: u64 = 16 * 1024;
/// How long the thread waits for each step that is let pass, as the disk was full.
const PAUSE: Duration = Duration::from_millis(50);
/// A moment without a call, after which merging goes on.
const MOMENT: Duration = Duration::from_millis(100);

/// Wakes the thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct BellState {
    work: bool,
    stop: bool,
}

impl Bell {
    fn ring(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).work = true;
        self.rung.notify_all();
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.rung.notify_all();
    }

    /// Waits for work; false to end.
    fn wait(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.rung.wait_while(state, |state| !state.work && !state.stop);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.work = false;
        !state.stop
    }

    /// Waits a while; false to end.
    fn pause(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.rung.wait_timeout_while(state, PAUSE, |state| !state.stop);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    /// Waits for a moment, or until there is work that may be more urgent; false to end.
    fn rest(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.rung.wait_timeout_while(state, MOMENT, |state| !state.work && !state.stop);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.work = false;
        !state.stop
    }
}

/// Lets others go first, for some time.
#[derive(Debug)]
struct Patience {
    /// Calls up to the last look; none before the first one.
    seen: Option<u64>,
    left: Duration,
}

impl Patience {
    /// Whether to wait for another moment, after so many calls.
    fn is_to_wait(&mut self, calls: u64) -> bool {
        if self.left.is_zero() || self.seen.replace(calls) == Some(calls) {
            return false;
        }
        self.left = self.left.saturating_sub(MOMENT);
        true
    }
}

impl<F: FileIO, S: Schema, D: Delta> Engine<F, S, D> {
    /// What a commit does for maintenance: wakes the thread, or does a slice of it.
    pub(super) fn maintain_after(&self, written: u64, due: bool) {
        let core = &self.core;
        match core.options.maintained_by {
            MaintainedBy::Commits => {
                let work = (written * WORK_PER_BYTE).max(LEAST_WORK);
                let _ = core.step(&mut core.maintenance(), work);
            }
            MaintainedBy::Thread if due => self.wake(),
            MaintainedBy::Thread | MaintainedBy::Caller => {}
        }
    }

    /// Wakes the maintenance thread, which is started when it is first needed. Where none can be, the work is done here.
    pub(super) fn wake(&self) {
        let mut thread = self.maintenance_thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let core = Arc::clone(&self.core);
            let work = move || {
                while core.bell.wait() {
                    core.work();
                }
            };
            let named = std::thread::Builder::new().name("jazz-storage-maintenance".to_owned());
            *thread = named.spawn(work).ok();
        }
        if thread.is_some() {
            self.core.bell.ring();
        } else {
            let _ = self.core.step(&mut self.core.maintenance(), STEP_WORK);
        }
    }
}

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    /// The thread's work when it is woken.
    fn work(&self) {
        let resumed = self.resumed.swap(false, Ordering::Relaxed);
        let left = if resumed { self.options.patience } else { Duration::ZERO };
        let mut patience = Patience { seen: None, left };
        loop {
            let can_wait = !patience.left.is_zero() && self.can_wait(&self.maintenance());
            if can_wait && patience.is_to_wait(self.calls.load(Ordering::Relaxed)) {
                if !self.bell.rest() {
                    return;
                }
                continue;
            }
            let step = self.step(&mut self.maintenance(), STEP_WORK);
            match step {
                Ok(Step::More) => {}
                Ok(Step::Paused) => {
                    if !self.bell.pause() {
                        return;
                    }
                }
                // What fails for good has latched the store.
                Ok(Step::Idle) | Err(_) => return,
            }
            if self.bell.state.lock().unwrap_or_else(PoisonError::into_inner).stop {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_waits_while_there_are_calls_but_not_for_ever() {
        let mut patience = Patience { seen: None, left: 10 * MOMENT };
        assert!(patience.is_to_wait(7), "whether there are calls is not known at first");
        assert!(!patience.is_to_wait(7));
        assert!(!patience.is_to_wait(7), "nor does it wait between steps");
        assert!(patience.is_to_wait(8));
        let waited = (9..).take_while(|calls| patience.is_to_wait(*calls)).count();
        assert_eq!(waited, 8);
        assert!(!patience.is_to_wait(1_000_000), "then it goes on to the end");
        assert!(!Patience { seen: None, left: Duration::ZERO }.is_to_wait(7));
    }
}
