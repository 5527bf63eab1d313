//! Markdown as GitHub shows it.

use std::fmt::Write;

/// A table: the first column to the left, the others to the right.
#[derive(Debug)]
pub struct Table {
    columns: usize,
    text: String,
}

impl Table {
    /// A table with these headings.
    pub fn new<S: AsRef<str>>(headings: impl IntoIterator<Item = S>) -> Self {
        let mut table = Self { columns: 0, text: String::new() };
        let cells: Vec<String> = headings.into_iter().map(|heading| heading.as_ref().to_owned()).collect();
        table.columns = cells.len();
        table.row(&cells);
        table.text.push_str("|---|");
        table.text.push_str(&"---:|".repeat(table.columns.saturating_sub(1)));
        table.text.push('\n');
        table
    }

    /// A table of text, all columns to the left.
    pub fn of_text<S: AsRef<str>>(headings: impl IntoIterator<Item = S>) -> Self {
        let mut table = Self::new(headings);
        table.text = table.text.replace("---:|", "---|");
        table
    }

    /// Adds a row. Missing cells are empty.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        for index in 0..self.columns {
            let cell = cells.get(index).map(AsRef::as_ref).unwrap_or_default();
            // To a string this cannot fail.
            let _ = write!(self.text, "| {cell} ");
        }
        self.text.push_str("|\n");
    }

    /// The text, with an empty line after it.
    pub fn finish(self) -> String {
        format!("{}\n", self.text)
    }
}

/// Text from a result file: nothing in it is taken for Markdown of a table, or for HTML.
pub fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// Something to unfold.
pub fn folded(title: &str, text: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{text}</details>\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_as_many_cells_as_headings() {
        let mut table = Table::new(["a", "b", "c"]);
        table.row(&["1", "2"]);
        assert_eq!(table.finish(), "| a | b | c |\n|---|---:|---:|\n| 1 | 2 |  |\n\n");
    }

    #[test]
    fn text_of_others_is_no_markup() {
        assert_eq!(escape("a|b <c>\nd"), "a\\|b &lt;c&gt; d");
    }
}
