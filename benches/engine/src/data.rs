//! What long runs store: content messages that are made when they are needed, of which nothing is kept.
//!
//! Invariant: each part of a CoValue is a function of the seed, the CoValue's number and the part's place in it. So
//! whatever was stored can be made again to compare it with, in any order, and a dataset of gigabytes takes no memory.

use crate::trace::{Message, Random, Transaction};

/// A piece of a CoValue: the transactions of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The CoValue's number.
    pub value: u32,
    /// Transactions before it.
    pub after: u32,
    /// Transactions in it.
    pub count: u32,
}

/// How large the CoValues are.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Small transactions, one in each message.
    Small,
    /// Content of many sizes; the first CoValue alone has about this many bytes.
    Mixture {
        /// Bytes of changes.
        largest: u64,
    },
}

/// How a CoValue of a [`Shape::Mixture`] is made up.
#[derive(Debug, Clone, Copy)]
struct Size {
    messages: u32,
    /// Transactions in each message.
    transactions: u32,
    /// The least and the most characters of changes in a transaction, the latter left out.
    characters: (usize, usize),
}

/// Every CoValue there could be.
#[derive(Debug, Clone)]
pub struct Values {
    seed: u64,
    shape: Shape,
    account: String,
    key: String,
    group: String,
}

/// What of a CoValue is made.
const ID: u64 = 1 << 40;
const HEADER: u64 = 2 << 40;
const SIGNATURE: u64 = 3 << 40;
const TRANSACTION: u64 = 4 << 40;
const SIZE: u64 = 5 << 40;

/// Characters of changes of one-transaction messages, as in [`crate::trace`].
const SMALL: (usize, usize) = (80, 210);
/// Messages of about 100 KB, as a node cuts what a file is streamed in.
const STREAMED: Size = Size { messages: 0, transactions: 5, characters: (19_000, 21_000) };
/// One of so many CoValues of a mixture has megabytes, by turns an odd and an even one.
const MEGABYTES_EVERY: u32 = 255;
/// Bytes that a message of [`STREAMED`] has on average.
const STREAMED_BYTES: u64 = 100_000;

impl Values {
    /// Those of a seed.
    pub fn new(seed: u64, shape: Shape) -> Self {
        let mut random = Random(seed);
        Self {
            seed,
            shape,
            account: random.text("co_z", 24),
            key: random.text("key_z", 16),
            group: random.text("co_z", 24),
        }
    }

    /// A generator for one part of one CoValue.
    fn random(&self, value: u32, part: u64) -> Random {
        let mut random = Random(self.seed ^ (u64::from(value) << 20));
        Random(random.next() ^ part)
    }

    /// The CoValue's id.
    pub fn id(&self, value: u32) -> String {
        self.random(value, ID).text("co_z", 24)
    }

    /// The id of its one session.
    pub fn session(&self, value: u32) -> String {
        self.random(value, ID + 1).text(&format!("{}_session_z", self.account), 17)
    }

    /// Its header, as JSON text.
    pub fn header(&self, value: u32) -> String {
        format!(
            r#"{{"type":"comap","ruleset":{{"type":"ownedByGroup","group":"{}"}},"meta":null,"createdAt":"2026-01-01T00:00:00.000Z","uniqueness":"{}"}}"#,
            self.group,
            self.random(value, HEADER).text("z", 17)
        )
    }

    /// The signature after this many transactions.
    pub fn signature(&self, value: u32, end: u32) -> String {
        self.random(value, SIGNATURE + u64::from(end)).text("signature_z", 88)
    }

    /// The transaction at an index of its session.
    pub fn transaction(&self, value: u32, index: u32) -> Transaction {
        let mut random = self.random(value, TRANSACTION + u64::from(index));
        let (least, end) = match self.shape {
            Shape::Small => SMALL,
            Shape::Mixture { .. } => self.size(value).characters,
        };
        let len = least + random.below(end - least);
        Transaction {
            made_at: 1_000_000_000 + index,
            key: self.key.clone(),
            changes: random.text("encrypted_U", len),
        }
    }

