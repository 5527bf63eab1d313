//! The face of the binding for React Native: the module that uniffi-bindgen-react-native makes of the API, as the interface
//! that all bindings have ([`super::face`]).
//!
//! That module differs from it by shape only: bytes are `ArrayBuffer`s, choices are numbers, a listener is an object with a
//! method, an error is told by its class. So for each member a wrapper is written that converts what needs it, by the types
//! of the declaration.

use super::face::{Class, Declared, Face};
use crate::process::Outcome;

/// A declaration taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Signature<'a> {
    name: &'a str,
    arguments: Vec<(&'a str, &'a str)>,
    /// What it gives, without the promise of it.
    value: &'a str,
    is_promise: bool,
}

/// The face as a TypeScript module after `head`.
pub(crate) fn typescript(face: &Face, head: &str) -> Outcome<String> {
    let writer = Writer::new(face);
    let classes = face.classes.iter().map(|class| writer.class(class)).collect::<Outcome<String>>()?;
    let wrappers = classes + &writer.module()?;
    let mut out = format!("{head}{PREAMBLE}");
    for (record, fields) in &writer.records {
        let converters = converters(record, fields);
        // A record that is only given needs no conversion from what the module has, and the other way round.
        out.extend(converters.into_iter().filter(|(name, _)| wrappers.contains(name)).map(|(_, text)| text));
    }
    Ok(out + &wrappers)
}

const PREAMBLE: &str = r#"
import type * as face from "./native.js";
import * as native from "./react-native/jazz_storage.js";

/** Bytes as the module takes them: a whole buffer. */
function buffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer;
}

/** Bytes as the module gives them. */
function bytes(buffer: ArrayBuffer): Uint8Array {
  return new Uint8Array(buffer);
}

function bytesOrNothing(buffer: ArrayBuffer | undefined): Uint8Array | undefined {
  return buffer && bytes(buffer);
}

/** `LikeThis` as `like_this`. */
function snake(name: string): string {
  return name.replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();
}

/** A choice as the module has it: the place of its name in an enum. */
function place(choices: object, name: string): number {
  for (const [key, value] of Object.entries(choices)) {
    if (typeof value === "number" && snake(key) === name.toLowerCase()) return value;
  }
  throw new TypeError(`${name} is none of the choices there are`);
}

/** A choice by its name. */
function choice(choices: object, place: number): string {
  return snake((choices as Record<number, string>)[place] ?? "");
}

/** Runs a call, giving what it throws the code that it has in other bindings. */
function call<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw coded(error);
  }
}

async function callAsync<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw coded(error);
  }
}

function coded(error: unknown): unknown {
  if (!native.StorageError.instanceOf(error)) return error;
  const { tag } = error as { tag: string };
  // The module puts the class before what the engine says.
  const message = (error as Error).message.replace(/^StorageError\.\w+: /, "");
  return Object.assign(new Error(message, { cause: error }), { code: snake(tag).toUpperCase() });
}
"#;

/// The names of the enums, and whether their values are in capitals.
fn choices(face: &Face) -> Vec<(&str, bool)> {
    let types = face.types.iter().filter_map(|line| line.strip_prefix("export type ")?.split_once(" = '"));
    types.map(|(name, values)| (name, values.starts_with(char::is_uppercase))).collect()
}

/// A field that is a choice: its name, the choice, whether that is in capitals, and whether it may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field<'a> {
    name: &'a str,
    choice: &'a str,
    is_upper: bool,
    is_optional: bool,
}

