//! Every operation of the API and every error code is in the cases.

use crate::case::{Case, Expected};
use crate::{case, cases, file};
use jazz_storage_core::ErrorCode;
use std::collections::BTreeSet;
use std::path::Path;

/// The functions that bindings have, as the sources of the API say: those with an attribute that exports them.
fn exported() -> BTreeSet<String> {
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../storage-core/src/api");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(api).unwrap() {
        let entry = entry.unwrap().path();
        if entry.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let mut is_exported = false;
        for line in std::fs::read_to_string(&entry).unwrap().lines() {
            let line = line.trim();
            if let Some(attribute) = line.strip_prefix("#[") {
                is_exported |= ["lane(", "operation]"].iter().any(|start| attribute.starts_with(start));
                is_exported |= attribute.contains("napi(") || attribute.contains("napi)");
            } else if let Some(function) = line.strip_prefix("pub fn ") {
                if is_exported {
                    names.insert(camel(function.split(['(', '<']).next().unwrap()));
                }
                is_exported = false;
            } else if !line.starts_with("//") {
                is_exported = false;
            }
        }
    }
    // The constructor of a task.
    assert!(names.remove("new"));
    names.insert("newTask".to_owned());
    names
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |camel, word| camel + &word[..1].to_uppercase() + &word[1..])
}

fn codes(cases: &[Case], of: impl Fn(&str) -> bool) -> BTreeSet<&'static str> {
    let calls = cases.iter().flat_map(Case::calls).filter(|call| of(call.name));
    let code = |expected: &Expected| match expected {
        Expected::Fails(code, _) => Some(*code),
        _ => None,
    };
    calls.filter_map(|call| code(&call.expected)).collect()
}

#[test]
fn every_operation_is_called_with_a_result_that_is_compared() {
    let cases = cases::all();
    let exported = exported();
    assert!(exported.len() > 25, "{exported:?}");
    let compared = |call: &&case::Call| !matches!(call.expected, Expected::Success);
    let mut called: BTreeSet<String> =
        cases.iter().flat_map(Case::calls).map(|call| call.name.to_owned()).collect();
    for own in ["drop", "told"] {
        assert!(called.remove(own), "{own}");
    }
    assert_eq!(called, exported);
    // What gives nothing to compare shows by what other calls give.
    let silent = ["newTask", "cancel", "onProgress", "onEvent", "open"].map(str::to_owned);
    let compared: BTreeSet<String> =
        cases.iter().flat_map(Case::calls).filter(compared).map(|call| call.name.to_owned()).collect();
    let missing: Vec<_> = exported.difference(&compared).filter(|name| !silent.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_error_is_thrown_as_a_sample_and_provoked_where_that_is_possible_everywhere() {
    let cases = cases::all();
    let all: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes(&cases, |call| call == "throwError"), all);
    let not_portable = ["PERMISSION_DENIED", "LATCHED", "INVALID_COMMIT", "HASH_COLLISION", "INTERNAL"];
    let provoked = codes(&cases, |call| call != "throwError");
    let missing: Vec<_> =
        all.difference(&provoked).copied().filter(|code| !not_portable.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn cases_have_names_of_their_own_and_a_topic_each_in_one_place() {
    let cases = cases::all();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 80, "{}", cases.len());
    let topics: Vec<_> = cases.chunk_by(|a, b| a.topic == b.topic).map(|topic| topic[0].topic).collect();
    assert_eq!(topics.iter().collect::<BTreeSet<_>>().len(), topics.len());
    let is_silent = |case: &&Case| case.calls().all(|call| matches!(call.expected, Expected::Success));
    assert!(cases.iter().find(is_silent).is_none(), "every case can fail");
}

#[test]
fn the_file_is_small_and_the_same_each_time() {
    let written = case::write(&cases::all());
    assert_eq!(written, case::write(&cases::all()));
    assert!(written.len() < 300 << 10, "{} bytes", written.len());
    assert!(written.is_ascii());
    crate::compare(&file(), &written).unwrap();
}
