//! The rules by which bf-tree is used (`bftree/mod.rs`), over upstream's crate as it is published.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bftree;

// The engine's own module, compiled over the other crate: in it `bf_tree` and `crate::` mean what they mean here.
#[allow(unreachable_pub)]
#[path = "../src/engine/delta/bftree.rs"]
mod delta;

use delta::BfTreeDelta;
use jazz_storage_core::{engine, error, format};

#[test]
fn exactly_the_version_that_the_rules_are_about_is_used() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let lock = std::fs::read_to_string(format!("{root}/Cargo.lock")).unwrap();
    let mut lines = lock.lines();
    let mut versions = Vec::new();
    while let Some(line) = lines.next() {
        if line == "name = \"bf-tree\"" {
            versions.push(lines.next().unwrap());
        }
    }
    let rule =
        "review all rules of docs/design.md, section 5.4, and run this test at length before an upgrade";
    assert_eq!(versions, ["version = \"0.5.7\""], "{rule}");
    let manifest = std::fs::read_to_string(format!("{root}/Cargo.toml")).unwrap();
    assert!(manifest.lines().any(|line| line == "bf-tree = \"=0.5.7\""), "{rule}");
    let edited =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/bf-tree-portable/build/source.rs"));
    assert!(edited.unwrap().lines().any(|line| line.ends_with("VERSION: &str = \"0.5.7\";")), "{rule}");
}
