//! Whole stores against the model.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: jazz_storage_fuzz::start("store"), |data: &[u8]| jazz_storage_fuzz::store::check(data));
