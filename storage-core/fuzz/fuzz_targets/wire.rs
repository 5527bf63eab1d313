//! Messages across the binding.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: jazz_storage_fuzz::start("wire"), |data: &[u8]| jazz_storage_fuzz::wire::check(data));
