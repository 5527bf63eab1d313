//! Runs: parts and whole files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: jazz_storage_fuzz::start("run"), |data: &[u8]| jazz_storage_fuzz::run::check(data));
