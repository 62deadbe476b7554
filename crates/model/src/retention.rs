//! What a stream keeps by itself, without anybody trimming it: its retention.
//!
//! A stream without any of it grows as in Redis. Must not know clocks nor words: ages are numbers
//! that callers compare. What is dropped when follows from [`Stream::plan_drop`]; the rules are in
//! `docs/delivery.md`.
//!
//! [`Stream::plan_drop`]: crate::Stream::plan_drop

/// Which entries may be dropped at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retain {
    /// The limits alone decide; pending records go with their entries.
    #[default]
    All,
    /// Only those that every group has acknowledged. Without a group none may go.
    Unacked,
}

/// What becomes of a new entry for which the limits leave no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest go.
    Drop,
    /// It is refused.
    Reject,
}

/// The limit that a new entry would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamLimit {
    /// [`Retention::max_len`].
    Length,
    /// [`Retention::max_bytes`].
    Bytes,
}

/// The retention of a stream. [`Default`]: nothing is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// At most so many entries; 0: any number.
    pub max_len: u64,
    /// An entry is dropped so many milliseconds after the time in its id; 0: never.
    pub max_age_ms: u64,
    /// At most so many bytes of names and values; 0: any number.
    pub max_bytes: u64,
    /// Which may be dropped.
    pub retain: Retain,
    /// `None`: what [`Retention::overflow`] says.
    pub overflow: Option<Overflow>,
}

impl Retention {
    /// Whether an item is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Whether it cannot be: what nobody has acknowledged can not give way to new entries.
    #[must_use]
    pub fn contradicts_itself(&self) -> bool {
        self.retain == Retain::Unacked && self.overflow == Some(Overflow::Drop)
    }

    /// What is done for want of room: the oldest go, where they may.
    #[must_use]
    pub fn overflow(&self) -> Overflow {
        self.overflow.unwrap_or(match self.retain {
            Retain::All => Overflow::Drop,
            Retain::Unacked => Overflow::Reject,
        })
    }

    /// Whether an entry goes as soon as every group has acknowledged it: nothing else says how long
    /// it stays.
    #[must_use]
    pub fn is_work_queue(&self) -> bool {
        let has_limit = self.max_len > 0 || self.max_age_ms > 0 || self.max_bytes > 0;
        self.retain == Retain::Unacked && !has_limit
    }

    /// Whether a stream of that length and so many bytes is beyond a limit for which entries may be
    /// dropped.
    #[must_use]
    pub fn has_surplus(&self, len: u64, bytes: u64) -> bool {
        let keeps = self.retain == Retain::All && self.overflow() == Overflow::Reject;
        !keeps && self.exceeded(len, bytes).is_some()
    }

    /// The limit that a stream of that length and so many bytes exceeds.
    #[must_use]
    pub fn exceeded(&self, len: u64, bytes: u64) -> Option<StreamLimit> {
        if self.max_len > 0 && len > self.max_len {
            return Some(StreamLimit::Length);
        }
        (self.max_bytes > 0 && bytes > self.max_bytes).then_some(StreamLimit::Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_for_want_of_room_follows_from_what_is_kept() {
        let mut retention = Retention::default();
        assert!(!retention.is_set());
        assert_eq!(retention.overflow(), Overflow::Drop);
        retention.retain = Retain::Unacked;
        assert!(retention.is_set() && retention.is_work_queue());
        assert_eq!(retention.overflow(), Overflow::Reject);
        assert!(!retention.contradicts_itself());
        retention.overflow = Some(Overflow::Drop);
        assert!(retention.contradicts_itself());
        retention.max_len = 1;
        assert!(!retention.is_work_queue());
    }

    #[test]
    fn a_limit_is_exceeded_by_more_than_it_says() {
        let retention = Retention { max_len: 2, max_bytes: 10, ..Retention::default() };
        assert_eq!(retention.exceeded(2, 10), None);
        assert_eq!(retention.exceeded(3, 11), Some(StreamLimit::Length));
        assert_eq!(retention.exceeded(2, 11), Some(StreamLimit::Bytes));
        assert!(retention.has_surplus(3, 0));
        let overflow = Some(Overflow::Reject);
        assert!(!Retention { overflow, ..retention }.has_surplus(3, 0), "nothing gives way");
        let retain = Retain::Unacked;
        assert!(Retention { retain, ..retention }.has_surplus(3, 0), "what is acknowledged does");
        assert_eq!(Retention::default().exceeded(u64::MAX, u64::MAX), None);
    }
}
