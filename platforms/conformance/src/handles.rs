//! The calls of a case through `jazz_storage_core::api`: arguments and results, in both forms.

use crate::case::{Call, Value};
use crate::run::Form;
use jazz_storage_core::api::{
    self, BackupLocation, Durability, EventListener, NativeStorage, OpenOptions, Pending, ProgressListener,
    StorageEvent, StorageTask, SyncStateUpdate, TaskProgress,
};
use jazz_storage_core::{Error, ErrorCode};
use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a call gave: a value, or the code and the message of an error.
pub(crate) type Outcome = Result<Value, (String, String)>;

/// What a call makes.
pub(crate) enum Made {
    Value(Value),
    Storage(NativeStorage),
}

type Answer = Result<Made, Error>;

/// A call that was begun.
pub(crate) enum Begun {
    Done(Answer),
    /// Gives the answer when it is there.
    Later(Box<dyn FnOnce() -> Result<Answer, String>>),
}

/// How long a call may take.
const WITHIN: Duration = Duration::from_secs(120);

/// What a listener was told.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Value>>>);

impl Heard {
    fn hear(&self, value: Value) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}

impl ProgressListener for Heard {
    fn on_progress(&self, progress: TaskProgress) {
        self.hear(progress.into());
    }
}

impl EventListener for Heard {
    fn on_event(&self, event: StorageEvent) {
        self.hear(event.into());
    }
}

/// The handles, tasks and listeners of a case by their names.
pub(crate) struct Handles<'a> {
    directory: &'a Path,
    pub(crate) form: Form,
    storages: HashMap<&'static str, NativeStorage>,
    tasks: HashMap<&'static str, StorageTask>,
    listeners: HashMap<&'static str, Heard>,
}

/// What a form does, with what it gives made to something.
macro_rules! either {
    ($form:expr, $blocking:expr, $twin:expr, $made:expr) => {
        match $form {
            Form::Blocking => Begun::Done($blocking.map($made)),
            Form::NonBlocking => later($twin, $made),
        }
    };
}

/// Calls a method of a storage or its twin, which has the same arguments.
macro_rules! on {
    ($form:expr, $storage:expr, $method:ident / $twin:ident ($($argument:expr),*)) => {
        either!($form, $storage.$method($($argument),*), $storage.$twin($($argument),*), value)
    };
}

fn value(value: impl Into<Value>) -> Made {
    Made::Value(value.into())
}

fn later<T: Send + 'static>(pending: Pending<T>, made: impl FnOnce(T) -> Made + 'static) -> Begun {
    let (sender, receiver) = channel();
    pending.then(move |result| {
        sender.send(result).ok();
    });
    Begun::Later(Box::new(move || {
        let result = receiver.recv_timeout(WITHIN).map_err(|_| "does not come to an end".to_owned())?;
        Ok(result.map(made))
    }))
}

fn done(value: Value) -> Begun {
    Begun::Done(Ok(Made::Value(value)))
}

impl<'a> Handles<'a> {
    pub(crate) fn new(directory: &'a Path, form: Form) -> Self {
        let (storages, tasks, listeners) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { directory, form, storages, tasks, listeners }
    }

    /// Begins a call; in the blocking form it is done then.
    pub(crate) fn begin(&mut self, call: &Call) -> Result<Begun, String> {
        let with = Arguments { of: call, directory: self.directory, tasks: &self.tasks };
        let form = self.form;
        let (on, made) = (call.on.unwrap_or_default(), call.makes.unwrap_or_default());
        let begun = match call.name {
            "open" => {
                let options = with.options(0)?;
                either!(form, NativeStorage::open(options), NativeStorage::open_async(options), Made::Storage)
            }
            "restoreBackup" => {
                let (from, path, task) = (with.location(0)?, with.text(1)?, with.task(2)?);
                let restore = (api::restore_backup, api::restore_backup_async);
                either!(form, (restore.0)(from, path, task), (restore.1)(from, path, task), value)
            }
            "repair" => {
                let (path, task) = (with.text(0)?, with.task(1)?);
                either!(form, api::repair(path, task), api::repair_async(path, task), value)
            }
            "libraryVersion" => done(api::library_version().into()),
            "throwError" => Begun::Done(api::throw_error(with.code(0)?).map(value)),
            "newTask" => {
                self.tasks.insert(made, StorageTask::new());
                done(Value::Nothing)
            }
            "progress" => done(self.task(on)?.progress().into()),
            "cancel" => {
                self.task(on)?.cancel();
                done(Value::Nothing)
            }
            "onProgress" => {
                let heard = Heard::default();
                self.task(on)?.on_progress(Box::new(heard.clone()));
                self.listeners.insert(made, heard);
                done(Value::Nothing)
            }
            "onEvent" => {
                let heard = Heard::default();
                let listening = self.storage(on)?.on_event(Box::new(heard.clone()));
                self.listeners.insert(made, heard);
                Begun::Done(listening.map(value))
            }
            "drop" => {
                self.storages.remove(on).ok_or_else(|| format!("there is no handle {on}"))?;
                done(Value::Nothing)
            }
            _ => Self::on_storage(form, self.storage(on)?, &with)?,
        };
        Ok(begun)
    }

