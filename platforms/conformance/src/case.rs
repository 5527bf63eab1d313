//! What a case is, and how it is written down: README.md has the format of `cases.json`.

use crate::bytes::Bytes;
use crate::forms::Message;
use crate::json::Json;

/// Something that a case gives to an operation, or expects of it.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// `null`, `undefined`, `nil`, and what an operation without a result gives.
    Nothing,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A path in the directory of the case.
    Path(String),
    /// A task, by its name in the case.
    Task(&'static str),
    Bytes(Bytes),
    List(Vec<Value>),
    /// Named fields. Of a result, others are not looked at.
    Record(Vec<(&'static str, Value)>),
    /// Expected only: a number that is as large or larger.
    AtLeast(f64),
    /// Expected only: a text with this in it.
    Says(String),
}

impl Value {
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Nothing => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(value) if value.is_finite() => Json::Number(*value),
            Self::Number(value) if value.is_nan() => Json::record([("$number", Json::text("NaN"))]),
            Self::Number(value) => {
                let sign = if *value < 0.0 { "-" } else { "" };
                Json::record([("$number", Json::text(format!("{sign}Infinity")))])
            }
            Self::Text(text) => Json::text(text),
            Self::Path(path) => Json::record([("$path", Json::text(path))]),
            Self::Task(name) => Json::record([("$task", Json::text(*name))]),
            Self::Bytes(bytes) => bytes.json(),
            Self::List(values) => Json::List(values.iter().map(Self::json).collect()),
            Self::Record(fields) => Json::record(fields.iter().map(|(name, value)| (*name, value.json()))),
            Self::AtLeast(least) => Json::record([("$atLeast", Json::Number(*least))]),
            Self::Says(text) => Json::record([("$says", Json::text(text))]),
        }
    }

    fn has_path(&self) -> bool {
        match self {
            Self::Path(_) => true,
            Self::List(values) => values.iter().any(Self::has_path),
            Self::Record(fields) => fields.iter().any(|(_, value)| value.has_path()),
            _ => false,
        }
    }
}

macro_rules! value_from {
    ($($from:ty, $name:ident => $value:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($name: $from) -> Self {
                $value
            }
        })*
    };
}

value_from! {
    bool, value => Self::Bool(value);
    f64, value => Self::Number(value);
    &str, text => Self::Text(text.to_owned());
    Bytes, bytes => Self::Bytes(bytes);
    &Message, message => Self::Bytes(message.encode());
    Vec<Value>, values => Self::List(values);
}

/// What is expected of an operation.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// That it succeeds.
    Success,
    Gives(Value),
    /// An error with this code, whose message says this.
    Fails(&'static str, Option<String>),
}

/// A step of a case.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Call(Call),
    /// Calls of which none waits for another, in a binding's form that does not block.
    All(Vec<Call>),
    File(FileOp),
}

/// A call of the API, or of a runner's own: `drop` lets go of a handle, `told` asks what a listener was told last.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    /// The handle, task or listener that it is called on.
    pub(crate) on: Option<&'static str>,
    /// The name for what it makes.
    pub(crate) makes: Option<&'static str>,
    pub(crate) with: Vec<Value>,
    pub(crate) expected: Expected,
}

