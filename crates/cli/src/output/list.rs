//! A list that may be long: a table, or one JSON document that is written as it comes.

use std::io::{self, Write as _};

use serde::Serialize;

use super::{Column, Table};

/// Rows that are kept before they are printed.
const PIECE_ROWS: usize = 1000;

/// Rows of a list. In JSON: an object with the list, and maybe more behind it.
#[derive(Debug)]
pub(crate) struct List {
    form: Form,
    count: u64,
}

#[derive(Debug)]
enum Form {
    Table { table: Table, waiting: usize },
    Json { name: &'static str },
}

impl List {
    /// With the name that it has in JSON.
    pub(crate) fn new(is_json: bool, name: &'static str, columns: &'static [Column]) -> Self {
        let form = match is_json {
            true => Form::Json { name },
            false => Form::Table { table: Table::new(columns), waiting: 0 },
        };
        Self { form, count: 0 }
    }

    /// One more.
    pub(crate) fn row(
        &mut self,
        json: &impl Serialize,
        cells: impl FnOnce() -> Vec<String>,
    ) -> io::Result<()> {
        let is_first = self.count == 0;
        self.count += 1;
        match &mut self.form {
            Form::Table { table, waiting } => {
                table.row(cells());
                *waiting += 1;
                if *waiting >= PIECE_ROWS {
                    *waiting = 0;
                    table.print()?;
                }
                Ok(())
            }
            Form::Json { name } => {
                let mut out = io::stdout().lock();
                let begin = if is_first { begin(name) } else { ",".to_owned() };
                out.write_all(begin.as_bytes())?;
                out.write_all(&serde_json::to_vec(json)?)
            }
        }
    }

    /// The end of it, in JSON with more behind the list. Returns how many rows there were.
    pub(crate) fn end(self, more: &[(&str, serde_json::Value)]) -> io::Result<u64> {
        match self.form {
            Form::Table { mut table, waiting } => {
                if waiting > 0 {
                    table.print()?;
                }
            }
            Form::Json { name } => {
                let mut text = if self.count == 0 { begin(name) } else { String::new() };
                text.push(']');
                for (name, value) in more {
                    text.push_str(&format!(",{}:{value}", serde_json::Value::from(*name)));
                }
                text.push_str("}\n");
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
        }
        Ok(self.count)
    }
}

fn begin(name: &str) -> String {
    format!("{{\"{name}\":[")
}
