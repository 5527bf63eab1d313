//! What writers know of the delta without asking it: the rows they met last, so that what a store looks up it does not look
//! up again when it is applied, nor a session that keeps growing for each message; and which groups it has nothing of, as
//! every new CoValue is looked for in vain.
//!
//! Invariant: what is known is what the delta says. All changes of the delta go through [`super::IndexWriter`], which keeps
//! this up to date, under the lock of the log, which guards it; a new delta begins with nothing kept.

use crate::format::row::{Group, Key, Value};

/// How many rows are kept: 125 KiB of them.
const ROWS: usize = 1024;
/// Bits that tell which groups the delta may have rows of: with 64,000 groups in it, seven of eight others are known not to
/// be there.
const GROUP_BITS: usize = 1 << 19;

/// What the delta has of a key: a row, or none.
type Known = Option<Value>;

/// See the module.
pub(super) struct Recent {
    /// Each key has one place; the last one that came there is kept.
    places: Vec<Option<(Key, Known)>>,
    /// One bit for each group of the delta, at a place that its hash gives.
    groups: Vec<u64>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { places: vec![None; ROWS], groups: vec![0; GROUP_BITS / 64] }
    }

    /// What the delta has of this key, if that is known.
    pub(super) fn get(&self, key: &Key) -> Option<Known> {
        let (word, bit) = group_bit(key.group());
        if self.groups.get(word).is_some_and(|word| word & bit == 0) {
            return Some(None);
        }
        let place = self.places.get(place(key))?.as_ref();
        place.filter(|(kept, _)| kept == key).map(|(_, known)| *known)
    }

    /// Keeps what the delta has of a key now.
    pub(super) fn keep(&mut self, key: &Key, known: Known) {
        let (word, bit) = group_bit(key.group());
        if let Some(word) = self.groups.get_mut(word).filter(|_| known.is_some()) {
            *word |= bit;
        }
        if let Some(place) = self.places.get_mut(place(key)) {
            *place = Some((*key, known));
        }
    }

    /// A new, empty delta has taken the place of the one before.
    pub(super) fn clear(&mut self) {
        self.places.fill(None);
        self.groups.fill(0);
    }
}

/// The word that has a group's bit, and the bit.
fn group_bit(group: Group) -> (usize, u64) {
    let place = u128::from_le_bytes(group.0) as usize % GROUP_BITS;
    (place / 64, 1 << (place % 64))
}

/// Groups are hashes; the slot tells the rows of one group apart.
fn place(key: &Key) -> usize {
    let group = key.0.first_chunk().map_or(0, |head| u64::from_le_bytes(*head));
    (group ^ u64::from(key.slot())) as usize % ROWS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::row::{Group, VALUE_LEN};

    fn key(group: u32, slot: u32) -> Key {
        let hash = u128::from(group).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Key::new(Group(hash.to_le_bytes()), slot, 0)
    }

    #[test]
    fn what_is_known_of_a_key_is_what_came_last_and_of_a_new_delta_that_it_is_empty() {
        let mut recent = Recent::new();
        for n in 0..5_000 {
            let key = key(7, n);
            assert_eq!(recent.get(&key), if n == 0 { Some(None) } else { None });
            recent.keep(&key, None);
            assert_eq!(recent.get(&key), Some(None));
            recent.keep(&key, Some([n as u8; VALUE_LEN]));
            assert_eq!(recent.get(&key), Some(Some([n as u8; VALUE_LEN])));
        }
        assert_eq!((0..5_000).filter(|n| recent.get(&key(7, *n)).is_some()).count(), ROWS);
        recent.clear();
        assert!((0..5_000).all(|n| recent.get(&key(7, n)) == Some(None)));
    }

    #[test]
    fn no_group_that_the_delta_has_is_thought_absent_and_few_others_present() {
        let mut recent = Recent::new();
        for n in 0..64_000 {
            recent.keep(&key(n, 5), Some([1; VALUE_LEN]));
        }
        assert!((0..64_000).all(|n| recent.get(&key(n, 5)) != Some(None)));
        let unsure = (64_000..128_000).filter(|n| recent.get(&key(*n, 5)).is_none()).count();
        assert!(unsure < 9_600, "{unsure}");
    }
}
