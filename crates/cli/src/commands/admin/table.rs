//! Aligned columns.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use super::text::plain;

/// A column's heading. Numbers are on the right.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Number(name) => name,
        }
    }
}

/// Rows of as many texts as there are columns.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self {
            columns: columns.into(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. An empty text is shown as `-`, so that programs can count columns.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| match cell.is_empty() {
            true => "-".to_owned(),
            false => plain(&cell).into_owned(),
        });
        self.rows.push(cells.collect());
    }

    /// Prints the headings and the rows, each line after `indent`.
    pub(crate) fn print(&self, out: &mut dyn Write, indent: &str) -> io::Result<()> {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let cells = self.rows.iter().filter_map(|row| row.get(at));
                let widest = cells.map(|cell| cell.width()).max().unwrap_or(0);
                widest.max(column.name().len())
            })
            .collect();
        let heads = self.columns.iter().map(|column| column.name());
        self.line(out, indent, &widths, heads)?;
        for row in &self.rows {
            self.line(out, indent, &widths, row.iter().map(String::as_str))?;
        }
        Ok(())
    }

    fn line<'a>(
        &self,
        out: &mut dyn Write,
        indent: &str,
        widths: &[usize],
        cells: impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        let mut line = indent.to_owned();
        for ((cell, column), width) in cells.zip(&self.columns).zip(widths) {
            if line.len() > indent.len() {
                line.push_str("  ");
            }
            let space = " ".repeat(width.saturating_sub(cell.width()));
            match column {
                Column::Text(_) => line.extend([cell, &space]),
                Column::Number(_) => line.extend([&space, cell]),
            }
        }
        writeln!(out, "{}", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new([
            Column::Text("NAME"),
            Column::Number("DEPTH"),
            Column::Text("WHO"),
        ]);
        table.row(["/queue/\u{6f22}".into(), "7".into(), "ann".into()]);
        table.row(["/q\u{1b}[0m".into(), "123456".into(), String::new()]);
        let mut out = Vec::new();
        table.print(&mut out, " ").unwrap();
        let expected = " \
NAME          DEPTH  WHO
 /queue/\u{6f22}         7  ann
 /q\\u{1b}[0m  123456  -
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
