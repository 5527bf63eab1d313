//! Deterministic traces: content messages with the sizes that real ones have, and no meaning.
//!
//! Sizes are those of messages recorded from Jazz nodes: ids of 28 bytes, session ids of 54, signatures of 99, changes of
//! 80 to 210 characters of ciphertext.

/// A content message with one session of private transactions.
#[derive(Debug, Clone)]
pub struct Message {
    /// The CoValue's id.
    pub id: String,
    /// JSON text; with the first message of a CoValue.
    pub header: Option<String>,
    /// The session's id.
    pub session: String,
    /// How many transactions the session has before these.
    pub after: u32,
    /// The signature after the last transaction.
    pub signature: String,
    /// At least one.
    pub transactions: Vec<Transaction>,
}

/// A private transaction.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Milliseconds.
    pub made_at: u32,
    /// The key's id.
    pub key: String,
    /// The encrypted changes.
    pub changes: String,
}

impl Transaction {
    /// The transaction as JSON text, its fields in alphabetical order.
    pub fn json(&self) -> String {
        let Self { made_at, key, changes } = self;
        format!(
            r#"{{"encryptedChanges":"{changes}","keyUsed":"{key}","madeAt":{made_at},"privacy":"private"}}"#
        )
    }
}

/// Messages in the order in which they are stored.
#[derive(Debug, Clone)]
pub struct Trace {
    /// What the results call it.
    pub name: String,
    /// The messages.
    pub messages: Vec<Message>,
    /// The id of every CoValue, once, in an order that has nothing to do with that of the messages.
    pub ids: Vec<String>,
}

/// One-transaction messages: a quarter of them begins a CoValue, a quarter goes to six hot ones, half to any.
pub fn edits(messages: usize, seed: u64) -> Trace {
    const HOT: usize = 6;
    let mut writer = Writer::new(seed);
    for n in 0..messages {
        let known = writer.values.len();
        let to = match writer.random.below(4) {
            _ if n < HOT => known,
            0 => known,
            1 => writer.random.below(HOT),
            _ => writer.random.below(known),
        };
        writer.message(to, 1);
    }
    writer.trace("one-transaction messages".to_owned())
}

/// Messages of `transactions` each, to one CoValue after the other of `values`.
pub fn bulk(messages: usize, transactions: usize, values: usize, seed: u64) -> Trace {
    let mut writer = Writer::new(seed);
    for n in 0..messages {
        writer.message(n % values.max(1), transactions);
    }
    writer.trace(format!("{transactions}-transaction messages"))
}

/// One-transaction messages to many small CoValues: half of them begins one, half goes to any.
pub fn small(messages: usize, seed: u64) -> Trace {
    let mut writer = Writer::new(seed);
    for _ in 0..messages {
        let known = writer.values.len();
        let to = if writer.random.below(2) == 0 { known } else { writer.random.below(known.max(1)) };
        writer.message(to, 1);
    }
    writer.trace("small CoValues".to_owned())
}

/// One-transaction messages to four CoValues, each written by two sessions.
pub fn hot(messages: usize, seed: u64) -> Trace {
    const HOT: usize = 4;
    let mut writer = Writer::new(seed);
    writer.sessions = 2;
    for n in 0..messages {
        let to = if n < HOT { n } else { writer.random.below(HOT) };
        writer.message(to, 1);
    }
    writer.trace("hot CoValues".to_owned())
}

/// Messages of one transaction of 150 KB, as files are stored in: eight to each CoValue, of which some grow at a time.
/// Each is more than a chunk, so it has a signature of its own.
pub fn files(messages: usize, seed: u64) -> Trace {
    const EACH: usize = 8;
    const AT_A_TIME: usize = 4;
    let mut writer = Writer::new(seed);
    writer.characters = (150_000, 150_001);
    for n in 0..messages {
        let group = n / (EACH * AT_A_TIME);
        writer.message(group * AT_A_TIME + n % AT_A_TIME, 1);
    }
    writer.trace("files".to_owned())
}

/// A generator of the splitmix kind, begun with a seed.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// The next number below this one, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// `prefix`, then `len` characters of those that ids, signatures and ciphertexts consist of.
    pub fn text(&mut self, prefix: &str, len: usize) -> String {
        const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
        /// Characters made of one number, at 6 bits each.
        const AT_ONCE: usize = 10;
        let mut text = String::with_capacity(prefix.len() + len);
        text.push_str(prefix);
        for done in (0..len).step_by(AT_ONCE) {
            let mut bits = self.next();
            for _ in done..len.min(done + AT_ONCE) {
                text.push(char::from(ALPHABET[(bits & 63) as usize]));
                bits >>= 6;
            }
        }
        text
    }
}

