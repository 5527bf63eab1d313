//! The check that a store gives back what a trace holds, once it has been closed and opened again.

use std::collections::HashMap;
use std::path::Path;

use crate::trace::{Message, Trace, bulk};
use crate::{CHUNK_THRESHOLD, Level, Loaded, LoadedSession, Result, Store};

/// Stores a trace in a new directory, closes the store, opens it again and compares everything.
///
/// # Errors
/// Names the CoValue that is not as it was stored.
pub fn verify<S: Store>(trace: &Trace, directory: &Path, level: Level) -> Result<()> {
    let mut store = S::open(directory, level)?;
    for message in &trace.messages {
        store.store(&S::prepare(message)?)?;
    }
    store.close()?;
    let store = S::open(directory, level)?;
    compare(&store, trace)?;
    store.close()
}

/// Compares everything in a store with the trace that was stored in it: each CoValue as it is loaded, its known state, and
/// of each session its beginning and its end as they are scanned. How many CoValues there are.
///
/// # Errors
/// Names the CoValue that is not as it was stored.
pub fn compare<S: Store>(store: &S, trace: &Trace) -> Result<usize> {
    let expected = expected::<S>(&trace.messages)?;
    for id in &trace.ids {
        let value = expected.get(id.as_str()).ok_or_else(|| format!("{id} has no message"))?;
        compare_value(store, id, value)?;
    }
    Ok(trace.ids.len())
}

/// Compares a CoValue with what it has to be, as [`compare`] does.
///
/// # Errors
/// Says what is not as it was stored.
pub fn compare_value<S: Store>(store: &S, id: &str, value: &Loaded) -> Result<()> {
    let loaded = S::decode(&store.load(id)?)?;
    if loaded != *value {
        return Err(
            format!("{}: {id} is not what was stored: {}", S::NAME, difference(&loaded, value)).into()
        );
    }
    let counters = value.sessions.iter().map(|session| session.transactions.len()).sum::<usize>();
    if store.known_state(id)? != u64::try_from(counters)? {
        return Err(format!("{}: the known state of {id} is wrong", S::NAME).into());
    }
    for session in &value.sessions {
        // The first piece, and what follows the middle and the last of the transactions.
        let transactions = session.transactions.len();
        for after in [0, transactions / 2, transactions.saturating_sub(1)] {
            let end = session.signatures.iter().find(|(end, _)| *end as usize > after);
            let end = end.map_or(transactions, |(end, _)| *end as usize);
            let piece = S::decode_piece(&store.scan(id, &session.id, u32::try_from(after)?)?)?;
            if session.transactions.get(after..end) != Some(piece.as_slice()) {
                return Err(format!("{}: {id} is scanned wrongly from {after} on", S::NAME).into());
            }
        }
    }
    Ok(())
}

/// The first thing in which two CoValues differ.
fn difference(one: &Loaded, other: &Loaded) -> String {
    if one.header != other.header {
        return "the header".to_owned();
    }
    if one.sessions.len() != other.sessions.len() {
        return format!("{} sessions for {}", one.sessions.len(), other.sessions.len());
    }
    let differ = one.sessions.iter().zip(&other.sessions).find(|(one, other)| one != other);
    differ.map_or_else(String::new, |(one, other)| {
        let what = if one.id != other.id {
            "its id"
        } else if one.signatures != other.signatures {
            "its signatures"
        } else {
            "its transactions"
        };
        format!("session {}: {what}", other.id)
    })
}

/// What a load of each CoValue has to give once these messages are stored, chunk signatures included (rules W-6 and L-11).
///
/// # Errors
/// A transaction cannot be brought into the store's form.
pub fn expected<S: Store>(messages: &[Message]) -> Result<HashMap<&str, Loaded>> {
    let mut values: HashMap<&str, Loaded> = HashMap::new();
    let mut units: HashMap<(&str, &str), usize> = HashMap::new();
    for message in messages {
        let value = values.entry(&message.id).or_insert_with(|| Loaded {
            header: message.header.clone().unwrap_or_default(),
            sessions: Vec::new(),
        });
        if !value.sessions.iter().any(|session| session.id == message.session) {
            let id = message.session.clone();
            value.sessions.push(LoadedSession { id, signatures: Vec::new(), transactions: Vec::new() });
        }
        let session = value.sessions.iter_mut().find(|session| session.id == message.session);
        let session = session.ok_or("a CoValue has no session")?;
        let units = units.entry((&message.id, &message.session)).or_default();
        for transaction in &message.transactions {
            session.transactions.push(S::form(transaction)?);
        }
        // The signature after the last message stands at the end of the session until the next message comes.
        if *units > 0 {
            session.signatures.pop();
        }
        session.signatures.push((u32::try_from(session.transactions.len())?, message.signature.clone()));
        *units += message.transactions.iter().map(|transaction| transaction.changes.len()).sum::<usize>();
        if *units > usize::try_from(CHUNK_THRESHOLD)? {
            *units = 0;
        }
    }
    Ok(values)
}

