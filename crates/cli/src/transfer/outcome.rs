//! What became of one stream, as it is shown.

use std::time::Duration;

use millstream::{CopyDifference, CopyVerdict, StreamCopied};
use serde::Serialize;

use super::plan::Planned;
use crate::byte_size;
use crate::duration::milliseconds;
use crate::output::{Column, JsonBytes, or_dash, short_or_dash, visible};

pub(super) const COLUMNS: &[Column] = &[
    Column::text("STREAM"),
    Column::number("ENTRIES"),
    Column::number("GROUPS"),
    Column::number("PENDING"),
    Column::number("SIZE"),
    Column::number("TIME"),
    Column::text("OUTCOME"),
];

const NOT_KEPT: &str = "different, not kept";
/// The user may not look at it at the source.
pub(super) const NOT_PERMITTED: &str = "not permitted";

/// A stream in the list; what is not known of one that was not copied is left out.
#[derive(Serialize)]
pub(super) struct OutcomeRow {
    stream: JsonBytes,
    to_stream: JsonBytes,
    pub(super) outcome: &'static str,
    pub(super) entries: Option<u64>,
    pub(super) groups: Option<u64>,
    consumers: Option<u64>,
    pub(super) pending: Option<u64>,
    pending_without_entry: Option<u64>,
    bytes: Option<u64>,
    digest: Option<String>,
    cut_id: Option<String>,
    added_meanwhile: Option<u64>,
    elapsed_ms: Option<u64>,
    notes: Vec<String>,
    differences: Vec<DifferenceRow>,
}

#[derive(Serialize)]
struct DifferenceRow {
    group: Option<JsonBytes>,
    what: String,
    source: String,
    target: String,
}

impl OutcomeRow {
    /// Of one that was not copied.
    pub(super) fn new(planned: &Planned, outcome: &'static str) -> Self {
        Self {
            stream: planned.from.json(),
            to_stream: planned.to.json(),
            outcome,
            entries: None,
            groups: None,
            consumers: None,
            pending: None,
            pending_without_entry: None,
            bytes: None,
            digest: None,
            cut_id: None,
            added_meanwhile: None,
            elapsed_ms: None,
            notes: Vec::new(),
            differences: Vec::new(),
        }
    }

    pub(super) fn copied(planned: &Planned, copied: &StreamCopied, time: Duration) -> Self {
        let outcome = match (copied.verdict, copied.is_in_place) {
            (CopyVerdict::Unverified, _) => "copied",
            (CopyVerdict::Equal, _) => "verified",
            (CopyVerdict::ChangedMeanwhile, _) => "verified, changed meanwhile",
            (CopyVerdict::Different, true) => "different",
            (CopyVerdict::Different, false) => NOT_KEPT,
        };
        Self {
            entries: Some(copied.entries),
            groups: Some(copied.groups),
            consumers: Some(copied.consumers),
            pending: Some(copied.pending),
            pending_without_entry: Some(copied.pending_without_entry),
            bytes: Some(copied.bytes),
            digest: Some(copied.digest.clone()),
            cut_id: Some(copied.cut.to_string()),
            added_meanwhile: copied.added_meanwhile,
            elapsed_ms: Some(milliseconds(time)),
            notes: copied.notes.iter().map(ToString::to_string).collect(),
            differences: copied.differences.iter().map(DifferenceRow::of).collect(),
            ..Self::new(planned, outcome)
        }
    }

    pub(super) fn cells(&self, planned: &Planned) -> Vec<String> {
        let name = match planned.from == planned.to {
            true => planned.from.to_string(),
            false => format!("{} as {}", planned.from, planned.to),
        };
        vec![
            name,
            or_dash(self.entries),
            or_dash(self.groups),
            or_dash(self.pending),
            byte_size::show(self.bytes),
            short_or_dash(self.elapsed_ms.map(Duration::from_millis)),
            self.outcome.to_owned(),
        ]
    }

    /// Entries and bytes, if it was copied.
    pub(super) fn amount(&self) -> Option<(u64, u64)> {
        self.entries.zip(self.bytes)
    }

    /// Whether it was copied and not kept.
    pub(super) fn is_lost(&self) -> bool {
        self.outcome == NOT_KEPT
    }

    /// What is to be said of it below the table.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = self.notes.clone();
        if let Some(count) = self.added_meanwhile.filter(|count| *count > 0) {
            let were = if count == 1 { "entry was" } else { "entries were" };
            remarks.push(format!("{count} {were} added to the source meanwhile, and not copied"));
        }
        for DifferenceRow { group, what, source, target } in &self.differences {
            let of = group
                .as_ref()
                .map_or_else(String::new, |group| format!(" of group {}", visible(&group.0)));
            remarks.push(format!("{what}{of}: {source} at the source, {target} in the copy"));
        }
        remarks
    }
}

impl DifferenceRow {
    fn of(difference: &CopyDifference) -> Self {
        let CopyDifference { group, what, source, target, .. } = difference.clone();
        Self { group: group.map(JsonBytes), what, source, target }
    }
}