    /// The message of a step; with the header if it is the first of its CoValue.
    pub fn message(&self, step: Step) -> Message {
        let Step { value, after, count } = step;
        Message {
            id: self.id(value),
            header: (after == 0).then(|| self.header(value)),
            session: self.session(value),
            after,
            signature: self.signature(value, after + count),
            transactions: (after..after + count).map(|index| self.transaction(value, index)).collect(),
        }
    }

    fn size(&self, value: u32) -> Size {
        let largest = match self.shape {
            Shape::Small => return Size { messages: 1, transactions: 1, characters: SMALL },
            Shape::Mixture { largest } => largest,
        };
        let mut random = self.random(value, SIZE);
        let streamed =
            |messages: u64| Size { messages: u32::try_from(messages).unwrap_or(u32::MAX), ..STREAMED };
        if value == 0 {
            streamed((largest / STREAMED_BYTES).max(1))
        } else if value % MEGABYTES_EVERY == 1 {
            streamed(20 + random.next() % 60)
        } else {
            let messages = 8 + (random.next() % 16) as u32;
            Size { messages, transactions: 4, characters: (400, 900) }
        }
    }

    /// Transactions of a CoValue of a mixture, once all of it is stored.
    pub fn transactions(&self, value: u32) -> u32 {
        let size = self.size(value);
        size.messages * size.transactions
    }

    /// How many CoValues of a mixture have about this many bytes of changes together.
    pub fn amounting_to(&self, bytes: u64) -> u32 {
        let mut sum = 0;
        let mut value = 0;
        while sum < bytes {
            let (least, end) = self.size(value).characters;
            sum += u64::from(self.transactions(value)) * ((least + end) / 2) as u64;
            value += 1;
        }
        value
    }
}

/// Bytes of content in a message: its header and its transactions in the form in which they cross the binding, in which
/// the key of the first is that of all (docs/design.md, section 2.2).
pub fn content_bytes(message: &Message) -> u64 {
    let header = message.header.as_ref().map_or(0, String::len);
    let key = message.transactions.first().map_or(0, |first| 2 + first.key.len());
    let transactions: usize = message.transactions.iter().map(|one| 1 + 8 + 4 + one.changes.len()).sum();
    (header + key + transactions) as u64
}

/// One-transaction messages in the proportions of [`crate::trace::edits`]: a quarter begins a CoValue, a quarter goes to
/// six hot ones, half to any.
#[derive(Debug, Clone)]
pub struct Edits {
    random: Random,
    left: u64,
    /// Transactions of each CoValue so far.
    counters: Vec<u32>,
}

impl Edits {
    /// So many of them, to CoValues that a seed chooses.
    pub fn new(seed: u64, messages: u64) -> Self {
        Self { random: Random(seed), left: messages, counters: Vec::new() }
    }

    /// Transactions of each CoValue after all messages.
    pub fn counters(mut self) -> Vec<u32> {
        while self.next().is_some() {}
        self.counters
    }
}

impl Iterator for Edits {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        const HOT: usize = 6;
        self.left = self.left.checked_sub(1)?;
        let known = self.counters.len();
        let to = match self.random.below(4) {
            _ if known < HOT => known,
            0 => known,
            1 => self.random.below(HOT),
            _ => self.random.below(known),
        };
        if to == known {
            self.counters.push(0);
        }
        let counter = self.counters.get_mut(to)?;
        let after = *counter;
        *counter += 1;
        Some(Step { value: u32::try_from(to).ok()?, after, count: 1 })
    }
}

/// The CoValues of a mixture, some of them at a time, so that what belongs together is not stored together.
#[derive(Debug, Clone)]
pub struct Interleaved<'a> {
    values: &'a Values,
    random: Random,
    open: Vec<Step>,
    begun: u32,
    end: u32,
}

