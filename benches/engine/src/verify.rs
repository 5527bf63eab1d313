//! The check that a store gives back what a trace holds, once it has been closed and opened again.

use std::collections::HashMap;
use std::path::Path;

use crate::trace::Trace;
use crate::{CHUNK_THRESHOLD, Loaded, LoadedSession, Result, Store};

/// Stores a trace in a new directory, closes the store, opens it again and compares everything.
///
/// # Errors
/// Names the CoValue that is not as it was stored.
pub fn verify<S: Store>(trace: &Trace, directory: &Path) -> Result<()> {
    let mut store = S::open(directory)?;
    for message in &trace.messages {
        store.store(&S::prepare(message)?)?;
    }
    store.close()?;

    let store = S::open(directory)?;
    let expected = expected::<S>(trace)?;
    for id in &trace.ids {
        let value = expected.get(id.as_str()).ok_or_else(|| format!("{id} has no message"))?;
        if S::decode(&store.load(id)?)? != *value {
            return Err(format!("{}: {id} is not what was stored", S::NAME).into());
        }
        let counters = value.sessions.iter().map(|session| session.transactions.len()).sum::<usize>();
        if store.known_state(id)? != u64::try_from(counters)? {
            return Err(format!("{}: the known state of {id} is wrong", S::NAME).into());
        }
    }
    store.close()
}

/// What a load of each CoValue has to give, chunk signatures included (rules W-6 and L-11).
fn expected<S: Store>(trace: &Trace) -> Result<HashMap<&str, Loaded>> {
    let mut values: HashMap<&str, (Loaded, usize)> = HashMap::new();
    for message in &trace.messages {
        let (value, units) = values.entry(&message.id).or_insert_with(|| {
            let session = LoadedSession {
                id: message.session.clone(),
                signatures: Vec::new(),
                transactions: Vec::new(),
            };
            (Loaded { header: message.header.clone().unwrap_or_default(), sessions: vec![session] }, 0)
        });
        let session = value.sessions.last_mut().ok_or("a CoValue has no session")?;
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
    Ok(values.into_iter().map(|(id, (value, _))| (id, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::Native;
    use crate::sqlite::Sqlite;
    use crate::trace::{bulk, edits};
    use tempfile::tempdir;

    #[test]
    fn both_stores_give_back_what_they_were_given() {
        for trace in [edits(600), bulk(24, 200, 2)] {
            verify::<Native>(&trace, tempdir().unwrap().path()).unwrap();
            verify::<Sqlite>(&trace, tempdir().unwrap().path()).unwrap();
        }
    }

    #[test]
    fn sessions_are_long_enough_to_be_cut() {
        let trace = bulk(24, 200, 2);
        let values = expected::<Native>(&trace).unwrap();
        assert!(values.values().all(|value| value.sessions[0].signatures.len() > 2));
    }

    #[test]
    fn a_difference_is_found() {
        let mut trace = edits(50);
        let directory = tempdir().unwrap();
        verify::<Native>(&trace, directory.path()).unwrap();
        // Stored already, so that this change does not reach the store (rule W-4).
        trace.messages[40].transactions[0].changes.push('x');
        let store = Native::open(directory.path()).unwrap();
        let id = &trace.messages[40].id;
        let loaded = Native::decode(&store.load(id).unwrap()).unwrap();
        assert_ne!(loaded, expected::<Native>(&trace).unwrap()[id.as_str()]);
    }
}
