//! What a library says of itself, and samples of all errors.

use crate::case::{Case, Op};
use crate::steps::*;
use jazz_storage_core::ErrorCode;
use jazz_storage_core::format::numbers::ABI_VERSION;

const TOPIC: &str = "samples";

pub(crate) fn cases() -> Cases {
    let samples = ErrorCode::ALL.iter().map(|code| Op::from(throw_error(code.as_str())));
    vec![
        case!(
            TOPIC,
            "a library says its versions",
            library_version()
                .gives(record! { package: env!("CARGO_PKG_VERSION"), abi: f64::from(ABI_VERSION) }),
        ),
        Case { topic: TOPIC, name: "every error is thrown with its code", ops: samples.collect() },
        case!(
            TOPIC,
            "the message of an error says what it is about",
            throw_error("DISK_FULL").fails_saying("DISK_FULL", "no space left"),
            throw_error("TARGET_EXISTS").fails_saying("TARGET_EXISTS", "sample"),
            throw_error("LATCHED").fails_saying("LATCHED", "reopen"),
        ),
    ]
}
