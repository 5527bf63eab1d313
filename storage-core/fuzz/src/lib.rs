//! What the fuzz targets check: whatever the bytes, decoders give an error or a value, never panic, take memory in
//! proportion to the bytes they were given, and what they accept is written as it was read.
//!
//! `cargo xtask fuzz` runs the targets. Each starts from seeds: valid bytes, which [`seeds`] makes. As a checksum stops
//! nearly all mutated bytes at once, targets also put right the checksums of what they were given, and go on inside.
//!
//! A panic here is a finding, so nothing of this crate is bound to avoid them.

pub mod file;
pub mod manifest;
pub mod memory;
pub mod record;
pub mod run;
pub mod seeds;
pub mod store;
pub mod tx;
pub mod wire;

/// Names a directory: the target writes its seeds there and ends.
pub const SEEDS: &str = "JAZZ_FUZZ_SEEDS";

/// What a target does first.
pub fn start(target: &str) {
    let Some(directory) = std::env::var_os(SEEDS) else { return };
    std::fs::create_dir_all(&directory).expect("the directory of the seeds can be made");
    for (number, seed) in seeds::of(target).iter().enumerate() {
        let path = std::path::Path::new(&directory).join(format!("{number:03}"));
        std::fs::write(path, seed).expect("a seed can be written");
    }
    std::process::exit(0);
}

/// The first byte of an input chooses what is done with the others: one of `ways`.
fn choose(data: &[u8], ways: u8) -> Option<(u8, &[u8])> {
    data.split_first().map(|(way, rest)| (way % ways, rest))
}
