//! Fixtures in, reports out. The numbers of the fixtures are made up, so that what has to come of them is known.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use jazz_storage_bench_report::headline::{BEGIN, END, insert};
use jazz_storage_bench_report::losses::{Loss, comparisons, losses};
use jazz_storage_bench_report::results::{Measurement, Metric, Peer, Run, parse};
use jazz_storage_bench_report::targets::{Line, TARGETS, Verdict, judge};
use jazz_storage_bench_report::view::Found;
use jazz_storage_bench_report::{Input, Report};

const LINK: &str = "benches/REPORT.md";

fn fixture(name: &str) -> Input {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    Input { name: name.to_owned(), text: fs::read_to_string(path).unwrap() }
}

fn both() -> Vec<Input> {
    vec![fixture("engine.json"), fixture("js.json")]
}

fn report() -> Report {
    Report::of(&both(), false, LINK).unwrap()
}

fn run(name: &str) -> Run {
    let Input { name, text } = fixture(name);
    parse(&name, &text).unwrap()
}

/// The error of a report on a fixture in which the first `from` is `to`.
fn refusal(from: &str, to: &str) -> String {
    let Input { name, text } = fixture("js.json");
    assert!(text.contains(from), "{from} is not in {name}");
    let changed = Input { name, text: text.replacen(from, to, 1) };
    Report::of(&[changed], false, LINK).unwrap_err().to_string()
}

fn judged() -> Vec<Line> {
    let (js, engine) = (run("js.json"), run("engine.json"));
    judge(&[&js, &engine])
}

fn line<'a>(lines: &'a [Line], says: &str, place: &str) -> &'a Line {
    let found = lines.iter().find(|line| line.says.contains(says) && line.place == place);
    found.unwrap_or_else(|| panic!("{says}, {place}: {lines:#?}"))
}

#[test]
fn the_same_results_give_the_same_bytes_in_any_order() {
    let mut turned = both();
    turned.reverse();
    assert_eq!(report(), report());
    assert_eq!(report(), Report::of(&turned, false, LINK).unwrap());
}

#[test]
fn the_report_has_every_part() {
    let Report { text, headline, files } = report();
    for part in [
        "## Headline",
        "## Targets",
        "## Where and how it was measured",
        "test fixture, not measured",
        "0000000000000000000000000000000000000000",
        "better-sqlite3",
        "### `js`, level `process`",
        "#### many small CoValues (js, power)",
        "#### Latencies (js, process)",
        "#### Disk, memory, system calls (js, process)",
        "#### As data grows (engine, process)",
        "### `engine`: how far it is from the floors",
        "## What we lose",
        "test fixture: not installed",
        "8 loads of 250 CoValues, byte for byte",
    ] {
        assert!(text.contains(part), "no {part:?} in the report");
    }
    assert!(headline.contains("[benches/REPORT.md](benches/REPORT.md)"), "{headline}");
    for input in both() {
        let copy = files.iter().find(|(name, _)| *name == input.name);
        assert_eq!(copy.map(|(_, text)| text), Some(&input.text), "the results are copied as they are");
    }
}

#[test]
fn every_plot_is_sound_and_shown_and_every_image_is_there() {
    let Report { text, files, .. } = report();
    let plots: Vec<_> = files.iter().filter(|(name, _)| name.ends_with(".svg")).collect();
    let expected = [
        "js-process-store.svg",
        "js-process-latency-small-store.svg",
        "engine-process-cost-scale.svg",
        "engine-process-size-scale.svg",
    ];
    for name in expected {
        assert!(plots.iter().any(|(plot, _)| plot == name), "no {name}");
    }
    for (name, svg) in plots {
        let document = roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(document.root_element().tag_name().name(), "svg");
        let numbers = document.descendants().flat_map(|node| node.attributes());
        for attribute in numbers {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{name}: {attribute:?}");
        }
        assert!(text.contains(&format!("](report/{name})")), "{name} is not shown");
    }
    for image in text.split("](report/").skip(1) {
        let name = image.split(')').next().unwrap();
        assert!(files.iter().any(|(file, _)| file == name), "{name} is not written");
    }
}

#[test]
fn cells_have_the_figures_of_one_operation_and_the_ratio_with_its_spread() {
    let Report { text, .. } = report();
    // 1,000 messages took ours 10 and 12 ms, SQLite 70 and 60 ms.
    assert!(text.contains("| **native** | 10.0 · 11.0\u{a0}µs |"), "ours is first, without a ratio");
    assert!(text.contains("| SQLite, cached | 60.0 · 65.0\u{a0}µs<br>6.00× (5.00–7.00) |"));
    // With its own sync to each message: 100 and 130 syncs of 100 messages.
    assert!(text.contains("| SQLite FULL, cached | 1.30 · 1.30<br>1.30× (1.30–1.30) |"));
}