/// The records with fields that are choices.
fn records<'a>(face: &'a Face, choices: &[(&'a str, bool)]) -> Vec<(&'a str, Vec<Field<'a>>)> {
    let mut records: Vec<(&str, Vec<Field<'_>>)> = Vec::new();
    for line in &face.types {
        if let Some(name) = line.strip_prefix("export interface ").and_then(|rest| rest.strip_suffix(" {")) {
            records.push((name, Vec::new()));
        } else if let (Some((_, fields)), Some((name, ty))) =
            (records.last_mut(), line.trim().split_once(": "))
            && let Some(&(choice, is_upper)) = choices.iter().find(|(choice, _)| *choice == ty)
        {
            let (name, is_optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
            fields.push(Field { name, choice, is_upper, is_optional });
        }
    }
    records.retain(|(_, fields)| !fields.is_empty());
    records
}

/// The conversions of a record with choices, in both directions, each with how it is called.
fn converters(record: &str, fields: &[Field<'_>]) -> [(String, String); 2] {
    let mut given = String::new();
    let mut taken = String::new();
    for Field { name, choice, is_upper, is_optional } in fields {
        let upper = if *is_upper { ".toUpperCase()" } else { "" };
        let absent =
            if *is_optional { format!("value.{name} === undefined ? undefined : ") } else { String::new() };
        given.push_str(&format!(
            "    {name}: {absent}(choice(native.{choice}, value.{name}){upper} as face.{choice}),\n"
        ));
        taken.push_str(&format!("    {name}: {absent}place(native.{choice}, value.{name}),\n"));
    }
    let lower = lower(record);
    let converter = |suffix: &str, from: &str, to: &str, fields: &str| {
        let call = format!("{lower}{suffix}(");
        let head = format!("function {call}value: {from}.{record}): {to}.{record}");
        (call, format!("\n{head} {{\n  return {{\n    ...value,\n{fields}  }};\n}}\n"))
    };
    [converter("Of", "native", "face", &given), converter("For", "face", "native", &taken)]
}

fn lower(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_lowercase())
}

fn signature(declared: &Declared) -> Outcome<Signature<'_>> {
    let parts = || {
        let text = declared.text.as_str();
        let (name, rest) = text.split_once('(')?;
        let (arguments, value) = rest.rsplit_once("): ")?;
        let arguments = arguments.split(", ").filter(|argument| !argument.is_empty());
        let arguments: Option<Vec<_>> = arguments.map(|argument| argument.split_once(": ")).collect();
        let promised = value.strip_prefix("Promise<").and_then(|value| value.strip_suffix('>'));
        let (value, is_promise) = promised.map_or((value, false), |value| (value, true));
        Some(Signature { name, arguments: arguments?, value, is_promise })
    };
    parts().ok_or_else(|| format!("a declaration is not of the form that is known: {}", declared.text))
}

/// What is needed to write wrappers.
struct Writer<'a> {
    face: &'a Face,
    records: Vec<(&'a str, Vec<Field<'a>>)>,
    /// All types of the face.
    types: Vec<&'a str>,
}

impl<'a> Writer<'a> {
    fn new(face: &'a Face) -> Self {
        let types = face.types.iter().filter_map(|line| {
            let rest =
                line.strip_prefix("export interface ").or_else(|| line.strip_prefix("export type "))?;
            rest.split_once(' ').map(|(name, _)| name)
        });
        let types = types.chain(face.classes.iter().map(|class| class.name.as_str())).chain(["Nothing"]);
        Self { face, records: records(face, &choices(face)), types: types.collect() }
    }

    fn has_choices(&self, ty: &str) -> bool {
        self.records.iter().any(|(record, _)| *record == ty)
    }

    fn is_class(&self, ty: &str) -> bool {
        self.face.classes.iter().any(|class| class.name == ty)
    }

    /// An argument of a method as the module takes it.
    fn passed(&self, method: &str, name: &str, ty: &str) -> String {
        if let Some((argument, rest)) = ty.strip_prefix('(').and_then(|listener| listener.split_once(": ")) {
            // A function: the module wants an object whose method has the name of the one that takes it.
            let value = match rest.split_once(')') {
                Some((ty, _)) => self.given(argument, ty),
                None => argument.to_owned(),
            };
            return format!("{{ {method}: ({argument}) => {name}({value}) }}");
        }
        match ty {
            "Uint8Array" => format!("buffer({name})"),
            "ErrorCode" => format!("place(native.ErrorCode, {name})"),
            _ if self.has_choices(ty) => format!("{}For({name})", lower(ty)),
            _ if self.is_class(ty) => format!("({name} as {ty}).made"),
            _ => name.to_owned(),
        }
    }

    /// What the module gives, as the face has it.
    fn given(&self, value: &str, ty: &str) -> String {
        match ty {
            "Uint8Array" => format!("bytes({value})"),
            "Uint8Array | Nothing" => format!("bytesOrNothing({value})"),
            _ if self.has_choices(ty) => format!("{}Of({value})", lower(ty)),
            _ if self.is_class(ty) => format!("new {ty}({value} as native.{ty})"),
            _ => value.to_owned(),
        }
    }

    /// A method that does what `target` does.
    fn method(&self, declared: &Declared, prefix: &str, target: &str) -> Outcome<String> {
        let signature = signature(declared)?;
        let Signature { name, value, is_promise, .. } = signature;
        let passed: Vec<String> =
            signature.arguments.iter().map(|(argument, ty)| self.passed(name, argument, ty)).collect();
        let call = format!("{target}.{name}({})", passed.join(", "));
        let body = if is_promise {
            format!("callAsync(async () => {})", self.given(&format!("await {call}"), value))
        } else {
            format!("call(() => {})", self.given(&call, value))
        };
        Ok(format!("  {prefix}{} {{\n    return {body};\n  }}", self.qualified(&declared.text)))
    }

    /// A class around one of the module's.
    fn class(&self, class: &Class) -> Outcome<String> {
        let Class { name, methods, statics, .. } = class;
        let made = match statics.iter().any(|declared| declared.text.starts_with("new ")) {
            true => format!("made = new native.{name}()"),
            false => format!("made: native.{name}"),
        };
        let mut members = vec![
            format!("  readonly made: native.{name};"),
            format!("  constructor({made}) {{\n    this.made = made;\n  }}"),
        ];
        for declared in statics.iter().filter(|declared| !declared.text.starts_with("new ")) {
            members.push(self.method(declared, "static ", &format!("native.{name}"))?);
        }
        for declared in methods {
            members.push(self.method(declared, "", "this.made")?);
        }
        Ok(format!("\nclass {name} implements face.{name} {{\n{}\n}}\n", members.join("\n\n")))
    }

    /// The module itself.
    fn module(&self) -> Outcome<String> {
        let classes = self.face.classes.iter().map(|class| Ok(format!("  {}", class.name)));
        let functions = self.face.functions.iter().map(|declared| self.method(declared, "", "native"));
        let members = classes.chain(functions).collect::<Outcome<Vec<String>>>()?.join(",\n\n");
        Ok(format!("\nexport const binding: face.NativeBinding = {{\n{members},\n}};\n"))
    }

    /// A declaration with the types of the face by their full names.
    fn qualified(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if self.types.contains(&word) {
                out.push_str("face.");
            }
            out.push_str(word);
            let end = after.find(|c: char| c.is_alphanumeric()).unwrap_or(after.len());
            let (between, after) = after.split_at(end);
            out.push_str(between);
            rest = after;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::face::parse;
    use super::*;

    const DECLARATIONS: &str = "\
/** A store. */
export declare class Store {
  static openAsync(options: Options): Pending<Store>
  load(id: Uint8Array, budget: number): Bytes | null
  onEvent(listener: (event: Event) => void): void
  verifyAsync(task: Task): Pending<number>
}

export declare class Task {
  constructor()
}

export interface Options {
  level?: Level
}

export interface Event {
  kind: Kind
}

export type Level = 'a_b' | 'c'

export type Kind = 'A' | 'B'

export declare function version(): string
";

    #[test]
    fn members_convert_what_differs_by_type() {
        let written = typescript(&parse(DECLARATIONS).unwrap(), "// head\n").unwrap();
        for expected in [
            "level: value.level === undefined ? undefined : place(native.Level, value.level),",
            "kind: (choice(native.Kind, value.kind).toUpperCase() as face.Kind),",
            "static openAsync(options: face.Options): Promise<face.Store> {\n    return callAsync(async () => \
             new Store(await native.Store.openAsync(optionsFor(options)) as native.Store));",
            "load(id: Uint8Array, budget: number): Uint8Array | face.Nothing {\n    return call(() => \
             bytesOrNothing(this.made.load(buffer(id), budget)));",
            "this.made.onEvent({ onEvent: (event) => listener(eventOf(event)) })",
            "callAsync(async () => await this.made.verifyAsync((task as Task).made))",
            "constructor(made = new native.Task()) {",
            "  version(): string {\n    return call(() => native.version());",
        ] {
            assert!(written.contains(expected), "{expected}\n\n{written}");
        }
        assert!(!written.contains("optionsOf"), "options are only given");
    }

    #[test]
    fn what_is_no_declaration_is_refused() {
        let declared = Declared { documentation: vec![], text: "load".to_owned() };
        assert!(signature(&declared).unwrap_err().contains("load"));
    }
}
