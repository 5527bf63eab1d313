//! Sorting, and maps of what comes in any order, in less code where a module is loaded over a network.
//!
//! The standard library's sorts are fast with millions of items, and a copy of several kilobytes for each type. What is
//! sorted here are a few items, most often in order already. So WebAssembly has one sort for all types, of positions; all
//! other platforms have the standard library's.

use std::mem::{replace, swap};

/// Sorts by a key; what has the same key stays in its order.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut [T], mut key: impl FnMut(&T) -> K) {
    if cfg!(target_family = "wasm") {
        sort_little(items, &mut |a, b| key(a) < key(b));
    } else {
        items.sort_by_key(key);
    }
}

/// Sorts what need not stay in order where it is equal.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    if cfg!(target_family = "wasm") {
        sort_little(items, &mut |a, b| a < b);
    } else {
        items.sort_unstable();
    }
}

/// Collects into a map or a set. The standard library sorts beforehand, which is faster with many items.
pub(crate) fn gathered<T, C: Default + Extend<T> + FromIterator<T>>(items: impl IntoIterator<Item = T>) -> C {
    if cfg!(target_family = "wasm") {
        let mut all = C::default();
        all.extend(items);
        all
    } else {
        items.into_iter().collect()
    }
}

fn sort_little<T>(items: &mut [T], less: &mut dyn FnMut(&T, &T) -> bool) {
    let order = order(items.len(), &mut |a, b| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => less(a, b),
        _ => false,
    });
    arrange(order, &mut |a, b| items.swap(a, b));
}

/// The positions of so many items, in the order in which they are to be.
fn order(len: usize, less: &mut dyn FnMut(usize, usize) -> bool) -> Vec<usize> {
    if (1..len).all(|place| !less(place, place - 1)) {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..len).collect();
    let mut merged = Vec::with_capacity(len);
    let mut width = 1;
    while width < len {
        merged.clear();
        for pair in order.chunks(2 * width) {
            let (mut left, mut right) = pair.split_at(width.min(pair.len()));
            while let (Some((a, left_rest)), Some((b, right_rest))) =
                (left.split_first(), right.split_first())
            {
                if less(*b, *a) {
                    merged.push(*b);
                    right = right_rest;
                } else {
                    merged.push(*a);
                    left = left_rest;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        swap(&mut order, &mut merged);
        width *= 2;
    }
    order
}

/// Moves each item to its place, by exchanging two at a time.
fn arrange(mut order: Vec<usize>, exchange: &mut dyn FnMut(usize, usize)) {
    for start in 0..order.len() {
        let mut place = start;
        while let Some(from) = order.get_mut(place).map(|from| replace(from, place)) {
            if from == start {
                break;
            }
            exchange(place, from);
            place = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn little_is_sorted_as_the_standard_library_does(keys in prop::collection::vec(0_u8..20, 0..70)) {
            let mut items: Vec<(u8, usize)> = keys.into_iter().zip(0..).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            sort_little(&mut items, &mut |a, b| a.0 < b.0);
            prop_assert_eq!(items, expected);
        }
    }
}