#[test]
fn what_has_a_baseline_of_its_own_is_compared_with_that() {
    let js = run("js.json");
    let sqlite =
        js.measurements.iter().find(|found| found.phase == "store-64" && found.peer.starts_with("sqlite"));
    let sqlite = sqlite.unwrap();
    assert_eq!(js.baseline(sqlite).unwrap().peer.name, "native-strict-async");
    let alone =
        js.measurements.iter().find(|found| found.phase == "store-alone" && found.peer.starts_with("sqlite"));
    assert_eq!(js.baseline(alone.unwrap()).unwrap().peer.name, "native-strict");
    let Report { text, .. } = report();
    assert!(text.contains("SQLite FULL, cached<br>to native, strict, async"));
}

#[test]
fn what_survives_nothing_is_compared_with_more_and_flagged() {
    let engine = run("engine.json");
    let redb = engine.measurements.iter().find(|found| found.peer == "redb-none").unwrap();
    let baseline = engine.baseline(redb).unwrap();
    assert_eq!((baseline.peer.name.as_str(), baseline.is_flagged), ("native-process", true));
    assert!(report().text.contains("0.750× (0.727–0.750) ⚑"), "its store takes 1.5 ms where ours takes 2");
}

#[test]
fn targets_are_judged_by_the_best_rounds() {
    let lines = judged();
    let reached = |says: &str, place: &str| {
        let line = line(&lines, says, place);
        assert_eq!(line.verdict, Verdict::Reached, "{line:?}");
    };
    let missed = |says: &str, place: &str| {
        let line = line(&lines, says, place);
        assert_eq!(line.verdict, Verdict::Missed, "{line:?}");
    };
    reached("statements cached", "small: store");
    reached("as cojson ships it", "small: store");
    missed("statements cached", "files: store");
    reached("strict", "small: store, 64 in flight");
    reached("disk", "small: open, store, close");
    missed("peak memory", "small: store");
    reached("opening", "scale: open");
    reached("falling less", "scale: store");
    missed("200 transactions", "bulk: store");
    reached("longest store", "small: store");
    missed("ahead of every peer", "small: load, clustered, warm, process");
    reached("over an append", "bulk: store, process");
    assert_eq!(line(&lines, "against SQLite, statements cached", "hot: store").verdict, Verdict::NotMeasured);
}

#[test]
fn a_target_that_is_missed_says_what_the_floor_would_reach() {
    let mut js = run("js.json");
    let memory = js.measurements.iter().find(|found| found.metric == Metric::PeakMemory).unwrap().clone();
    js.measurements.push(Measurement { peer: "append".to_owned(), values: vec![1.0, 1.0], ..memory });
    let lines = judge(&[&js]);
    let measured = |says: &str, place: &str| line(&lines, says, place).measured.clone();
    let files = measured("statements cached", "files: store");
    assert!(files.ends_with("; *append* is at 1.20×"), "{files}");
    assert!(!measured("statements cached", "small: store").contains("append"), "it is reached");
    assert!(!measured("peak memory", "small: store").contains("append"), "it is about time");
}

#[test]
fn where_a_peer_is_ahead_it_is_told_what_the_floor_would_reach() {
    let mut engine = run("engine.json");
    let place = "small: load, clustered, warm, process";
    let measured = |engine: &Run| line(&judge(&[engine]), "ahead of every peer", place).measured.clone();
    let without = measured(&engine);
    let is_closest = |found: &&Measurement| {
        let Measurement { peer, workload, phase, metric, .. } = found;
        (peer.as_str(), workload.as_str(), phase.as_str()) == ("lmdb-process", "small", "load-clustered-warm")
            && *metric == Metric::Wall
    };
    let closest = engine.measurements.iter().find(is_closest).unwrap().clone();
    let values = closest.values.iter().map(|value| value * 0.5).collect();
    engine.measurements.push(Measurement { peer: "append-process".to_owned(), values, ..closest });
    let title = engine.peer("append-process").unwrap().title.clone();
    assert_eq!(measured(&engine), format!("{without}; *{title}* is at 2.00×"));
}

