//! Tables for people: aligned columns with a header, numbers to the right.

use std::io::{self, Write as _};

use comfy_table::{CellAlignment, ColumnConstraint, Width};

/// Between two columns.
const GAP: u16 = 2;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    header: &'static str,
    is_number: bool,
}

impl Column {
    /// Of texts, to the left.
    pub(crate) const fn text(header: &'static str) -> Self {
        Self { header, is_number: false }
    }

    /// Of numbers, to the right.
    pub(crate) const fn number(header: &'static str) -> Self {
        Self { header, is_number: true }
    }
}

/// A table that is printed in one piece, or in several of bounded size: later pieces are as wide
/// as those before, or wider.
#[derive(Debug)]
pub(crate) struct Table {
    columns: &'static [Column],
    rows: Vec<Vec<String>>,
    /// Of the pieces that were printed.
    widths: Vec<u16>,
}

impl Table {
    pub(crate) fn new(columns: &'static [Column]) -> Self {
        Self { columns, rows: Vec::new(), widths: Vec::new() }
    }

    /// One cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    /// The rows since the last piece, and before the first piece the header.
    pub(crate) fn print(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(self.take_piece().as_bytes())?;
        out.flush()
    }

    fn take_piece(&mut self) -> String {
        let mut piece = comfy_table::Table::new();
        if self.widths.is_empty() {
            piece.set_header(self.columns.iter().map(|column| column.header));
        }
        piece.add_rows(self.rows.drain(..));
        for (index, column) in self.columns.iter().enumerate() {
            let Some(shown) = piece.column_mut(index) else { continue };
            shown.set_padding((0, GAP));
            if column.is_number {
                shown.set_cell_alignment(CellAlignment::Right);
            }
            if let Some(width) = self.widths.get(index) {
                shown.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width + GAP)));
            }
        }
        let widest = piece.column_max_content_widths();
        self.widths.resize(self.columns.len(), 0);
        for (width, now) in self.widths.iter_mut().zip(widest) {
            *width = now.max(*width);
        }
        piece.load_style(comfy_table::presets::NOTHING);
        let mut text = piece.trim_fmt();
        text.push('\n');
        text
    }
}

/// Names and what is known, one in each line.
pub(crate) fn print_facts(facts: &[(&str, String)]) -> io::Result<()> {
    const COLUMNS: &[Column] = &[Column::text(""), Column::text("")];
    let mut table = Table::new(COLUMNS);
    table.widths = vec![0; COLUMNS.len()];
    for (name, value) in facts {
        table.row(vec![(*name).to_owned(), value.clone()]);
    }
    table.print()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[Column::text("KEY"), Column::number("LENGTH"), Column::text("ID")];

    fn cells(row: [&str; 3]) -> Vec<String> {
        row.map(str::to_owned).to_vec()
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let mut table = Table::new(COLUMNS);
        table.row(cells(["注文", "7", "1-1"]));
        table.row(cells(["orders", "12345678", "-"]));
        assert_eq!(
            table.take_piece(),
            "KEY       LENGTH  ID\n注文           7  1-1\norders  12345678  -\n"
        );
    }

    #[test]
    fn later_pieces_keep_the_columns_of_earlier_ones() {
        let mut table = Table::new(COLUMNS);
        table.row(cells(["orders", "12345678", "1-1"]));
        table.take_piece();
        table.row(cells(["a", "7", "1-1"]));
        assert_eq!(table.take_piece(), "a              7  1-1\n");
        table.row(cells(["longer:than:before", "7", "1-1"]));
        assert_eq!(table.take_piece(), "longer:than:before         7  1-1\n");
    }
}
