//! Calls that fail while a workload runs, and disks that are full.
//!
//! The step that meets the failure must say so with an error of the right kind; what was acknowledged must stay readable
//! meanwhile and be there after reopening; and the step either goes through when it is tried again, or the store refuses
//! all writes ([`ErrorCode::Latched`]).

use super::script::{Step, Store, Workload, open};
use super::try_contents;
use jazz_storage_core::file::{Failure, FaultFileIO, Loss};
use jazz_storage_core::{Error, ErrorCode};

/// Which calls are counted to find the one that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Those that change something.
    Operations,
    /// Those that do not.
    Queries,
}

/// A way in which calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub calls: Calls,
    pub failure: Failure,
    /// Whether all later ones fail too, until the store was told twice.
    pub lasting: bool,
}

const fn way(calls: Calls, failure: Failure, lasting: bool) -> Way {
    Way { calls, failure, lasting }
}

/// All ways in which calls fail.
pub const WAYS: [Way; 7] = [
    way(Calls::Operations, Failure::Device, false),
    way(Calls::Operations, Failure::HalfWritten, false),
    way(Calls::Operations, Failure::DiskFull, false),
    way(Calls::Operations, Failure::Device, true),
    way(Calls::Operations, Failure::DiskFull, true),
    way(Calls::Queries, Failure::Device, false),
    way(Calls::Queries, Failure::ShortRead, false),
];

/// Makes all steps, none of which fails.
fn make_all(workload: &Workload, storage: &mut Option<Store>, io: &FaultFileIO) {
    let (mut n, all) = (0, workload.script.len());
    while n < all {
        n += workload.make(n, all, storage, io).unwrap();
    }
}

/// How many calls a workload makes, the opening included.
pub fn calls(workload: &Workload) -> (u64, u64) {
    let io = FaultFileIO::new();
    let mut storage = Some(open(io.clone(), &workload.options).unwrap());
    make_all(workload, &mut storage, &io);
    (io.operations(), io.queries())
}

/// The codes of errors that may come from a failure, besides the latch.
fn expected(way: Way) -> &'static [ErrorCode] {
    match (way.calls, way.failure) {
        // A file that cannot even be removed is no longer only a full disk.
        (Calls::Operations, Failure::DiskFull) if way.lasting => &[ErrorCode::DiskFull, ErrorCode::Io],
        (Calls::Operations, Failure::DiskFull) => &[ErrorCode::DiskFull],
        // Bytes that are not there look like a file that was cut.
        (Calls::Queries, Failure::ShortRead) => &[ErrorCode::Corrupt, ErrorCode::Io],
        _ => &[ErrorCode::Io],
    }
}

fn check(true_: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if true_ { Ok(()) } else { Err(wrong()) }
}

/// What an open store says must be the state after one of these numbers of steps.
fn check_contents(storage: &Store, workload: &Workload, allowed: &[usize], when: &str) -> Result<(), String> {
    let got = try_contents(storage).map_err(|e| format!("reading {when}: {e}"))?;
    // The lock comes last and is left out: it cannot be read without a transaction.
    let held: Vec<usize> = (0..workload.states.len())
        .filter(|n| workload.states[*n].split_last().is_some_and(|(_, state)| state == got))
        .collect();
    check(held.iter().any(|n| allowed.contains(n)), || {
        format!("{when}: one of {allowed:?} steps allowed, found the state after {held:?}")
    })
}

/// Opens what is left and compares it.
fn check_reopened(io: FaultFileIO, workload: &Workload, allowed: &[usize], when: &str) -> Result<(), String> {
    let storage = open(io.clone(), &workload.options).map_err(|e| format!("opening {when}: {e}"))?;
    check_contents(&storage, workload, allowed, when)?;
    io.crash_after(0);
    Ok(())
}

