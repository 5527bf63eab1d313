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
pub fn edits(messages: usize) -> Trace {
    const HOT: usize = 6;
    let mut writer = Writer::new(1);
    for n in 0..messages {
        let known = writer.sessions.len();
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
pub fn bulk(messages: usize, transactions: usize, values: usize) -> Trace {
    let mut writer = Writer::new(2);
    for n in 0..messages {
        writer.message(n % values.max(1), transactions);
    }
    writer.trace(format!("{transactions}-transaction messages"))
}

/// A generator of the splitmix kind, begun with a seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// `prefix`, then `len` characters of those that ids, signatures and ciphertexts consist of.
    pub(crate) fn text(&mut self, prefix: &str, len: usize) -> String {
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

/// A CoValue under construction: one session writes it.
struct Session {
    id: String,
    session: String,
    counter: u32,
}

struct Writer {
    random: Random,
    account: String,
    key: String,
    group: String,
    clock: u32,
    sessions: Vec<Session>,
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
            sessions: Vec::new(),
            messages: Vec::new(),
            random,
        }
    }

    /// Appends a message to the CoValue of this number, or to a new one if there is none.
    fn message(&mut self, to: usize, transactions: usize) {
        let index = to.min(self.sessions.len());
        if index == self.sessions.len() {
            let id = self.random.text("co_z", 24);
            let session = self.random.text(&format!("{}_session_z", self.account), 17);
            self.sessions.push(Session { id, session, counter: 0 });
        }
        let Some(target) = self.sessions.get_mut(index) else { return };
        let header = (target.counter == 0).then(|| {
            format!(
                r#"{{"type":"comap","ruleset":{{"type":"ownedByGroup","group":"{}"}},"meta":null,"createdAt":"2026-01-01T00:00:00.000Z","uniqueness":"{}"}}"#,
                self.group,
                self.random.text("z", 17)
            )
        });
        let after = target.counter;
        target.counter += u32::try_from(transactions).unwrap_or(0);
        let (id, session) = (target.id.clone(), target.session.clone());
        let transactions = (0..transactions).map(|_| self.transaction()).collect();
        let signature = self.random.text("signature_z", 88);
        self.messages.push(Message { id, header, session, after, signature, transactions });
    }

    fn transaction(&mut self) -> Transaction {
        self.clock += 7;
        let len = 80 + self.random.below(130);
        Transaction {
            made_at: self.clock,
            key: self.key.clone(),
            changes: self.random.text("encrypted_U", len),
        }
    }

    fn trace(mut self, name: String) -> Trace {
        let mut ids: Vec<String> = self.sessions.into_iter().map(|session| session.id).collect();
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
        assert_eq!(of(edits(500)), of(edits(500)));
    }

    #[test]
    fn edits_have_one_transaction_each_and_go_on_where_the_session_stands() {
        let trace = edits(2_000);
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
}
