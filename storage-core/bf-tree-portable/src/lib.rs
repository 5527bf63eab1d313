//! `bf-tree` for all targets, those included that upstream does not compile for: WebAssembly, Android, iOS.
//!
//! There is no code here: the build script (`build/main.rs`) takes the source that cargo fetched and makes the edits
//! listed in `build/edits.rs`. The tests of its user run over upstream's crate as well.

// Another project's code keeps another project's style: its lints are not ours to mend.
#![allow(warnings, clippy::all, unsafe_op_in_unsafe_fn)]

include!(concat!(env!("OUT_DIR"), "/bf-tree/lib.rs"));
