//! Files of the operating system, written over in memory.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: jazz_storage_fuzz::start("file"), |data: &[u8]| jazz_storage_fuzz::file::check(data));
