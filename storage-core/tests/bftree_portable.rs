//! The rules by which bf-tree is used (`bftree/mod.rs`), over `bf-tree-portable`, on which the engine's index is: with the
//! waiting that is tested here, but for WebAssembly, where nobody waits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bftree;

extern crate bf_tree_portable as bf_tree;

use jazz_storage_core::engine::delta::BfTreeDelta;

#[test]
fn it_is_the_engines_crate_that_is_tested() {
    let name = std::any::type_name::<bf_tree::BfTree>();
    assert!(name.starts_with("bf_tree_portable::"), "{name}");
}
