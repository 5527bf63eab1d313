//! The rules by which bf-tree is used (`bftree/mod.rs`), over `bf-tree-portable`: WebAssembly, Android and iOS have the
//! engine's index on that, with the waiting that is tested here, but for WebAssembly, where nobody waits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bftree;

// The engine's own module, compiled over the other crate: in it `bf_tree` and `crate::` mean what they mean here.
#[allow(unreachable_pub)]
#[path = "../src/engine/delta/bftree.rs"]
mod delta;

extern crate bf_tree_portable as bf_tree;

use delta::BfTreeDelta;
use jazz_storage_core::{engine, error, format};

#[test]
fn it_is_the_other_crate_that_is_tested() {
    let name = std::any::type_name::<bf_tree::BfTree>();
    assert!(name.starts_with("bf_tree_portable::"), "{name}");
}