/// A CoValue under construction.
struct Value {
    id: String,
    /// Of each session its id and how many transactions it has.
    sessions: Vec<(String, u32)>,
}

struct Writer {
    random: Random,
    account: String,
    key: String,
    group: String,
    clock: u32,
    /// How many sessions write each CoValue.
    sessions: usize,
    /// The least and the most characters of changes in a transaction, the latter left out.
    characters: (usize, usize),
    values: Vec<Value>,
    messages: Vec<Message>,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        Self {
            account: random.text("co_z", 24),
            key: random.text("key_z", 16),
            group: random.text("co_z", 24),
            clock: 1_000_000_000,
            sessions: 1,
            characters: (80, 210),
            values: Vec::new(),
            messages: Vec::new(),
            random,
        }
    }

    /// Appends a message to the CoValue of this number, or to a new one if there is none.
    fn message(&mut self, to: usize, transactions: usize) {
        let index = to.min(self.values.len());
        let is_new = index == self.values.len();
        if is_new {
            self.values.push(Value { id: self.random.text("co_z", 24), sessions: Vec::new() });
        }
        let Some(target) = self.values.get_mut(index) else { return };
        let by = if self.sessions == 1 { 0 } else { self.random.below(self.sessions) };
        let by = by.min(target.sessions.len());
        if by == target.sessions.len() {
            let session = self.random.text(&format!("{}_session_z", self.account), 17);
            target.sessions.push((session, 0));
        }
        let header = is_new.then(|| {
            format!(
                r#"{{"type":"comap","ruleset":{{"type":"ownedByGroup","group":"{}"}},"meta":null,"createdAt":"2026-01-01T00:00:00.000Z","uniqueness":"{}"}}"#,
                self.group,
                self.random.text("z", 17)
            )
        });
        let id = target.id.clone();
        let Some((session, counter)) = target.sessions.get_mut(by) else { return };
        let (session, after) = (session.clone(), *counter);
        *counter += u32::try_from(transactions).unwrap_or(0);
        let transactions = (0..transactions).map(|_| self.transaction()).collect();
        let signature = self.random.text("signature_z", 88);
        self.messages.push(Message { id, header, session, after, signature, transactions });
    }

    fn transaction(&mut self) -> Transaction {
        self.clock += 7;
        let (least, end) = self.characters;
        let len = least + self.random.below(end - least);
        Transaction {
            made_at: self.clock,
            key: self.key.clone(),
            changes: self.random.text("encrypted_U", len),
        }
    }

    fn trace(mut self, name: String) -> Trace {
        let mut ids: Vec<String> = self.values.into_iter().map(|value| value.id).collect();
        for last in (1..ids.len()).rev() {
            ids.swap(last, self.random.below(last + 1));
        }
        Trace { name, messages: self.messages, ids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_same_trace_comes_every_time() {
        let of = |trace: Trace| trace.messages.iter().map(|m| m.signature.clone()).collect::<Vec<_>>();
        assert_eq!(of(edits(500, 1)), of(edits(500, 1)));
        assert_ne!(of(edits(500, 1)), of(edits(500, 2)));
    }

    #[test]
    fn edits_have_one_transaction_each_and_go_on_where_the_session_stands() {
        let trace = edits(2_000, 1);
        let mut counters: HashMap<&str, u32> = HashMap::new();
        for message in &trace.messages {
            let counter = counters.entry(&message.id).or_default();
            assert_eq!((message.transactions.len(), message.after), (1, *counter));
            assert_eq!(message.header.is_some(), *counter == 0);
            *counter += 1;
        }
        assert_eq!(trace.ids.len(), counters.len());
        assert!((300..700).contains(&counters.len()), "a quarter is new: {}", counters.len());
        assert!(counters.values().any(|&counter| counter > 50), "some are hot");
    }

    #[test]
    fn traces_have_the_shape_they_are_named_for() {
        let sessions = |trace: &Trace| {
            let mut sessions: HashMap<(&str, &str), usize> = HashMap::new();
            for message in &trace.messages {
                *sessions.entry((&message.id, &message.session)).or_default() += message.transactions.len();
            }
            sessions.len()
        };
        let small = small(2_000, 1);
        assert!((800..1_200).contains(&small.ids.len()), "half begins one: {}", small.ids.len());
        assert_eq!(sessions(&small), small.ids.len());
        let hot = hot(2_000, 1);
        assert_eq!((hot.ids.len(), sessions(&hot)), (4, 8));
        let files = files(64, 1);
        assert_eq!((files.ids.len(), sessions(&files)), (8, 8));
        let all_large =
            |message: &Message| message.transactions.iter().all(|one| one.changes.len() >= 150_000);
        assert!(files.messages.iter().all(all_large));
    }
}
