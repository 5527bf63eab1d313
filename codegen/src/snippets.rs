//! The TypeScript in README.md, checked as a user would compile it.

use std::fs;

use crate::node::{ensure_modules, tool, write};
use crate::process::{Outcome, root, say};

/// Type-checks each `ts` block of README.md as a module of its own against the built package.
pub(crate) fn check() -> Outcome<()> {
    ensure_modules()?;
    let readme = root().join("README.md");
    let text = fs::read_to_string(&readme).map_err(|error| format!("cannot read README.md: {error}"))?;
    let snippets = typescript_blocks(&text);
    if snippets.is_empty() {
        return Err("README.md has no `ts` block: the check would pass on nothing".to_owned());
    }
    // Inside the workspace, so that the packages resolve as in a user's project.
    let folder = root().join("target/xtask/snippets");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("cannot empty {}: {error}", folder.display()))?;
    }
    for (line, snippet) in &snippets {
        write(&folder.join(format!("line-{line}.ts")), &format!("{PRELUDE}{snippet}\nexport {{}};\n"))?;
    }
    write(&folder.join("tsconfig.json"), CONFIG)?;
    tool("tsc", &["--project", "target/xtask/snippets"])?;
    say!("{} snippets type-check", snippets.len());
    Ok(())
}

/// What the text around the snippets says is there: a node of Jazz.
const PRELUDE: &str = "import type { LocalNode } from \"cojson\";\ndeclare const node: LocalNode;\n";

const CONFIG: &str = "\
{
  \"compilerOptions\": {
    \"target\": \"ES2022\",
    \"module\": \"NodeNext\",
    \"strict\": true,
    \"skipLibCheck\": true,
    \"noEmit\": true,
    \"types\": [\"node\"]
  }
}
";

/// The fenced `ts` blocks of a Markdown text, each with the number of the line on which it begins.
fn typescript_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        match &mut open {
            Some(_) if line.trim_end() == "```" => blocks.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line.trim_end() == "```ts" => open = Some((index + 1, String::new())),
            None => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ts_blocks_only_and_their_lines() {
        let text = "a\n```ts\nlet x = 1;\nlet y;\n```\n```sh\nls\n```\n\n```ts\nz\n```\n";
        assert_eq!(typescript_blocks(text), [(2, "let x = 1;\nlet y;\n".to_owned()), (10, "z\n".to_owned())]);
    }
}
