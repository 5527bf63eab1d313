//! Records, segment headers, entries, transactions.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: jazz_storage_fuzz::start("record"), |data: &[u8]| jazz_storage_fuzz::record::check(data));