impl<'a> Interleaved<'a> {
    /// The first `count` of them, whole.
    pub fn new(values: &'a Values, count: u32) -> Self {
        Self { values, random: Random(values.seed), open: Vec::new(), begun: 0, end: count }
    }
}

impl Iterator for Interleaved<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        const AT_A_TIME: usize = 32;
        while self.open.len() < AT_A_TIME && self.begun < self.end {
            let count = self.values.size(self.begun).transactions;
            self.open.push(Step { value: self.begun, after: 0, count });
            self.begun += 1;
        }
        let chosen = self.random.below(self.open.len());
        let open = self.open.get_mut(chosen)?;
        let step = *open;
        open.after += step.count;
        if open.after >= self.values.transactions(step.value) {
            self.open.swap_remove(chosen);
        }
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use crate::native::Native;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn edits_go_on_where_their_session_stands() {
        let mut counters: HashMap<u32, u32> = HashMap::new();
        for step in Edits::new(3, 4_000) {
            let counter = counters.entry(step.value).or_default();
            assert_eq!((step.after, step.count), (*counter, 1));
            *counter += 1;
        }
        let again = Edits::new(3, 4_000).counters();
        assert_eq!(again.len(), counters.len());
        assert!((0..).zip(&again).all(|(value, counter)| counters[&value] == *counter));
        assert!((700..1_300).contains(&again.len()), "a quarter is new: {}", again.len());
    }

    #[test]
    fn a_mixture_is_stored_whole_and_has_the_size_asked_for() {
        let values = Values::new(5, Shape::Mixture { largest: 4_000_000 });
        let count = values.amounting_to(30_000_000);
        let mut stored: HashMap<u32, u32> = HashMap::new();
        let mut bytes = 0;
        let mut switches = 0;
        let mut last = 0;
        for step in Interleaved::new(&values, count) {
            let counter = stored.entry(step.value).or_default();
            assert_eq!(step.after, *counter);
            *counter += step.count;
            bytes += content_bytes(&values.message(step));
            switches += u32::from(step.value != last);
            last = step.value;
        }
        assert_eq!(stored.len(), count as usize);
        assert!(stored.iter().all(|(&value, &counter)| counter == values.transactions(value)));
        assert!((28_000_000..36_000_000).contains(&bytes), "{bytes}");
        assert!(switches > 1_000, "CoValues are interleaved");
        assert!((3_500_000..4_500_000).contains(&(u64::from(stored[&0]) * 20_000)));
    }

    #[test]
    fn parts_are_the_same_every_time_and_different_from_each_other() {
        let (one, same) = (Values::new(7, Shape::Small), Values::new(7, Shape::Small));
        let ids: HashSet<String> = (0..2_000).map(|value| one.id(value)).collect();
        assert_eq!(ids.len(), 2_000);
        assert_eq!(one.header(3), same.header(3));
        let changes: HashSet<String> = (0..50)
            .flat_map(|value| (0..50).map(move |index| (value, index)))
            .map(|(value, index)| {
                assert_eq!(one.transaction(value, index).changes, same.transaction(value, index).changes);
                one.transaction(value, index).changes
            })
            .collect();
        assert_eq!(changes.len(), 2_500);
        assert_ne!(one.id(1), Values::new(8, Shape::Small).id(1));
    }

    #[test]
    fn content_is_what_a_message_has_beyond_its_frame() {
        let values = Values::new(9, Shape::Mixture { largest: 1_000_000 });
        for (value, after) in [(0, 0), (2, 0), (2, 4)] {
            let message = values.message(Step { value, after, count: 3 });
            let header = if after == 0 { 4 } else { 0 };
            let frame = 2 + 8 + 2 + 28 + header + 4 + (2 + message.session.len()) + 4 + (2 + 99) + 4 + 4;
            let encoded = Native::prepare(&message).unwrap().len();
            assert_eq!(content_bytes(&message), (encoded - frame) as u64);
        }
    }
}