    fn on_storage(form: Form, on: &NativeStorage, with: &Arguments<'_>) -> Result<Begun, String> {
        let bytes = |n| with.bytes(n);
        Ok(match with.of.name {
            "store" => on!(form, on, store / store_async(&bytes(0)?)),
            "storeBatch" => on!(form, on, store_batch / store_batch_async(&bytes(0)?)),
            "load" => on!(form, on, load / load_async(&bytes(0)?, with.number(1)?)),
            "loadMany" => on!(form, on, load_many / load_many_async(&bytes(0)?, with.number(1)?)),
            "loadPiece" => {
                let (id, session) = (bytes(0)?, bytes(1)?);
                let (after, count) = (with.number(2)? as u32, with.number(3)? as u32);
                on!(form, on, load_piece / load_piece_async(&id, &session, after, count))
            }
            "knownState" => on!(form, on, known_state / known_state_async(&bytes(0)?)),
            "knownStates" => on!(form, on, known_states / known_states_async(with.texts(0)?)),
            "pendingDeletions" => on!(form, on, pending_deletions / pending_deletions_async()),
            "erase" => on!(form, on, erase / erase_async(&bytes(0)?)),
            "coValueIds" => {
                on!(form, on, co_value_ids / co_value_ids_async(with.number(0)?, with.number(1)?))
            }
            "coValueCount" => on!(form, on, co_value_count / co_value_count_async()),
            "trackSyncState" => on!(form, on, track_sync_state / track_sync_state_async(&bytes(0)?)),
            "updateSyncStates" => {
                on!(form, on, update_sync_states / update_sync_states_async(with.updates(0)?))
            }
            "unsyncedIds" => on!(form, on, unsynced_ids / unsynced_ids_async()),
            "stopTracking" => on!(form, on, stop_tracking / stop_tracking_async(&bytes(0)?)),
            "tryAcquireLock" => {
                let (session, peer) = (bytes(0)?, bytes(1)?);
                let (now, ttl, interval) = (with.number(2)?, with.number(3)?, with.number(4)?);
                on!(form, on, try_acquire_lock / try_acquire_lock_async(&session, &peer, now, ttl, interval))
            }
            "renewLock" => {
                on!(form, on, renew_lock / renew_lock_async(&bytes(0)?, &bytes(1)?, with.number(2)?))
            }
            "releaseLock" => {
                on!(form, on, release_lock / release_lock_async(&bytes(0)?, &bytes(1)?, with.number(2)?))
            }
            "flush" => on!(form, on, flush / flush_async()),
            "maintain" => on!(form, on, maintain / maintain_async(with.number(0)?)),
            "compact" => on!(form, on, compact / compact_async()),
            "verify" => on!(form, on, verify / verify_async(with.task(0)?)),
            "backup" => on!(form, on, backup / backup_async(with.location(0)?, with.task(1)?)),
            "stats" => on!(form, on, stats / stats_async()),
            "close" => on!(form, on, close / close_async()),
            unknown => return Err(format!("there is no call {unknown}")),
        })
    }

    /// Waits for a call, and keeps what it made.
    pub(crate) fn settle(&mut self, call: &Call, begun: Begun) -> Result<Outcome, String> {
        let answer = match begun {
            Begun::Done(answer) => answer,
            Begun::Later(wait) => wait()?,
        };
        Ok(match answer {
            Ok(Made::Value(value)) => Ok(value),
            Ok(Made::Storage(storage)) => {
                self.storages.insert(call.makes.unwrap_or_default(), storage);
                Ok(Value::Nothing)
            }
            Err(error) => Err((error.code().as_str().to_owned(), error.to_string())),
        })
    }

    /// What a listener was told so far.
    pub(crate) fn told(&self, call: &Call) -> Result<Value, String> {
        let name = call.on.unwrap_or_default();
        let heard = self.listeners.get(name).ok_or_else(|| format!("there is no listener {name}"))?;
        let heard = heard.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = heard.last().cloned().unwrap_or(Value::Nothing);
        let complete = match &last {
            Value::Record(fields) => match &fields[..] {
                [("done", Value::Number(done)), ("total", Value::Number(total))] => done == total,
                _ => false,
            },
            _ => false,
        };
        let times = Value::Number(heard.len() as f64);
        Ok(Value::Record(vec![("times", times), ("last", last), ("complete", complete.into())]))
    }

