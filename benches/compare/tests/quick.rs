//! The runner in its tiny size: every store in every phase, in processes of their own, everything compared.

use std::process::Command;

use jazz_storage_compare::contestants::all;
use serde_json::Value;

#[test]
fn every_store_gives_back_what_it_was_given_in_every_phase() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("figures.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
    command.arg("--quick").arg("--dir").arg(directory.path()).arg("--json").arg(&file);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));

    let figures: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let measurements = figures["measurements"].as_array().unwrap();
    let has = |peer: &str, workload: &str, phase: &str| {
        measurements
            .iter()
            .any(|one| one["peer"] == *peer && one["workload"] == *workload && one["phase"] == *phase)
    };
    for one in all() {
        for workload in ["small", "hot", "bulk", "files"] {
            assert_eq!(
                has(&one.name, workload, "store"),
                !one.gathers,
                "{} and storing {workload}",
                one.name
            );
            let clustered = has(&one.name, workload, "load-clustered");
            assert_eq!(clustered, one.gathers || one.reads && one.keeps, "{} and {workload}", one.name);
            let loads = has(&one.name, workload, "load") || has(&one.name, workload, "load-warm");
            assert_eq!(loads, one.reads, "{} and loading {workload}", one.name);
        }
        assert_eq!(has(&one.name, "mixed", "mixed"), one.reads, "{}", one.name);
    }
    let latencies = figures["latencies"].as_array().unwrap();
    assert!(!latencies.is_empty() && latencies.iter().all(|one| one["percentiles"][0][0] == 50.0));
    let verified = figures["verified"].as_array().unwrap();
    assert_eq!(verified.len(), 6, "{verified:?}");
}
