//! The delta over bf-tree against the one over a map.

use super::random::Random;
use crate::BfTreeDelta;
use jazz_storage_core::engine::delta::{BTreeDelta, Delta, Row, Rows};
use jazz_storage_core::format::row::{Group, KEY_LEN, Key, VALUE_LEN};

/// Of each slot the head and the first row behind it.
fn heads_of(rows: &[Row]) -> Vec<Row> {
    let slots = rows.chunk_by(|a, b| a.0.slot() == b.0.slot());
    slots.flat_map(|slot| slot.iter().take(if slot[0].0.index() == 0 { 2 } else { 1 })).copied().collect()
}

#[test]
fn bf_tree_agrees_with_the_model_on_random_rows() {
    for seed in 0..4u64 {
        let (tree, model) = (BfTreeDelta::create().unwrap(), BTreeDelta::create().unwrap());
        let mut random = Random(seed);
        for step in 0..30_000u64 {
            let n = random.next();
            let mut group = [0; 16];
            group[..8].copy_from_slice(&(n % 997).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            let group = Group(group);
            let key = Key::new(group, (n >> 20) as u32 % 3, (n >> 30) as u32 % 40);
            match n >> 60 {
                0..=9 => {
                    let value = [(step % 251) as u8; VALUE_LEN];
                    tree.put(&key, &value).unwrap();
                    model.put(&key, &value).unwrap();
                }
                10..=13 => assert_eq!(tree.get(&key), model.get(&key), "seed {seed} step {step}"),
                _ => {
                    let (mut a, mut b) = (Vec::new(), Vec::new());
                    tree.group(group, Rows::All, &mut a).unwrap();
                    model.group(group, Rows::All, &mut b).unwrap();
                    assert_eq!(a, b, "seed {seed} step {step}");
                    let heads = heads_of(&a);
                    let (mut a, mut b) = (Vec::new(), Vec::new());
                    tree.group(group, Rows::Heads, &mut a).unwrap();
                    model.group(group, Rows::Heads, &mut b).unwrap();
                    assert_eq!((&a, &b), (&heads, &heads), "seed {seed} step {step}");
                }
            }
        }
        for limit in [0, 1, 100, usize::MAX >> 1] {
            let from = Key::new(Group([128; 16]), 1, 7);
            for first in [Key([0; KEY_LEN]), from] {
                let rows = tree.rows_from(&first, limit).unwrap();
                assert_eq!(rows, model.rows_from(&first, limit).unwrap(), "seed {seed} limit {limit}");
            }
        }
    }
}
