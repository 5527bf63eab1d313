//! `uniffi-bindgen` (`cargo xtask codegen` runs it).

fn main() {
    uniffi::uniffi_bindgen_main();
}