    fn storage(&self, name: &str) -> Result<&NativeStorage, String> {
        self.storages.get(name).ok_or_else(|| format!("there is no handle {name}"))
    }

    fn task(&self, name: &str) -> Result<&StorageTask, String> {
        self.tasks.get(name).ok_or_else(|| format!("there is no task {name}"))
    }
}

/// The arguments of a call as the API takes them.
struct Arguments<'a> {
    of: &'a Call,
    directory: &'a Path,
    tasks: &'a HashMap<&'static str, StorageTask>,
}

impl Arguments<'_> {
    fn wrong<T>(&self, n: usize) -> Result<T, String> {
        Err(format!("argument {n} of {} has another type", self.of.name))
    }

    fn bytes(&self, n: usize) -> Result<Vec<u8>, String> {
        if let Some(Value::Bytes(bytes)) = self.of.with.get(n) { Ok(bytes.bytes()) } else { self.wrong(n) }
    }

    fn number(&self, n: usize) -> Result<f64, String> {
        if let Some(Value::Number(number)) = self.of.with.get(n) { Ok(*number) } else { self.wrong(n) }
    }

    fn task(&self, n: usize) -> Result<&StorageTask, String> {
        let Some(Value::Task(name)) = self.of.with.get(n) else { return self.wrong(n) };
        self.tasks.get(name).ok_or_else(|| format!("there is no task {name}"))
    }

    /// A text, or a path of the case.
    fn string(&self, value: &Value, n: usize) -> Result<String, String> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            Value::Path(path) => Ok(self.directory.join(path).to_string_lossy().into_owned()),
            _ => self.wrong(n),
        }
    }

    fn text(&self, n: usize) -> Result<String, String> {
        self.string(self.of.with.get(n).unwrap_or(&Value::Nothing), n)
    }

    fn list(&self, n: usize) -> Result<&[Value], String> {
        if let Some(Value::List(values)) = self.of.with.get(n) { Ok(values) } else { self.wrong(n) }
    }

    fn texts(&self, n: usize) -> Result<Vec<String>, String> {
        self.list(n)?.iter().map(|value| self.string(value, n)).collect()
    }

    fn fields(&self, n: usize) -> Result<&[(&'static str, Value)], String> {
        if let Some(Value::Record(fields)) = self.of.with.get(n) { Ok(fields) } else { self.wrong(n) }
    }

    fn updates(&self, n: usize) -> Result<Vec<SyncStateUpdate>, String> {
        let update = |value: &Value| match value {
            Value::Record(fields) => match &fields[..] {
                [("coValue", co_value), ("peer", peer), ("synced", Value::Bool(synced))] => {
                    let (co_value, peer) = (self.string(co_value, n)?, self.string(peer, n)?);
                    Ok(SyncStateUpdate { co_value, peer, synced: *synced })
                }
                _ => self.wrong(n),
            },
            _ => self.wrong(n),
        };
        self.list(n)?.iter().map(update).collect()
    }

    fn code(&self, n: usize) -> Result<ErrorCode, String> {
        let name = self.text(n)?;
        let code = ErrorCode::ALL.iter().find(|code| code.as_str() == name);
        code.copied().ok_or_else(|| format!("there is no code {name}"))
    }

    fn location(&self, n: usize) -> Result<BackupLocation, String> {
        let mut location = BackupLocation::default();
        for (name, value) in self.fields(n)? {
            let place = Some(self.string(value, n)?);
            match *name {
                "file" => location.file = place,
                "directory" => location.directory = place,
                _ => return self.wrong(n),
            }
        }
        Ok(location)
    }

    fn options(&self, n: usize) -> Result<OpenOptions, String> {
        let mut options = OpenOptions::default();
        for (name, value) in self.fields(n)? {
            match (*name, value) {
                ("path", value) => options.path = Some(self.string(value, n)?),
                ("durability", Value::Text(level)) => {
                    options.durability = Some(match level.as_str() {
                        "relaxed" => Durability::Relaxed,
                        "strict" => Durability::Strict,
                        "memory" => Durability::Memory,
                        _ => return self.wrong(n),
                    });
                }
                ("cacheBytes", Value::Number(bytes)) => options.cache_bytes = Some(*bytes),
                ("segmentBytes", Value::Number(bytes)) => options.segment_bytes = Some(*bytes),
                ("deltaBytes", Value::Number(bytes)) => options.delta_bytes = Some(*bytes),
                ("bufferBytes", Value::Number(bytes)) => options.buffer_bytes = Some(*bytes),
                ("maxBytes", Value::Number(bytes)) => options.max_bytes = Some(*bytes),
                ("callerMaintains", Value::Bool(does)) => options.caller_maintains = Some(*does),
                _ => return self.wrong(n),
            }
        }
        Ok(options)
    }
}