/// What a runner does by itself in the directory of the case.
#[derive(Debug, Clone)]
pub(crate) enum FileOp {
    Write(&'static str, Bytes),
    /// Inverts a byte. The last component of the path may have a `*`, and stands for the first name in order then.
    Flip(&'static str, u64),
    /// Cuts a file to a length.
    Cut(&'static str, u64),
    /// Removes a file, or a directory with all that is in it.
    Remove(&'static str),
    MakeDirectory(&'static str),
    /// Expects that there is something.
    Exists(&'static str),
    /// Expects that there is nothing.
    Absent(&'static str),
    /// Expects these names in a directory.
    Lists(&'static str, Vec<&'static str>),
}

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) topic: &'static str,
    pub(crate) name: &'static str,
    pub(crate) ops: Vec<Op>,
}

impl Case {
    /// Whether it needs a file system.
    pub(crate) fn needs_files(&self) -> bool {
        let has_path = |call: &Call| call.with.iter().any(Value::has_path);
        self.ops.iter().any(|op| match op {
            Op::Call(call) => has_path(call),
            Op::All(calls) => calls.iter().any(has_path),
            Op::File(_) => true,
        })
    }

    #[cfg(test)]
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.ops.iter().flat_map(|op| match op {
            Op::Call(call) => std::slice::from_ref(call),
            Op::All(calls) => calls,
            Op::File(_) => &[],
        })
    }

    /// A line for each step.
    fn write(&self, out: &mut String) {
        let mut head = vec![("topic", Json::text(self.topic)), ("name", Json::text(self.name))];
        if self.needs_files() {
            head.push(("needs", Json::List(vec![Json::text("files")])));
        }
        let head = Json::record(head).to_string();
        out.push_str(head.trim_end_matches('}'));
        out.push_str(",\"steps\":[");
        for (n, op) in self.ops.iter().enumerate() {
            out.push_str(if n == 0 { "\n" } else { ",\n" });
            out.push_str(&op.json().to_string());
        }
        out.push_str("]}");
    }
}

/// The file with all cases.
pub(crate) fn write(cases: &[Case]) -> String {
    let generated = "by `cargo xtask codegen` from platforms/conformance/src: do not edit";
    let mut out = format!("{{\"generated\":{},\n\"cases\":[", Json::text(generated));
    for (n, case) in cases.iter().enumerate() {
        out.push_str(if n == 0 { "\n" } else { ",\n" });
        case.write(&mut out);
    }
    out.push_str("\n]}\n");
    out
}

impl Op {
    fn json(&self) -> Json {
        match self {
            Self::Call(call) => call.json(),
            Self::All(calls) => Json::record([("all", Json::List(calls.iter().map(Call::json).collect()))]),
            Self::File(file) => file.json(),
        }
    }
}

impl Call {
    fn json(&self) -> Json {
        let mut fields = vec![("call", Json::text(self.name))];
        fields.extend(self.on.map(|on| ("on", Json::text(on))));
        fields.extend(self.makes.map(|makes| ("as", Json::text(makes))));
        if !self.with.is_empty() {
            fields.push(("with", Json::List(self.with.iter().map(Value::json).collect())));
        }
        match &self.expected {
            Expected::Success => {}
            Expected::Gives(value) => fields.push(("gives", value.json())),
            Expected::Fails(code, saying) => {
                fields.push(("fails", Json::text(*code)));
                fields.extend(saying.iter().map(|saying| ("saying", Json::text(saying))));
            }
        }
        Json::record(fields)
    }

    /// The name of what it makes.
    pub(crate) fn makes(self, name: &'static str) -> Self {
        Self { makes: Some(name), ..self }
    }

    pub(crate) fn gives(self, value: impl Into<Value>) -> Self {
        Self { expected: Expected::Gives(value.into()), ..self }
    }

    pub(crate) fn nothing(self) -> Self {
        self.gives(Value::Nothing)
    }

    pub(crate) fn fails(self, code: &'static str) -> Self {
        Self { expected: Expected::Fails(code, None), ..self }
    }

    pub(crate) fn fails_saying(self, code: &'static str, saying: &str) -> Self {
        Self { expected: Expected::Fails(code, Some(saying.to_owned())), ..self }
    }
}

impl FileOp {
    fn json(&self) -> Json {
        let (what, path, more) = match self {
            Self::Write(path, bytes) => ("write", path, Some(("bytes", bytes.json()))),
            Self::Flip(path, at) => ("flip", path, Some(("at", Json::Number(*at as f64)))),
            Self::Cut(path, len) => ("cut", path, Some(("at", Json::Number(*len as f64)))),
            Self::Remove(path) => ("remove", path, None),
            Self::MakeDirectory(path) => ("makeDirectory", path, None),
            Self::Exists(path) => ("exists", path, None),
            Self::Absent(path) => ("absent", path, None),
            Self::Lists(path, names) => {
                let names = names.iter().map(|name| Json::text(*name)).collect();
                ("lists", path, Some(("names", Json::List(names))))
            }
        };
        Json::record([("file", Json::text(what)), ("path", Json::text(*path))].into_iter().chain(more))
    }
}

impl From<Call> for Op {
    fn from(call: Call) -> Self {
        Self::Call(call)
    }
}

impl From<FileOp> for Op {
    fn from(file: FileOp) -> Self {
        Self::File(file)
    }
}