#[test]
fn the_fastest_floor_is_named() {
    // What is said of a missed target where ours takes 20 ms and SQLite 18, if the floors take these times.
    let files = |append: f64, other: f64| {
        let mut js = run("js.json");
        let is_floor = |found: &Measurement| found.peer == "append" && found.workload == "files";
        for found in js.measurements.iter_mut().filter(|found| is_floor(found)) {
            found.values = vec![append, append];
        }
        let floors = js.measurements.iter().filter(|found| is_floor(found)).cloned();
        let others: Vec<_> = floors
            .map(|found| Measurement { peer: "other".to_owned(), values: vec![other, other], ..found })
            .collect();
        js.measurements.extend(others);
        let peer = js.peer("append").unwrap().clone();
        js.peers.push(Peer { name: "other".to_owned(), title: "other floor".to_owned(), ..peer });
        line(&judge(&[&js]), "statements cached", "files: store").measured.clone()
    };
    // 18 over 20, and in the second round 24 over 21.
    let ours = "0.900× (0.900–1.14)";
    assert_eq!(files(10.0, 12.0), format!("{ours}; *append* is at 1.80×"));
    assert_eq!(files(12.0, 10.0), format!("{ours}; *other floor* is at 1.80×"));
    assert_eq!(files(25.0, 19.0), format!("{ours}; *other floor* is at 0.947×"));
    assert_eq!(files(25.0, 21.0), format!("{ours}; *other floor* is at 0.857×"), "behind ours as well");
}

#[test]
fn every_target_has_a_line_even_if_nothing_was_measured() {
    let lines = judge(&[]);
    assert_eq!(lines.len(), TARGETS.len());
    assert!(lines.iter().all(|line| line.verdict == Verdict::NotMeasured), "{lines:#?}");
}

fn lost() -> Vec<Loss> {
    let (js, engine) = (run("js.json"), run("engine.json"));
    losses(&[&js, &engine])
}

#[test]
fn losses_are_exactly_where_a_peer_of_equal_level_is_better() {
    let lost = lost();
    let of = |peer: &str, place: &str, what: &str| {
        lost.iter().find(|loss| {
            loss.theirs.0 == peer && loss.place == place && loss.what == what && !loss.is_variant
        })
    };
    let files = of("SQLite, cached", "files: store", "CPU").unwrap();
    assert_eq!(files.by.unwrap().value, 20.0 / 18.0);
    assert!(!files.is_in_every_round(), "in the second round ours was better");
    assert!(of("SQLite, cached", "small: store", "peak memory").unwrap().is_in_every_round());
    assert!(of("SQLite, cached", "small: store", "p99.9").is_some());
    assert!(of("SQLite, cached", "small: store", "CPU").is_none(), "ours is better");
    assert!(of("redb, none", "small: store", "CPU").unwrap().is_flagged);
    assert!(lost.iter().all(|loss| loss.theirs.0 != "append"), "a floor is no peer");
    let variant = lost.iter().find(|loss| loss.is_variant).unwrap();
    assert_eq!(variant.ours.0, "native, async");
    assert!(lost.is_sorted_by(|a, b| a.by.unwrap().value >= b.by.unwrap().value), "the greatest first");
}

#[test]
fn comparisons_are_figures_of_peers_that_have_a_baseline() {
    let mut js = run("js.json");
    js.latencies.clear();
    let of_peers = js.measurements.iter().filter(|found| found.peer.starts_with("sqlite")).count();
    assert_eq!(comparisons(&[&js]), of_peers);
    js.measurements.retain(|found| !found.peer.starts_with("native"));
    assert_eq!(comparisons(&[&js]), 0);
    let mut js = run("js.json");
    js.measurements.clear();
    assert_eq!(comparisons(&[&js]), 6, "one distribution of SQLite's, of six percentiles");
}

#[test]
fn the_report_groups_losses_by_peer_and_place() {
    let Report { text, .. } = report();
    let row = text
        .lines()
        .find(|line| line.starts_with("| js, process | small: store | SQLite, cached |"))
        .unwrap();
    assert!(row.contains("peak memory 1.11× (1.11–1.16): 879\u{a0}KiB to 977\u{a0}KiB"), "{row}");
    assert!(row.contains("p99.9 1.20×"), "{row}");
    assert!(text.contains("Where a peer is better than another variant of ours"));
}

