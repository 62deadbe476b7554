//! What stays behind, or is otherwise at the target because it cannot be the same.

use std::fmt;

use bytes::Bytes;

use super::cut::Cut;
use super::difference::or_dash;
use super::digests::Digests;
use super::pieces::NOBODY;
use crate::{EntryId, Millstream};

/// Something of a stream that the copy does not have, or has in another form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyNote {
    /// The target has no policies of groups.
    PolicyLeft {
        /// The group that had one.
        group: Bytes,
    },
    /// The target has no retention of streams.
    RetentionLeft,
    /// The target remembers no productions, so the settings for that are lost, too.
    IdempotenceLeft,
    /// What the source knows of productions is not copied: one that is repeated is added again.
    ProductionsLeft {
        /// How many it knows.
        count: u64,
    },
    /// Delayed entries are not copied.
    ScheduledLeft {
        /// How many there are.
        count: u64,
    },
    /// Pending entries were given a delay, and are available at once.
    DelaysLeft {
        /// The group.
        group: Bytes,
        /// How many.
        count: u64,
    },
    /// Entries that nobody has are a consumer's at the target, as if delivered in 1970.
    OwnerlessGiven {
        /// The group.
        group: Bytes,
        /// How many.
        count: u64,
    },
    /// Records that the target did not take.
    PendingLost {
        /// The group.
        group: Bytes,
        /// How many.
        count: u64,
        /// The first of them.
        first: EntryId,
    },
    /// The highest id that was deleted is another one, since entries were deleted or trimmed while
    /// they were copied; the lag of groups behind it is not known then.
    HighestDeleted {
        /// At the target.
        id: Option<EntryId>,
    },
}

impl fmt::Display for CopyNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |bytes| String::from_utf8_lossy(bytes);
        // `1 pending entry`, and the word that goes with it.
        let entries = |count: u64, kind: &str, [one, many]: [&'static str; 2]| match count {
            1 => (format!("1 {kind} entry"), one),
            count => (format!("{count} {kind} entries"), many),
        };
        match self {
            Self::PolicyLeft { group } => {
                write!(f, "the policy of group {} stays behind: no policies there", name(group))
            }
            Self::RetentionLeft => f.write_str("the retention stays behind: there is none there"),
            Self::IdempotenceLeft => {
                f.write_str("IDMP-DURATION and IDMP-MAXSIZE stay behind: not known there")
            }
            Self::ProductionsLeft { count } => {
                let them = if *count == 1 { "production" } else { "productions" };
                write!(f, "{count} {them} (IDMP) not remembered there: repeated, it adds again")
            }
            Self::ScheduledLeft { count } => {
                let (entries, verb) = entries(*count, "delayed", ["stays", "stay"]);
                let it = if *count == 1 { "it" } else { "they" };
                write!(f, "{entries} {verb} behind: else {it} would be sent twice")
            }
            Self::DelaysLeft { group, count } => {
                let (entries, verb) = entries(*count, "pending", ["is", "are"]);
                let group = name(group);
                write!(f, "{entries} of group {group} had a delay, and {verb} available at once")
            }
            Self::OwnerlessGiven { group, count } => {
                let (entries, verb) = entries(*count, "pending", ["it is", "they are"]);
                let (group, nobody) = (name(group), name(NOBODY));
                write!(
                    f,
                    "{entries} of group {group} had no owner; there {verb} {nobody}'s, idle since \
                     1970"
                )
            }
            Self::PendingLost { group, count, first } => {
                let (entries, verb) = entries(*count, "pending", ["was", "were"]);
                write!(f, "{entries} of group {} {verb} not taken: {first}", name(group))?;
                if *count == 1 { Ok(()) } else { f.write_str(" ...") }
            }
            Self::HighestDeleted { id } => {
                let id = or_dash(*id);
                write!(f, "entries went while they were copied: max-deleted-entry-id is {id}")
            }
        }
    }
}

/// What follows from what the source has and the target can do.
pub(super) fn notes(
    cut: &Cut,
    source: &Millstream,
    target: &Millstream,
    read: &Digests,
) -> Vec<CopyNote> {
    let (has, can) = (source.abilities(), target.abilities());
    let mut notes = Vec::new();
    if !can.has_retention && cut.info.retention.is_some() {
        notes.push(CopyNote::RetentionLeft);
    }
    if has.has_idempotent_add && cut.productions > 0 {
        match can.has_idempotent_add {
            true => notes.push(CopyNote::ProductionsLeft { count: cut.productions }),
            false => notes.push(CopyNote::IdempotenceLeft),
        }
    }
    if let Some(count) = cut.info.scheduled.filter(|count| *count > 0) {
        notes.push(CopyNote::ScheduledLeft { count });
    }
    for (group, given) in cut.groups.iter().zip(&read.given) {
        let name = &group.name;
        if !can.has_policies && !group.policy.is_empty() {
            notes.push(CopyNote::PolicyLeft { group: name.clone() });
        }
        if group.delayed > 0 {
            notes.push(CopyNote::DelaysLeft { group: name.clone(), count: group.delayed });
        }
        if !can.has_nack && *given > 0 {
            notes.push(CopyNote::OwnerlessGiven { group: name.clone(), count: *given });
        }
    }
    notes
}
