//! The numbers of the byte forms, and the codes of errors: defined in Rust, printed by `storage-core/examples/definitions.rs`,
//! written down here for each language.

use crate::process::{Outcome, cargo_path, command, output};

/// A line of what the example prints.
#[derive(Debug, PartialEq, Eq)]
struct Definition {
    /// `LIKE_THIS` for a number, `LikeThis` for an error.
    name: String,
    value: String,
    documentation: String,
}

/// What other languages are given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Definitions {
    numbers: Vec<Definition>,
    errors: Vec<Definition>,
}

/// Asks the engine for its definitions.
pub(crate) fn read() -> Outcome<Definitions> {
    let arguments =
        ["run", "--quiet", "--locked", "--package", "jazz-storage-core", "--example", "definitions"];
    parse(&output(command(cargo_path(), &arguments), "install Rust (with rustup)")?)
}

fn parse(printed: &str) -> Outcome<Definitions> {
    let mut definitions = Definitions::default();
    for line in printed.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, name, value, documentation] = fields[..] else {
            return Err(format!("the engine's definitions have a line that is none: {line}"));
        };
        let list = match kind {
            "number" => &mut definitions.numbers,
            "error" => &mut definitions.errors,
            _ => return Err(format!("the engine's definitions have an unknown kind: {kind}")),
        };
        let [name, value, documentation] = [name, value, documentation].map(str::to_owned);
        list.push(Definition { name, value, documentation });
    }
    match definitions.numbers.is_empty() || definitions.errors.is_empty() {
        true => Err("the engine has printed no definitions".to_owned()),
        false => Ok(definitions),
    }
}

/// `LIKE_THIS` or `LikeThis` as `likeThis`.
fn camel(name: &str) -> String {
    let is_screaming = !name.chars().any(char::is_lowercase);
    let mut camel = String::new();
    let mut upper = false;
    for character in name.chars() {
        match character {
            '_' => upper = true,
            _ if camel.is_empty() => camel.extend(character.to_lowercase()),
            _ if upper => {
                camel.push(character);
                upper = false;
            }
            _ if is_screaming => camel.extend(character.to_lowercase()),
            _ => camel.push(character),
        }
    }
    camel
}

impl Definitions {
    pub(crate) fn typescript(&self, head: &str) -> String {
        let mut out = head.to_owned();
        for Definition { name, value, documentation } in &self.numbers {
            out.push_str(&format!("\n/** {documentation} */\nexport const {name} = {value};\n"));
        }
        out.push_str("\n/** The codes of the engine's errors, and what they mean. */\n");
        out.push_str("export const ERROR_CODES = {\n");
        for Definition { value, documentation, .. } in &self.errors {
            out.push_str(&format!("  {value}: {documentation:?},\n"));
        }
        out.push_str("} as const;\n");
        out
    }

    pub(crate) fn kotlin(&self, head: &str) -> String {
        let mut out = format!("{head}\npackage tools.jazz.storage\n");
        out.push_str(
            "\n/** The numbers of the byte forms (docs/design.md, sections 2 and 3). */\nobject Forms {\n",
        );
        for Definition { name, value, documentation } in &self.numbers {
            out.push_str(&format!("    /** {documentation} */\n    const val {name}: UInt = {value}u\n"));
        }
        out.push_str("}\n\n/** The stable code of an error. */\nval StorageException.code: ErrorCode\n");
        out.push_str("    get() = when (this) {\n");
        for Definition { name, value, .. } in &self.errors {
            out.push_str(&format!("        is StorageException.{name} -> ErrorCode.{value}\n"));
        }
        out.push_str("    }\n");
        out
    }

    pub(crate) fn swift(&self, head: &str) -> String {
        let mut out = head.to_owned();
        out.push_str(
            "\n/// The numbers of the byte forms (docs/design.md, sections 2 and 3).\npublic enum Forms {\n",
        );
        for Definition { name, value, documentation } in &self.numbers {
            let name = camel(name);
            out.push_str(&format!(
                "    /// {documentation}\n    public static let {name}: UInt32 = {value}\n"
            ));
        }
        out.push_str("}\n\nextension StorageError {\n    /// The stable code of the error.\n");
        out.push_str("    public var code: ErrorCode {\n        switch self {\n");
        for Definition { name, .. } in &self.errors {
            out.push_str(&format!("        case .{name}: return .{}\n", camel(name)));
        }
        out.push_str("        }\n    }\n}\n\nextension ErrorCode {\n");
        out.push_str("    /// The code as it is in every language, such as `DISK_FULL`.\n");
        out.push_str("    public var text: String {\n        switch self {\n");
        for Definition { name, value, .. } in &self.errors {
            out.push_str(&format!("        case .{}: return \"{value}\"\n", camel(name)));
        }
        out.push_str("        }\n    }\n}\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "number\tTX_HAS_META\t16\tA flag.\nerror\tDiskFull\tDISK_FULL\tNo \"room\".\n";

    #[test]
    fn each_language_has_all_definitions_by_its_own_names() {
        let definitions = parse(PRINTED).unwrap();
        assert_eq!(
            definitions.typescript("// head\n"),
            "// head\n\n/** A flag. */\nexport const TX_HAS_META = 16;\n\n\
             /** The codes of the engine's errors, and what they mean. */\n\
             export const ERROR_CODES = {\n  DISK_FULL: \"No \\\"room\\\".\",\n} as const;\n"
        );
        let kotlin = definitions.kotlin("// head\n");
        assert!(kotlin.starts_with("// head\n\npackage"));
        assert!(kotlin.contains("/** A flag. */\n    const val TX_HAS_META: UInt = 16u\n"));
        assert!(kotlin.contains("is StorageException.DiskFull -> ErrorCode.DISK_FULL\n"));
        let swift = definitions.swift("// head\n");
        assert!(swift.contains("/// A flag.\n    public static let txHasMeta: UInt32 = 16\n"));
        assert!(swift.contains("case .DiskFull: return .diskFull\n"));
        assert!(swift.contains("case .diskFull: return \"DISK_FULL\"\n"));
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        for printed in ["", "number\tX\t1\n", "letter\tX\t1\tx\n", "number\tX\t1\tx\n"] {
            assert!(parse(printed).is_err(), "{printed:?}");
        }
    }

    #[test]
    fn names_in_camel_case() {
        for (name, expected) in
            [("IO", "io"), ("Io", "io"), ("STR16_MAX", "str16Max"), ("NotABackup", "notABackup")]
        {
            assert_eq!(camel(name), expected);
        }
    }
}
