//! Where two streams differ.

use super::StreamCopyError;
use super::cut::{Cut, GroupCut};
use super::difference::{CopyDifference, or_dash};
use super::digests::Digests;
use super::entry_pages::EntryPages;
use super::pending_pages::{PendingPages, Row};
use super::pieces::Shape;
use crate::Millstream;

/// So many are told.
const TOLD_MAX: usize = 100;

/// What XINFO says of both, and counts of what was read of the source.
pub(super) fn compare_facts(
    source: &Cut,
    target: &Cut,
    read: &Digests,
    differences: &mut Vec<CopyDifference>,
) {
    let mut facts = Facts { group: None, differences };
    facts.compare("entries", &read.entries.count, &target.info.length);
    let (a, b) = (&source.info, &target.info);
    facts.compare("last-generated-id", &a.last_generated, &b.last_generated);
    // Servers before Redis 7.0 have neither.
    if a.entries_added.is_some() && b.entries_added.is_some() {
        facts.compare("entries-added", &or_dash(a.entries_added), &or_dash(b.entries_added));
        facts.compare("max-deleted-entry-id", &or_dash(a.max_deleted), &or_dash(b.max_deleted));
    }
    let has_counters = b.entries_added.is_some();
    facts.compare("groups", &source.groups.len(), &target.groups.len());
    for (group, count) in source.groups.iter().zip(read.groups.iter().map(|it| it.count)) {
        let found = target.groups.binary_search_by(|it| it.name.cmp(&group.name));
        let Ok(index) = found else {
            facts.told(Some(group), "group", "there", "-");
            continue;
        };
        facts.group = Some(group);
        facts.compare_group(group, &target.groups[index], count, has_counters);
        facts.group = None;
    }
}

struct Facts<'a> {
    group: Option<&'a GroupCut>,
    differences: &'a mut Vec<CopyDifference>,
}

impl<'a> Facts<'a> {
    fn compare_group(&mut self, a: &GroupCut, b: &GroupCut, pending: u64, has_counters: bool) {
        self.compare("last-delivered-id", &a.last_delivered, &b.last_delivered);
        if has_counters {
            self.compare("entries-read", &or_dash(a.entries_read), &or_dash(b.entries_read));
        }
        self.compare("pending", &pending, &b.pending);
        let is_missing = |name| b.consumers.binary_search_by(|it| it.name.cmp(name)).is_err();
        for consumer in a.consumers.iter().filter(|consumer| is_missing(&consumer.name)) {
            let name = format!("consumer {}", String::from_utf8_lossy(&consumer.name));
            self.compare(&name, &"there", &"-");
        }
    }

    fn compare<T: ToString>(&mut self, what: &str, source: &T, target: &T) {
        let (source, target) = (source.to_string(), target.to_string());
        if source != target {
            self.told(self.group, what, &source, &target);
        }
    }

    fn told(&mut self, group: Option<&GroupCut>, what: &str, source: &str, target: &str) {
        if self.differences.len() < TOLD_MAX {
            let group = group.map(|group| &group.name);
            self.differences.push(CopyDifference::new(group, what, &source, &target));
        }
    }
}

/// The first entry up to the cut that is not the same on both sides, source and target.
pub(super) async fn first_entry_that_differs(
    [(source, from), (target, to)]: [(&Millstream, &[u8]); 2],
    cut: &Cut,
    differences: &mut Vec<CopyDifference>,
) -> Result<(), StreamCopyError> {
    let pages = |place, key| EntryPages::new(place, key, cut.info.last_generated, cut.entry_bytes);
    let (mut source, mut target) = (pages(source, from), pages(target, to));
    loop {
        let a = source.next().await.map_err(StreamCopyError::Source)?;
        let b = target.next().await.map_err(StreamCopyError::Target)?;
        let (a, b) = match (a, b) {
            (None, None) => return Ok(()),
            (a, b) if a == b => continue,
            different => different,
        };
        let id = a.iter().chain(&b).map(|entry| entry.id).min().expect("one is there");
        let shown = |entry: Option<crate::StreamEntry>| match entry.filter(|it| it.id == id) {
            Some(entry) => entry.fields.to_json(),
            None => "-".to_owned(),
        };
        let what = format!("entry {id}");
        differences.push(CopyDifference::new(None, &what, &shown(a), &shown(b)));
        return Ok(());
    }
}

/// The first record of a group that is not the same on both sides, source and target.
pub(super) async fn first_pending_that_differs(
    [mut source, mut target]: [PendingPages; 2],
    shape: Shape,
    differences: &mut Vec<CopyDifference>,
) -> Result<(), StreamCopyError> {
    loop {
        let mut a = source.next().await.map_err(StreamCopyError::Source)?;
        let b = target.next().await.map_err(StreamCopyError::Target)?;
        a.iter_mut().for_each(|row| shape.apply_to(row));
        let (a, b) = match (a, b) {
            (None, None) => return Ok(()),
            (a, b) if a == b => continue,
            different => different,
        };
        let id = a.iter().chain(&b).map(|row| row.id).min().expect("one is there");
        let shown = |row: Option<Row>| match row.filter(|it| it.id == id) {
            Some(row) => {
                let owner = row.consumer.map(|it| String::from_utf8_lossy(&it).into_owned());
                let owner = owner.unwrap_or_else(|| "nobody".to_owned());
                format!("{owner} at {} ms, {} times", row.delivered_at_ms, row.deliveries)
            }
            None => "-".to_owned(),
        };
        let what = format!("pending {id}");
        let group = Some(source.group().clone());
        let difference = CopyDifference::new(group.as_ref(), &what, &shown(a), &shown(b));
        differences.push(difference);
        return Ok(());
    }
}