/// Checks in a new directory that a store refuses a message without a header for a CoValue that is not there (rule W-2) and
/// one that leaves a gap (rule W-3), and leaves out what is stored already (rule W-4).
///
/// # Errors
/// Says what it did instead.
pub fn check_rules<S: Store>(directory: &Path, level: Level) -> Result<()> {
    const EACH: u32 = 200;
    let trace = bulk(12, EACH as usize, 1, 3);
    let mut store = S::open(directory, level)?;
    let (first, rest) = trace.messages.split_first().ok_or("the trace is empty")?;
    let headless = Message { header: None, ..first.clone() };
    if store.store(&S::prepare(&headless)?).is_ok() {
        return Err("a message without a header was stored for a CoValue that is not there".into());
    }
    store.store(&S::prepare(first)?)?;
    let gap = rest.get(1).ok_or("the trace is too short")?;
    if store.store(&S::prepare(gap)?).is_ok() {
        return Err("a message was stored that leaves a gap".into());
    }
    let mut before = first;
    for message in rest {
        // Begins in the midst of what is there.
        let half = EACH as usize / 2;
        let transactions: Vec<_> = before
            .transactions
            .iter()
            .skip(half)
            .chain(message.transactions.iter().take(half))
            .cloned()
            .collect();
        let after = message.after - EACH / 2;
        store.store(&S::prepare(&Message { after, transactions, ..message.clone() })?)?;
        store.store(&S::prepare(message)?)?;
        // All of it is there, and its signature is not to come back.
        store.store(&S::prepare(first)?)?;
        before = message;
    }
    let loaded = S::decode(&store.load(&first.id)?)?;
    store.close()?;
    let expected = expected::<S>(&trace.messages)?;
    let [expected] = expected.get(first.id.as_str()).ok_or("no CoValue is expected")?.sessions.as_slice()
    else {
        return Err("one session is expected".into());
    };
    let [session] = loaded.sessions.as_slice() else {
        return Err(format!("{} sessions were loaded", loaded.sessions.len()).into());
    };
    if session.transactions != expected.transactions {
        return Err("what was stored in overlapping messages is not what is loaded".into());
    }
    // Chunks were ended by halves of messages, so only the last signature is as expected.
    if session.signatures.last() != expected.signatures.last() {
        return Err("a message that was there already has left its signature".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::Native;
    use crate::sqlite::Sqlite;
    use crate::trace::{edits, files, hot, small};
    use tempfile::tempdir;

    fn everywhere<S: Store>(trace: &Trace) {
        for &level in S::LEVELS.iter().filter(|&&level| level != Level::None) {
            verify::<S>(trace, tempdir().unwrap().path(), level).unwrap();
        }
    }

    #[test]
    fn both_stores_give_back_what_they_were_given() {
        for trace in [edits(600, 1), small(300, 1), hot(600, 1), bulk(24, 200, 2, 1), files(16, 1)] {
            everywhere::<Native>(&trace);
            everywhere::<Sqlite>(&trace);
        }
    }

    #[test]
    fn what_is_stored_already_is_left_out_and_what_leaves_a_gap_is_refused() {
        check_rules::<Native>(tempdir().unwrap().path(), Level::Process).unwrap();
        check_rules::<Sqlite>(tempdir().unwrap().path(), Level::Process).unwrap();
    }

    #[test]
    fn sessions_are_long_enough_to_be_cut() {
        for trace in [bulk(24, 200, 2, 1), files(16, 1)] {
            let values = expected::<Native>(&trace.messages).unwrap();
            assert!(values.values().all(|value| value.sessions[0].signatures.len() > 2));
        }
    }

    #[test]
    fn a_difference_is_found() {
        let mut trace = edits(50, 1);
        let directory = tempdir().unwrap();
        verify::<Native>(&trace, directory.path(), Level::Process).unwrap();
        let store = Native::open(directory.path(), Level::Process).unwrap();
        assert_eq!(compare(&store, &trace).unwrap(), trace.ids.len());
        trace.messages[40].transactions[0].changes.push('x');
        let error = compare(&store, &trace).unwrap_err().to_string();
        assert!(error.contains("its transactions"), "{error}");
    }
}
