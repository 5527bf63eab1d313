//! The interface that every binding has in TypeScript, made of the declarations that napi writes of the addon.
//!
//! napi writes one declaration a line, each with its documentation before it, and a class as its constructor and methods,
//! one a line. Classes become two interfaces, one of their objects and one of themselves, so that what another generator
//! makes of the same API can be compared with them by structure; functions become methods of the interface of the module,
//! [`MODULE`]. What is nothing is `null` in one binding and `undefined` in another, and is both here.

use crate::process::Outcome;

/// The interface of the module.
pub(crate) const MODULE: &str = "NativeBinding";

/// A declaration without its documentation, and that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) documentation: Vec<String>,
    pub(crate) text: String,
}

/// A class: what its objects have, and what it has itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) name: String,
    documentation: Vec<String>,
    pub(crate) methods: Vec<Declared>,
    pub(crate) statics: Vec<Declared>,
}

/// The API as napi declares it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Face {
    pub(crate) classes: Vec<Class>,
    pub(crate) functions: Vec<Declared>,
    /// Records and choices, as they are.
    pub(crate) types: Vec<String>,
}

/// Reads napi's declarations.
pub(crate) fn parse(declarations: &str) -> Outcome<Face> {
    let mut face = Face::default();
    let mut documentation = Vec::new();
    let mut lines = declarations.lines().filter(|line| !line.trim().is_empty());
    while let Some(line) = lines.next() {
        if is_documentation(line) {
            documentation.push(line.to_owned());
        } else if let Some(name) = between(line, "export declare class ", " {") {
            let documentation = std::mem::take(&mut documentation);
            let mut class = Class { name: name.to_owned(), documentation, ..Class::default() };
            read_class(&mut class, &mut lines)?;
            face.classes.push(class);
        } else if let Some(function) = line.strip_prefix("export declare function ") {
            let documentation = std::mem::take(&mut documentation);
            face.functions.push(Declared { documentation, text: normal(function) });
        } else if line.starts_with("export interface ") || line.starts_with("export type ") {
            face.types.append(&mut documentation);
            face.types.push(normal(line));
            if line.starts_with("export interface ") {
                let body = lines.by_ref().map(normal);
                let mut closed = false;
                for line in body {
                    closed = line == "}";
                    face.types.push(line);
                    if closed {
                        break;
                    }
                }
                if !closed {
                    return Err(unexpected("an interface without an end"));
                }
            }
        } else if !line.starts_with("/*") && !line.starts_with("type ") {
            return Err(unexpected(line));
        }
    }
    if face.classes.is_empty() { Err(unexpected("no class")) } else { Ok(face) }
}

fn read_class<'a>(class: &mut Class, lines: &mut impl Iterator<Item = &'a str>) -> Outcome<()> {
    let mut documentation = Vec::new();
    for line in lines {
        let member = line.trim();
        if member == "}" {
            return Ok(());
        }
        if is_documentation(line) {
            documentation.push(line.to_owned());
            continue;
        }
        let documentation = std::mem::take(&mut documentation);
        if let Some(arguments) = member.strip_prefix("constructor") {
            let text = format!("new {arguments}: {}", class.name);
            class.statics.push(Declared { documentation, text });
        } else if let Some(member) = member.strip_prefix("static ") {
            class.statics.push(Declared { documentation, text: normal(member) });
        } else if member.contains('(') {
            class.methods.push(Declared { documentation, text: normal(member) });
        } else {
            return Err(unexpected(line));
        }
    }
    Err(unexpected("a class without an end"))
}

fn unexpected(what: &str) -> String {
    format!("napi's declarations are not of the form that is known ({what}): codegen/src/generate/face.rs")
}

/// Lines of a comment; the one at the head of the file is napi's own.
fn is_documentation(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("/**") || line.starts_with("* ") || line == "*" || line.starts_with("*/")
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.strip_prefix(before)?.strip_suffix(after)
}

/// Types by the names that TypeScript has for them.
fn normal(text: &str) -> String {
    let mut text = text
        .replace("Pending<undefined>", "Promise<void>")
        .replace("Pending<", "Promise<")
        .replace(" | undefined | null", " | Nothing")
        .replace(" | null", " | Nothing");
    // Whole words only.
    for (from, to) in [("Bytes>", "Uint8Array>"), ("Bytes |", "Uint8Array |"), ("Lent |", "Uint8Array |")] {
        text = text.replace(&format!("<{from}"), &format!("<{to}"));
        text = text.replace(&format!(" {from}"), &format!(" {to}"));
    }
    match text.strip_suffix(": Bytes") {
        Some(rest) => format!("{rest}: Uint8Array"),
        None => text,
    }
}