#[test]
fn what_is_not_of_the_form_is_refused_by_file_and_field() {
    let cases = [
        (
            r#""operations": 1000, "values": [10, 12]"#,
            r#""operations": "many", "values": [10, 12]"#,
            "measurements[0].operations",
        ),
        (r#""values": [10, 12]"#, r#""values": [10, null]"#, "measurements[0].values[1]"),
        (r#""values": [10, 12]"#, r#""values": [10, -12]"#, "measurements[0].values[1]"),
        (r#""values": [10, 12]"#, r#""values": [10, 12, 13]"#, "measurements[0].values"),
        (r#""peer": "native", "metric""#, r#""peer": "natve", "metric""#, "measurements[0].peer"),
        (r#""workload": "small""#, r#""workload": "smal""#, "measurements[0].workload"),
        (r#""metric": "cpu", "unit": "ms""#, r#""metric": "cpu", "unit": "s""#, "measurements[0].unit"),
        (r#""metric": "cpu""#, r#""metric": "cup""#, "measurements[0].metric"),
        (r#""metric": "wall""#, r#""metric": "cpu""#, "measurements[1]"),
        (r#""level": "process""#, r#""level": "much""#, "peers[0].level"),
        (r#""against": "native-strict-async""#, r#""against": "append""#, "against"),
        (r#"[90, 11]"#, r#"[90, 1]"#, "latencies[0].percentiles[1]"),
        (r#""seed": 1,"#, "", "seed"),
        (r#""seed": 1,"#, r#""seed": 1, "sede": 1,"#, "sede"),
        (r#""rounds": 2"#, r#""rounds": 0"#, "rounds"),
    ];
    for (from, to, field) in cases {
        let error = refusal(from, to);
        assert!(error.starts_with("js.json: ") && error.contains(field), "{field}: {error}");
    }
    let cut = Input { name: "js.json".to_owned(), text: fixture("js.json").text[..2000].to_owned() };
    let error = Report::of(&[cut], false, LINK).unwrap_err().to_string();
    assert!(error.starts_with("js.json: ") && error.contains("EOF"), "{error}");
}

#[test]
fn runs_that_do_not_belong_into_one_report_are_refused() {
    let other = refusal(r#""schema": 1"#, r#""schema": 2"#);
    assert!(other.contains("form 2"), "{other}");
    let quick = refusal(r#""quick": false"#, r#""quick": true"#);
    assert!(quick.contains("--allow-quick"), "{quick}");

    let mut inputs = both();
    inputs[1].text = inputs[1].text.replacen(&"0".repeat(40), "1111111", 1);
    let error = Report::of(&inputs, false, LINK).unwrap_err().to_string();
    assert!(error.contains("js.json: commit") && error.contains("1111111"), "{error}");
    let error = Report::of(&[fixture("js.json"), fixture("js.json")], false, LINK).unwrap_err().to_string();
    assert!(error.contains("suite js already"), "{error}");
}

#[test]
fn a_quick_run_that_is_allowed_says_what_it_is_worth() {
    let Input { name, text } = fixture("js.json");
    let quick = Input { name, text: text.replacen(r#""quick": false"#, r#""quick": true"#, 1) };
    let Report { text, .. } = Report::of(&[quick], true, LINK).unwrap();
    assert!(text.contains("say nothing about speed"));
}

#[test]
fn a_report_takes_the_place_of_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("report");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("of-before.svg"), "").unwrap();
    fs::write(folder.join("Cargo.toml"), "").unwrap();
    let report = report();
    let path = report.write(directory.path()).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), report.text);
    assert!(!folder.join("of-before.svg").exists());
    assert!(folder.join("Cargo.toml").exists() && folder.join("js-process-store.svg").exists());

    let readme = directory.path().join("README.md");
    fs::write(&readme, format!("# A\n\n{BEGIN}\n{END}\n\n## B\n")).unwrap();
    insert(&readme, &report.headline).unwrap();
    let text = fs::read_to_string(&readme).unwrap();
    assert!(
        text.starts_with(&format!("# A\n\n{BEGIN}\n## How fast it is\n")) && text.ends_with("## B\n"),
        "{text}"
    );
    assert!(text.contains("6.00× (5.00–7.00)"));
    fs::write(&readme, "# A\n").unwrap();
    assert!(insert(&readme, "").unwrap_err().to_string().contains("bench: written by"));
}

#[test]
fn the_fixtures_cannot_be_taken_for_measurements() {
    for name in ["js.json", "engine.json"] {
        assert_eq!(run(name).machine.cpu.as_deref(), Some("test fixture, not measured"));
    }
    let found = run("js.json");
    assert!(found.measurements.iter().all(|found| found.place().at.is_none()));
}
