//! Tasks and listeners.

use crate::bytes::Bytes;
use crate::case::FileOp::Flip;
use crate::forms::{create, signature, trusting};
use crate::steps::*;

const TOPIC: &str = "tasks and listeners";

pub(crate) fn cases() -> Cases {
    let megabyte = Bytes::repeated(1 << 20, "x");
    let large = |id: &str| create(id).piece("s_session_z1", 0, signature(1), 1, trusting(&megabyte));
    let small = |id: &str| create(id).session("s_session_z1", 0, &["[1]"]);
    let none = || record! { done: 0.0, total: 0.0 };
    vec![
        case!(
            TOPIC,
            "a task says how far it is, from nothing to the end",
            memory("a"),
            store("a", &large("co_zA")),
            task("t"),
            progress("t", none()),
            task("u"),
            verify("a", "t").gives(record! { damage: list![] }),
            progress("t", record! { done: at_least((1 << 20) as f64), total: at_least((1 << 20) as f64) }),
            progress("u", none()),
            cancel("u"),
            progress("u", none()),
        ),
        case!(
            TOPIC,
            "a listener is told of a verification up to its end",
            memory("a"),
            store("a", &large("co_zA")),
            task("t"),
            on_progress("t", "heard"),
            verify("a", "t"),
            told(
                "heard",
                record! {
                    times: at_least(1.0), complete: true,
                    last: record! { done: at_least((1 << 20) as f64), total: at_least((1 << 20) as f64) },
                }
            ),
        ),
        case!(
            TOPIC,
            "a listener is told of a backup and of restoring it up to their ends",
            open("a", "store"),
            store("a", &large("co_zA")),
            store("a", &large("co_zB")),
            task("t"),
            on_progress("t", "heard"),
            backup("a", record! { file: path("a.jazzbak") }, "t"),
            told(
                "heard",
                record! {
                    times: at_least(2.0), complete: true,
                    last: record! { done: at_least((2 << 20) as f64), total: at_least((2 << 20) as f64) },
                }
            ),
            task("u"),
            on_progress("u", "heard too"),
            restore_backup(record! { file: path("a.jazzbak") }, path("restored"), "u"),
            told("heard too", record! { times: at_least(1.0), complete: true }),
        ),
        case!(
            TOPIC,
            "a later listener takes the place of an earlier one",
            memory("a"),
            store("a", &large("co_zA")),
            task("t"),
            on_progress("t", "first"),
            on_progress("t", "second"),
            verify("a", "t"),
            told("second", record! { times: at_least(1.0), complete: true }),
            told("first", record! { times: 0.0 }),
        ),
        case!(
            TOPIC,
            "who listens to a store to which nothing happens is told nothing",
            memory("a"),
            on_event("a", "heard"),
            store("a", &small("co_zA")),
            compact("a"),
            close("a"),
            told("heard", record! { times: 0.0 }),
        ),
        case!(
            TOPIC,
            "listeners are told of damage that stops merging, one that comes later at once",
            open("a", "store"),
            store("a", &small("co_zA")),
            close("a"),
            file(Flip("store/run-*.idx", 10)),
            on_event("a", "heard"),
            store("a", &small("co_zB")),
            compact("a").fails("CORRUPT"),
            told(
                "heard",
                record! {
                    times: 1.0, last: record! { kind: "stalled", code: "CORRUPT", message: says("run-") },
                }
            ),
            stats("a", record! { stalled: says("run-"), writeFailure: crate::case::Value::Nothing }),
            open("b", "store"),
            on_event("b", "heard too"),
            told("heard too", record! { times: 1.0, last: record! { kind: "stalled", code: "CORRUPT" } }),
            load("a", "co_zB").gives(crate::forms::loaded().session("s_session_z1", &["[1]"]).encode()),
        ),
    ]
}
