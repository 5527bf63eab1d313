//! Cases through the Rust API, in both forms: what every runner does in its language.

use crate::case::{Call, Case, Expected, FileOp, Op, Value};
use crate::files;
use crate::handles::{Begun, Handles, Outcome};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Which form of the operations is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Blocking,
    NonBlocking,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocking => "blocking",
            Self::NonBlocking => "not blocking",
        })
    }
}

/// How long a listener may take to be told.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Runs a case in a directory of its own, and says what did not go as expected.
pub(crate) fn run(case: &Case, form: Form) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|e| format!("cannot make a directory: {e}"))?;
    let mut handles = Handles::new(directory.path(), form);
    for (n, op) in case.ops.iter().enumerate() {
        step(&mut handles, directory.path(), op)
            .map_err(|why| format!("{}: {} ({form}), step {n}: {why}", case.topic, case.name))?;
    }
    Ok(())
}

fn step(handles: &mut Handles<'_>, directory: &Path, op: &Op) -> Result<(), String> {
    match op {
        Op::Call(call) if call.name == "told" => told(handles, directory, call),
        Op::Call(call) => {
            let begun = handles.begin(call)?;
            settle(handles, directory, call, begun)
        }
        Op::All(calls) if handles.form == Form::Blocking => calls.iter().try_for_each(|call| {
            let begun = handles.begin(call)?;
            settle(handles, directory, call, begun)
        }),
        Op::All(calls) => {
            let begun = calls.iter().map(|call| handles.begin(call)).collect::<Result<Vec<_>, _>>()?;
            calls.iter().zip(begun).try_for_each(|(call, begun)| settle(handles, directory, call, begun))
        }
        Op::File(file) => file_op(directory, file),
    }
}

fn settle(handles: &mut Handles<'_>, directory: &Path, call: &Call, begun: Begun) -> Result<(), String> {
    let outcome = handles.settle(call, begun)?;
    check(&call.expected, &outcome, directory).map_err(|why| format!("{} {why}", call.name))
}

fn told(handles: &Handles<'_>, directory: &Path, call: &Call) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let told = check(&call.expected, &Ok(handles.told(call)?), directory);
        if told.is_ok() || begun.elapsed() > TOLD_WITHIN {
            return told.map_err(|why| format!("told {why}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn check(expected: &Expected, outcome: &Outcome, directory: &Path) -> Result<(), String> {
    match (expected, outcome) {
        (Expected::Success, Ok(_)) => Ok(()),
        (Expected::Gives(expected), Ok(value)) => fits(expected, value, directory),
        (Expected::Fails(expected, saying), Err((code, message))) => {
            if expected != code {
                return Err(format!("fails with {code} ({message}), not with {expected}"));
            }
            match saying {
                Some(saying) if !message.contains(saying.as_str()) => {
                    Err(format!("says {message:?}, without {saying:?}"))
                }
                _ => Ok(()),
            }
        }
        (Expected::Fails(expected, _), Ok(value)) => {
            Err(format!("gives {}, where it should fail with {expected}", shown(value)))
        }
        (_, Err((code, message))) => Err(format!("fails with {code}: {message}")),
    }
}

/// Whether a value is what is expected.
fn fits(expected: &Value, got: &Value, directory: &Path) -> Result<(), String> {
    let fit = match (expected, got) {
        (Value::Nothing, Value::Nothing) => true,
        (Value::Bool(expected), Value::Bool(got)) => expected == got,
        (Value::Number(expected), Value::Number(got)) => expected == got,
        (Value::AtLeast(least), Value::Number(got)) => got >= least,
        (Value::Text(expected), Value::Text(got)) => expected == got,
        (Value::Says(part), Value::Text(got)) => got.contains(part.as_str()),
        (Value::Path(path), Value::Text(got)) => Path::new(got) == directory.join(path),
        (Value::Bytes(expected), Value::Bytes(got)) => expected.bytes() == got.bytes(),
        (Value::List(expected), Value::List(got)) if expected.len() == got.len() => {
            return expected.iter().zip(got).try_for_each(|(expected, got)| fits(expected, got, directory));
        }
        (Value::Record(expected), Value::Record(got)) => {
            return expected.iter().try_for_each(|(name, expected)| {
                let field = got.iter().find(|(field, _)| field == name);
                let (_, got) = field.ok_or_else(|| format!("has no field {name}"))?;
                fits(expected, got, directory).map_err(|why| format!("{name}: {why}"))
            });
        }
        _ => false,
    };
    if fit { Ok(()) } else { Err(format!("gives {}, not {}", shown(got), shown(expected))) }
}

fn shown(value: &Value) -> String {
    let json = value.json().to_string();
    match json.char_indices().nth(1_000) {
        Some((end, _)) => format!("{}…", json.get(..end).unwrap_or_default()),
        None => json,
    }
}

fn file_op(directory: &Path, op: &FileOp) -> Result<(), String> {
    let at = |path: &str| files::resolve(directory, path);
    match op {
        FileOp::Write(path, bytes) => files::write(&at(path)?, &bytes.bytes()),
        FileOp::Flip(path, offset) => files::flip(&at(path)?, *offset),
        FileOp::Cut(path, len) => files::cut(&at(path)?, *len),
        FileOp::Remove(path) => files::remove(&at(path)?),
        FileOp::MakeDirectory(path) => files::make_directory(&at(path)?),
        FileOp::Exists(path) if at(path)?.exists() => Ok(()),
        FileOp::Exists(path) => Err(format!("{path} is not there")),
        FileOp::Absent(path) if at(path)?.exists() => Err(format!("{path} is there")),
        FileOp::Absent(_) => Ok(()),
        FileOp::Lists(path, expected) => {
            let names = files::names(&at(path)?)?;
            if names == *expected { Ok(()) } else { Err(format!("{path} holds {names:?}, not {expected:?}")) }
        }
    }
}
