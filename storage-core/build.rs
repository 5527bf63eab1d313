//! Lets napi's command-line tool have this crate compiled once more when the declarations that napi-derive writes on the
//! way are missing.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_NAPI").is_some() {
        println!("cargo::rerun-if-env-changed=NAPI_FORCE_BUILD_JAZZ_STORAGE_CORE");
    }
}
