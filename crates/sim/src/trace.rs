//! What happened, as lines: the last ones for a failure, all of them on demand, and a hash that
//! tells whether two runs were the same.

use std::collections::VecDeque;

use millstream_resp::Value;

use crate::command::Text;

const LINES_KEPT: usize = 40;
const LINE_BYTES_MAX: usize = 400;

#[derive(Debug)]
pub(crate) struct Trace {
    last: VecDeque<String>,
    hash: u64,
    prints: bool,
}

impl Trace {
    pub(crate) fn new(prints: bool) -> Self {
        Self { last: VecDeque::new(), hash: 0xCBF2_9CE4_8422_2325, prints }
    }

    pub(crate) fn note(&mut self, step: u64, what: &str) {
        // FNV-1a.
        for byte in what.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        let mut line = format!("{step:>6} {what}");
        if line.len() > LINE_BYTES_MAX {
            let cut = (0..=LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at));
            line.truncate(cut.unwrap_or(0));
            line.push_str(" ...");
        }
        if self.prints {
            println!("{line}");
        }
        if self.last.len() == LINES_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}

/// A command on one line.
pub(crate) fn words(arguments: &[Text]) -> String {
    let words: Vec<_> = arguments.iter().map(|word| short(word)).collect();
    words.join(" ")
}

/// A reply on one line.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Simple(text) | Value::Error(text) => text.escape_ascii().to_string(),
        Value::Int(number) => number.to_string(),
        Value::Bulk(bytes) => format!("\"{}\"", short(bytes)),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        Value::NilBulk => "nil".into(),
        Value::NilArray => "nil array".into(),
        other => format!("{other:?}"),
    }
}

fn short(bytes: &[u8]) -> String {
    const MAX: usize = 40;
    match bytes.get(..MAX) {
        Some(start) => format!("{}...{} bytes", start.escape_ascii(), bytes.len()),
        None => bytes.escape_ascii().to_string(),
    }
}