/// Runs a workload in which a call fails. Gives how the first step that met it failed, if one did.
pub fn fail_once(workload: &Workload, way: Way, at: u64) -> Result<Option<ErrorCode>, String> {
    let io = FaultFileIO::new();
    match way {
        Way { calls: Calls::Queries, failure, .. } => io.fail_query_after(at, failure),
        Way { lasting: false, failure, .. } => io.fail_after(at, failure),
        Way { lasting: true, failure, .. } => io.fail_from(at, failure),
    }
    let codes = expected(way);
    let mut met = None;
    let mut note = |e: &Error, when: &str| {
        let code = e.code();
        met.get_or_insert(code);
        check(codes.contains(&code) || code == ErrorCode::Latched, || format!("{when}: {code:?}: {e}"))
    };
    let reopen = |when: &str| {
        io.heal();
        open(io.clone(), &workload.options).map_err(|e| format!("opening {when}: {e}"))
    };
    let mut storage = match open(io.clone(), &workload.options) {
        Ok(storage) => Some(storage),
        Err(e) => {
            note(&e, "opening")?;
            for loss in [Loss::Nothing, Loss::Everything, Loss::Some(at)] {
                check_reopened(io.restarted(loss), workload, &[0], "after an opening that failed")?;
            }
            Some(reopen("once more")?)
        }
    };
    let (mut done, mut latched, all) = (0, false, workload.script.len());
    while done < all && !latched {
        let (n, together) = (done, workload.together(done));
        let e = match workload.make(n, all, &mut storage, &io) {
            Ok(made) => {
                done += made;
                continue;
            }
            Err(e) => e,
        };
        note(&e, &format!("step {n}"))?;
        if storage.is_none() {
            storage = Some(reopen("after a step that failed")?);
        }
        let still = storage.as_ref().ok_or("the store is open")?;
        let may_be: Vec<usize> = (n..=n + together).collect();
        check_contents(still, workload, &may_be, &format!("after the failure of step {n}"))?;
        if way.lasting {
            // It fails again, or there was nothing left to do.
            if let Err(e) = workload.make(n, all, &mut storage, &io) {
                note(&e, &format!("step {n} while failures last"))?;
            }
            io.heal();
            if storage.is_none() {
                storage = Some(reopen("after failures that lasted")?);
            }
        }
        match workload.make(n, all, &mut storage, &io) {
            Ok(made) => {
                let gone_on = way.calls == Calls::Queries || way.failure == Failure::DiskFull;
                let reopened = matches!(workload.script[n], Step::Reopen);
                check(gone_on || reopened, || format!("step {n} was not refused after {e}"))?;
                done += made;
            }
            Err(again) if again.code() == ErrorCode::Latched => latched = true,
            Err(again) => return Err(format!("step {n}, tried again: {again}")),
        }
    }
    let begun = (done + if latched { workload.together(done) } else { 0 }).min(all);
    drop(storage);
    let flushed = workload.script[..done].iter().rposition(Step::is_flush).map_or(0, |n| n + 1);
    let durable = if workload.is_strict() { done } else { flushed };
    for (loss, least) in [(Loss::Nothing, done), (Loss::Everything, durable), (Loss::Some(at), durable)] {
        let allowed: Vec<usize> = (least..=begun).collect();
        check_reopened(io.restarted(loss), workload, &allowed, &format!("in the end, losing {loss:?}"))?;
    }
    Ok(met)
}

/// The capacities at which a workload's disk is full at another place: one byte less than each size that it grows to.
pub fn capacities(workload: &Workload) -> Vec<u64> {
    let io = FaultFileIO::new();
    io.keep_history();
    let mut storage = Some(open(io.clone(), &workload.options).unwrap());
    make_all(workload, &mut storage, &io);
    let sizes = (0..=io.operations()).filter_map(|at| io.after(at)).map(|io| io.stats().bytes);
    let mut sizes: Vec<u64> = sizes.filter_map(|size| size.checked_sub(1)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Runs a workload on a disk of so many bytes, and makes room whenever it is full. Gives whether it was.
pub fn fill(workload: &Workload, capacity: u64) -> Result<bool, String> {
    let io = FaultFileIO::new();
    let mut was_full = false;
    let is_full = |e: Error, when: &str| match e.code() {
        ErrorCode::DiskFull => Ok(()),
        code => Err(format!("{when}: {code:?}: {e}")),
    };
    io.set_capacity(Some(capacity));
    let mut storage = match open(io.clone(), &workload.options) {
        Ok(storage) => Some(storage),
        Err(e) => {
            was_full = true;
            is_full(e, "opening")?;
            io.set_capacity(None);
            Some(open(io.clone(), &workload.options).map_err(|e| format!("opening with room: {e}"))?)
        }
    };
    let (mut n, all) = (0, workload.script.len());
    while n < all {
        let e = match workload.make(n, all, &mut storage, &io) {
            Ok(made) => {
                n += made;
                continue;
            }
            Err(e) => e,
        };
        was_full = true;
        is_full(e, &format!("step {n}"))?;
        let when = format!("on the full disk, after step {n} was refused");
        check_reopened(io.restarted(Loss::Nothing), workload, &[n], &when)?;
        if storage.is_none() {
            storage = Some(open(io.clone(), &workload.options).map_err(|e| format!("opening {when}: {e}"))?);
        }
        check_contents(storage.as_ref().ok_or("the store is open")?, workload, &[n], &when)?;
        n += match workload.make(n, all, &mut storage, &io) {
            Ok(made) => made,
            Err(e) => {
                is_full(e, &format!("step {n} again"))?;
                io.set_capacity(None);
                if storage.is_none() {
                    storage = Some(open(io.clone(), &workload.options).map_err(|e| format!("{when}: {e}"))?);
                }
                workload
                    .make(n, all, &mut storage, &io)
                    .map_err(|e| format!("step {n} with room again: {e}"))?
            }
        };
    }
    check_contents(storage.as_ref().ok_or("the store is open")?, workload, &[all], "in the end")?;
    drop(storage);
    check_reopened(io.restarted(Loss::Nothing), workload, &[all], "in the end, reopened")?;
    Ok(was_full)
}
