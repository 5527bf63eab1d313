//! All scenarios of the soak in a tiny size, each with its bounds.

use std::process::Command;

#[test]
fn every_scenario_keeps_content_and_bounds() {
    let status = Command::new(env!("CARGO_BIN_EXE_soak")).arg("--quick").status().unwrap();
    assert!(status.success(), "what the soak printed says which bound was not kept");
}
