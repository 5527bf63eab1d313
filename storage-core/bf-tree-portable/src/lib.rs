//! `bf-tree` for targets that upstream does not compile for: WebAssembly, Android, iOS.
//!
//! There is no code here: the build script (`build/main.rs`) takes the source that cargo fetched and makes the edits
//! listed in `build/edits.rs`. It compiles for desktop systems too, so that the tests of its users run over both.

// Another project's code keeps another project's style: its lints are not ours to mend.
#![allow(warnings, clippy::all, unsafe_op_in_unsafe_fn)]

include!(concat!(env!("OUT_DIR"), "/bf-tree/lib.rs"));