impl Face {
    /// The interfaces, as a TypeScript module after `head`.
    pub(crate) fn typescript(&self, head: &str) -> String {
        let mut out = head.to_owned();
        out.push_str("\n/** What stands for \"nothing\": Node-API has one, others have the other. */\n");
        out.push_str("export type Nothing = null | undefined\n");
        for Class { name, documentation, methods, statics } in &self.classes {
            open(&mut out, documentation, name);
            members(&mut out, methods);
            open(&mut out, &[format!("/** Class `{name}` itself. */")], &format!("{name}Class"));
            members(&mut out, statics);
        }
        open(
            &mut out,
            &["/** A binding: the module that a generator makes of the API. */".to_owned()],
            MODULE,
        );
        for Class { name, .. } in &self.classes {
            out.push_str(&format!("  readonly {name}: {name}Class\n"));
        }
        members(&mut out, &self.functions);
        for line in &self.types {
            if line.starts_with("/**") {
                out.push('\n');
            }
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

fn open(out: &mut String, documentation: &[String], name: &str) {
    out.push('\n');
    for line in documentation {
        out.push_str(line);
        out.push('\n');
    }
    out.push_str(&format!("export interface {name} {{\n"));
}

fn members(out: &mut String, members: &[Declared]) {
    for Declared { documentation, text } in members {
        // Of functions, documentation is not indented.
        let indented = documentation.first().is_some_and(|line| line.starts_with("  "));
        for line in documentation {
            out.push_str(if indented { "" } else { "  " });
            out.push_str(line);
            out.push('\n');
        }
        out.push_str(&format!("  {text}\n"));
    }
    out.push_str("}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARATIONS: &str = "\
/* auto-generated by NAPI-RS */
type Bytes = Uint8Array

/** A store. */
export declare class Store {
  /** Opens it. */
  static open(options: Options): Store
  /**
   * Loads.
   *
   * Much.
   */
  load(id: Uint8Array): Bytes | null
  loadAsync(id: Uint8Array): Pending<Bytes | undefined | null>
  idsAsync(): Pending<Bytes>
  ids(): Bytes

  closeAsync(): Pending<undefined>
}

export declare class Task {
  constructor()
}

/** Options. */
export interface Options {
  /** Where. */
  path?: string
  cacheBytes?: number
}

/** Levels. */
export type Level = 'a' | 'b'

/** Repairs. */
export declare function repairAsync(path: string): Pending<Report>
";

    #[test]
    fn classes_and_functions_become_interfaces() {
        let face = parse(DECLARATIONS).unwrap().typescript("// head\n");
        let expected = "\
// head

/** What stands for \"nothing\": Node-API has one, others have the other. */
export type Nothing = null | undefined

/** A store. */
export interface Store {
  /**
   * Loads.
   *
   * Much.
   */
  load(id: Uint8Array): Uint8Array | Nothing
  loadAsync(id: Uint8Array): Promise<Uint8Array | Nothing>
  idsAsync(): Promise<Uint8Array>
  ids(): Uint8Array
  closeAsync(): Promise<void>
}

/** Class `Store` itself. */
export interface StoreClass {
  /** Opens it. */
  open(options: Options): Store
}

export interface Task {
}

/** Class `Task` itself. */
export interface TaskClass {
  new (): Task
}

/** A binding: the module that a generator makes of the API. */
export interface NativeBinding {
  readonly Store: StoreClass
  readonly Task: TaskClass
  /** Repairs. */
  repairAsync(path: string): Promise<Report>
}

/** Options. */
export interface Options {
  /** Where. */
  path?: string
  cacheBytes?: number
}

/** Levels. */
export type Level = 'a' | 'b'
";
        assert_eq!(face, expected);
    }

    #[test]
    fn another_form_is_refused() {
        for declarations in ["", "export declare const x: number\n", "export declare class A {\n"] {
            assert!(parse(declarations).unwrap_err().contains("face.rs"));
        }
    }
}
