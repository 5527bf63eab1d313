//! Telling others what happens to a store without a call of theirs: that writes are refused from now on, that merging
//! rests, that it goes on.
//!
//! Invariants:
//! - each change is told once, in order, to everyone who observes;
//! - it is told under locks of the engine, so observers do nothing there but hand it on, and none of them ends there: one
//!   that is being told belongs to itself.

use crate::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The store refuses writes since this failure.
    Latched(Error),
    /// Merging and compacting do not go on, for this reason.
    Stalled(Error),
    /// They go on again.
    Resumed,
}

/// Who is told.
pub trait Observer: Send + Sync {
    /// Takes note of an event. Must not call the store, which is locked, nor let go of this observer here: it may be the
    /// last to have it, and the last to have the store.
    fn note(self: Arc<Self>, event: &Event);
}

/// Those who observe a store.
#[derive(Default)]
pub struct Observers(Mutex<State>);

#[derive(Default)]
struct State {
    observers: Vec<Weak<dyn Observer>>,
    latched: Option<Error>,
    stalled: Option<Error>,
}

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observers").finish_non_exhaustive()
    }
}

impl State {
    fn tell(&mut self, event: &Event) {
        self.observers.retain(|observer| observer.upgrade().map(|observer| observer.note(event)).is_some());
    }
}

impl Observers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an observer for as long as it lives, and tells it what is so already. One that was added before is not added
    /// again.
    pub fn add(&self, observer: Weak<dyn Observer>) {
        let mut state = self.state();
        if state.observers.iter().any(|known| known.ptr_eq(&observer)) {
            return;
        }
        if let Some(added) = observer.upgrade() {
            let latched = state.latched.clone().map(Event::Latched);
            let stalled = state.stalled.clone().map(Event::Stalled);
            latched.iter().chain(&stalled).for_each(|event| Arc::clone(&added).note(event));
            state.observers.push(observer);
        }
    }

    pub(super) fn latched(&self, cause: &Error) {
        let mut state = self.state();
        state.latched = Some(cause.clone());
        state.tell(&Event::Latched(cause.clone()));
    }

    /// Takes note of why merging rests, or that it does not.
    pub(super) fn stalled(&self, cause: Option<&Error>) {
        let mut state = self.state();
        match (&state.stalled, cause) {
            (None, Some(cause)) => state.tell(&Event::Stalled(cause.clone())),
            (Some(_), None) => state.tell(&Event::Resumed),
            _ => return,
        }
        state.stalled = cause.cloned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Noted(Mutex<Vec<String>>);

    impl Observer for Noted {
        fn note(self: Arc<Self>, event: &Event) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }

    fn observe(observers: &Observers, noted: &Arc<Noted>) {
        let noted: Weak<dyn Observer> = Arc::downgrade(&(Arc::clone(noted) as Arc<dyn Observer>));
        observers.add(noted);
    }

    #[test]
    fn each_change_is_told_once_and_what_is_so_already_to_those_who_come_later() {
        let observers = Observers::default();
        let (first, late) = (Arc::new(Noted::default()), Arc::new(Noted::default()));
        observe(&observers, &first);
        observe(&observers, &first);
        observers.stalled(Some(&Error::Cancelled));
        observers.stalled(Some(&Error::Cancelled));
        observe(&observers, &late);
        observers.stalled(None);
        observers.stalled(None);
        observers.latched(&Error::HashCollision);
        let told = ["Stalled(Cancelled)", "Resumed", "Latched(HashCollision)"];
        assert_eq!(*first.0.lock().unwrap(), told);
        assert_eq!(*late.0.lock().unwrap(), told);
        let last = Arc::new(Noted::default());
        observe(&observers, &last);
        assert_eq!(*last.0.lock().unwrap(), told[2..]);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let observers = Observers::default();
        let gone = Arc::new(Noted::default());
        observe(&observers, &gone);
        drop(gone);
        observers.stalled(Some(&Error::Cancelled));
        assert!(observers.state().observers.is_empty());
    }
}
