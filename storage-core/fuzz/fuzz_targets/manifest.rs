//! Manifests.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: jazz_storage_fuzz::start("manifest"), |data: &[u8]| jazz_storage_fuzz::manifest::check(data));
