//! One pending entry with its fields.

use millstream::{EntryId, Fields, PendingEntry};

use super::listing::Step;
use super::look::{EntryFound, GroupKey, Wanted};
use crate::output::visible;

/// Bytes of a value that are shown; the rest is counted.
const VALUE_SHOWN_MAX: usize = 16 * 1024;
/// Lines that are made of all fields.
const LINES_MAX: usize = 5000;

#[derive(Debug)]
pub(super) struct EntryLevel {
    pub(super) of: GroupKey,
    pub(super) id: EntryId,
    /// As it was last seen; `None`: not pending any more.
    pub(super) pending: Option<PendingEntry>,
    /// `None`: not looked at yet; then `None`: gone from the stream.
    pub(super) fields: Option<Option<Fields>>,
    first: usize,
    height: usize,
    /// Of the last drawing.
    lines: usize,
}

impl EntryLevel {
    pub(super) fn new(of: GroupKey, pending: PendingEntry) -> Self {
        let (id, pending) = (pending.id, Some(pending));
        Self { of, id, pending, fields: None, first: 0, height: 1, lines: 0 }
    }

    /// An entry never changes, but may go.
    pub(super) fn wanted(&self) -> Wanted {
        let (of, id) = (self.of.clone(), self.id);
        Wanted::Entry { of, id, with_fields: self.fields.is_none() }
    }

    pub(super) fn take(&mut self, found: EntryFound) {
        self.pending = found.pending;
        if found.fields.is_some() {
            self.fields = found.fields;
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        let (last, page) = (self.lines.saturating_sub(self.height), self.height.max(1));
        self.first = match step {
            Step::Up => self.first.saturating_sub(1),
            Step::Down => (self.first + 1).min(last),
            Step::PageUp => self.first.saturating_sub(page),
            Step::PageDown => (self.first + page).min(last),
            Step::Start => 0,
            Step::End => last,
        };
    }

    /// The lines of its fields that a screen of this size shows, and which of how many the first
    /// is.
    pub(super) fn lines(&mut self, width: usize, height: usize) -> (Vec<String>, usize, usize) {
        let lines = match &self.fields {
            None => vec!["looking ...".to_owned()],
            Some(None) => {
                vec!["The entry is gone from the stream; its pending record is left.".into()]
            }
            Some(Some(fields)) => fields_lines(fields, width.max(10)),
        };
        (self.height, self.lines) = (height, lines.len());
        self.first = self.first.min(lines.len().saturating_sub(height));
        let shown = lines.into_iter().skip(self.first).take(height).collect();
        (shown, self.first, self.lines)
    }
}

/// `name = value`, on as many lines as that takes.
fn fields_lines(fields: &Fields, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in fields.iter() {
        let shown = &value[..value.len().min(VALUE_SHOWN_MAX)];
        let mut text = format!("{} = {}", visible(&name[..name.len().min(1024)]), visible(shown));
        if shown.len() < value.len() {
            text.push_str(&format!(" ... and {} bytes more", value.len() - shown.len()));
        }
        wrap(&text, width, &mut lines);
        if lines.len() >= LINES_MAX {
            lines.push("... and more fields".to_owned());
            break;
        }
    }
    lines
}

/// In lines of so many columns; what goes on is set in.
fn wrap(text: &str, width: usize, lines: &mut Vec<String>) {
    const INSET: &str = "    ";
    let (mut line, mut used) = (String::new(), 0);
    for c in text.chars() {
        let mut buffer = [0; 4];
        let columns = ratatui::text::Span::raw(&*c.encode_utf8(&mut buffer)).width();
        if used + columns > width {
            lines.push(std::mem::replace(&mut line, INSET.to_owned()));
            used = INSET.len();
        }
        line.push(c);
        used += columns;
    }
    lines.push(line);
}
