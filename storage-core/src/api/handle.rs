//! A handle on a store: the engine behind it, its queue, and those who listen.
//!
//! Invariants:
//! - handles on one path share one engine in this process, and the strictest durability asked for by any of them;
//! - a closed handle opens its store again at the next call, as a Jazz node may use its storage after closing it;
//! - a queued change completes when it is as durable as its level says, without holding up the next one.

use super::backing::{Backing, Ticket};
use super::listener::{EventListener, StorageEvent};
use super::options::{Durability, OpenOptions};
use super::pending::Pending;
use super::registry;
use super::storage::NativeStorage;
use crate::engine::observer::{Event, Observer};
use crate::error::Result;
use crate::store::queued::{Lane, Lanes, guarded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What the clones of a [`NativeStorage`] share.
pub(super) struct Handle {
    pub(super) options: OpenOptions,
    open: Mutex<Option<Arc<dyn Backing>>>,
    lanes: Arc<Lanes>,
    listeners: Mutex<Vec<Arc<dyn EventListener>>>,
    /// Whether all messages of the last call that stored some were stored.
    is_whole: AtomicBool,
}

/// A call that stores messages: what follows it may depend on their all being stored.
pub(super) struct Chain<'a> {
    handle: &'a Handle,
    /// Whether all messages of the call before were stored.
    pub(super) is_whole: bool,
}

impl Chain<'_> {
    /// Notes whether all messages of this call were stored. A call that ends without has not stored all.
    pub(super) fn end(self, is_whole: bool) {
        self.handle.is_whole.store(is_whole, Ordering::SeqCst);
    }
}

/// Where a change leaves what waits until it is durable.
pub(super) type Deferred = Arc<Mutex<Option<Ticket>>>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(backing) = locked(&self.open).take() {
            // Whatever fails here is in the log, which the next opening replays.
            let _ = registry::release(&self.options, backing);
        }
    }
}

/// The engine calls under its locks, so listeners are called from the queue. The handle goes there as well: if everybody else
/// has let go of it meanwhile, it closes the store, which must not happen here.
impl Observer for Handle {
    fn note(self: Arc<Self>, event: &Event) {
        let event = StorageEvent::from(event);
        let lanes = Arc::clone(&self.lanes);
        let tell = move || {
            let listeners = locked(&self.listeners).clone();
            listeners.iter().for_each(|listener| listener.on_event(event.clone()));
        };
        lanes.submit(Lane::Completion, Box::new(tell));
    }
}

impl NativeStorage {
    pub(super) fn open_with(options: OpenOptions) -> Result<Self> {
        options.validate()?;
        let backing = registry::acquire(&options)?;
        Ok(Self::over(options, backing))
    }

    /// A first handle on a store that is open.
    pub(super) fn over(options: OpenOptions, backing: Arc<dyn Backing>) -> Self {
        let handle = Handle {
            options,
            open: Mutex::new(Some(backing)),
            lanes: Arc::new(Lanes::new("jazz-storage")),
            listeners: Mutex::default(),
            is_whole: AtomicBool::new(true),
        };
        Self { handle: Arc::new(handle), deferred: None }
    }

    pub(super) fn backing(&self) -> Result<Arc<dyn Backing>> {
        let mut open = locked(&self.handle.open);
        if let Some(backing) = open.as_ref() {
            return Ok(Arc::clone(backing));
        }
        let backing = registry::acquire(&self.handle.options)?;
        *open = Some(Arc::clone(&backing));
        drop(open);
        if !locked(&self.handle.listeners).is_empty() {
            self.observe(&*backing);
        }
        Ok(backing)
    }

    /// Lets the store be closed, by the last who do so. A store in memory stays as it is.
    pub(super) fn release(&self) -> Result<()> {
        if self.handle.options.level() == Durability::Memory {
            return Ok(());
        }
        let backing = locked(&self.handle.open).take();
        backing.map_or(Ok(()), |backing| registry::release(&self.handle.options, backing))
    }

    /// Tells a listener what happens to the store, for as long as this handle or a clone of it lives.
    pub(super) fn listen(&self, listener: Arc<dyn EventListener>) -> Result<()> {
        let backing = self.backing()?;
        let mut listeners = locked(&self.handle.listeners);
        listeners.push(listener);
        let is_first = listeners.len() == 1;
        drop(listeners);
        if is_first {
            self.observe(&*backing);
        }
        Ok(())
    }

    fn observe(&self, backing: &dyn Backing) {
        let handle: Weak<dyn Observer> = Arc::downgrade(&(Arc::clone(&self.handle) as Arc<dyn Observer>));
        backing.observe(handle);
    }

    /// Begins a call that stores messages.
    pub(super) fn chain(&self) -> Chain<'_> {
        Chain { handle: &self.handle, is_whole: self.handle.is_whole.swap(false, Ordering::SeqCst) }
    }

    /// Runs what changes the store.
    pub(super) fn change<T>(&self, operation: impl FnOnce(&dyn Backing) -> Result<T>) -> Result<T> {
        let backing = self.backing()?;
        let result = operation(&*backing)?;
        match (backing.ticket(), &self.deferred) {
            (Some(ticket), Some(slot)) => *locked(slot) = Some(ticket),
            (Some(ticket), None) => ticket()?,
            (None, _) => {}
        }
        Ok(result)
    }

    /// Runs an operation on one of this handle's threads, after those queued on the same lane before. Results come in the
    /// same order, when what an operation did is durable.
    pub(super) fn queue<T: Send + 'static>(
        &self,
        lane: Lane,
        operation: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Pending<T> {
        let (pending, settle) = Pending::new();
        let deferred = (lane == Lane::Write).then(Arc::default);
        let storage = Self { handle: Arc::clone(&self.handle), deferred };
        let job = move || {
            let result = guarded(|| operation(&storage));
            let complete = |result| settle.settle(result);
            if lane == Lane::Write { storage.complete(result, complete) } else { complete(result) }
        };
        self.handle.lanes.submit(lane, Box::new(job));
        pending
    }

    /// Hands on the result of a job of the write lane when what it did is durable. If there is a next job, it does not wait
    /// for that, so that one sync serves all that were done before it; else waking another thread would only take time.
    fn complete<T: Send + 'static>(
        &self,
        result: Result<T>,
        complete: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        let ticket = self.deferred.as_ref().and_then(|slot| locked(slot).take());
        let lanes = &self.handle.lanes;
        let is_last = ticket.is_none() || lanes.unfinished(Lane::Write) <= 1;
        let wait = move || {
            complete(result.and_then(|done| ticket.map_or(Ok(()), |durable| durable()).map(|()| done)))
        };
        // Those before it complete first.
        if is_last && lanes.unfinished(Lane::Completion) == 0 {
            return wait();
        }
        lanes.submit(Lane::Completion, Box::new(wait));
    }
}
