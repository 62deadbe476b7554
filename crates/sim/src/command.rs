//! The commands that clients send, in a form that the reference reads without a grammar.
//!
//! [`Command::arguments`] spells one as it goes over the wire; only that side meets the parser of
//! the program.

mod arguments;
mod group_arguments;
mod managed;
mod schedule;

pub(crate) use managed::{Fence, LetterAction, OnLetters, PolicyChange, RetentionChange};
pub(crate) use schedule::{Due, OnSchedule};

use crate::id::Id;

/// Keys, names and values.
pub(crate) type Text = Vec<u8>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewId {
    Auto,
    In(u64),
    Exactly(Id),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum References {
    Keep,
    Delete,
    Acked,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum TrimBy {
    MaxLen(u64),
    MinId(Id),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Trim {
    pub(crate) by: TrimBy,
    pub(crate) approximate: bool,
    pub(crate) limit: Option<u64>,
    pub(crate) references: References,
}

#[derive(Clone, Debug)]
pub(crate) struct Add {
    pub(crate) key: Text,
    pub(crate) id: NewId,
    pub(crate) no_create: bool,
    pub(crate) trim: Option<Trim>,
    /// Producer and its id for it.
    pub(crate) production: Option<(Text, Text)>,
    pub(crate) fields: Vec<(Text, Text)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    After(Id),
    /// `+`
    Last,
    /// `$`
    End,
    /// `>`
    New,
}

#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) group: Text,
    pub(crate) consumer: Text,
    pub(crate) noack: bool,
    pub(crate) claim_min_idle_ms: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) group: Option<Reader>,
    pub(crate) streams: Vec<(Text, From)>,
    pub(crate) count: Option<usize>,
    pub(crate) count_total: Option<usize>,
    /// 0: for ever.
    pub(crate) block_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum NackMode {
    Silent,
    Fail,
    Fatal,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum DeliveredAt {
    Idle(i64),
    Time(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) key: Text,
    pub(crate) group: Text,
    pub(crate) consumer: Text,
    pub(crate) min_idle_ms: u64,
    pub(crate) ids: Vec<Id>,
    pub(crate) delivered_at: Option<DeliveredAt>,
    pub(crate) retry_count: Option<u64>,
    pub(crate) force: bool,
    pub(crate) just_ids: bool,
    pub(crate) is_fenced: bool,
    pub(crate) last_id: Option<Id>,
}

#[derive(Clone, Debug)]
pub(crate) struct AutoClaim {
    pub(crate) key: Text,
    pub(crate) group: Text,
    pub(crate) consumer: Text,
    pub(crate) min_idle_ms: u64,
    pub(crate) start: Id,
    pub(crate) count: usize,
    pub(crate) just_ids: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct PendingList {
    pub(crate) min_idle_ms: Option<u64>,
    pub(crate) from: Id,
    pub(crate) to: Id,
    pub(crate) count: usize,
    pub(crate) consumer: Option<Text>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExpiryCondition {
    pub(crate) only_new: bool,
    pub(crate) only_existing: bool,
    pub(crate) only_later: bool,
    pub(crate) only_earlier: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum SetExpiry {
    None,
    Keep,
    /// Milliseconds from now.
    In(i64),
    At(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) key: Text,
    pub(crate) value: Text,
    /// NX: false, XX: true.
    pub(crate) must_exist: Option<bool>,
    pub(crate) returns_old: bool,
    pub(crate) expiry: SetExpiry,
}

/// On the keys of streams and their entries.
#[derive(Clone, Debug)]
pub(crate) enum OnEntries {
    Add(Add),
    Trim(Text, Trim),
    Delete(Text, Vec<Id>),
    DeleteEx(Text, References, Vec<Id>),
    SetId {
        key: Text,
        last_id: Id,
        added: Option<u64>,
        max_deleted_id: Option<Id>,
    },
    Configure {
        key: Text,
        duration_s: Option<u32>,
        per_producer: Option<u32>,
        kept: RetentionChange,
    },
    Configuration(Text),
    RecordProduction {
        key: Text,
        producer: Text,
        iid: Text,
        id: Id,
    },
    Range {
        key: Text,
        from: Id,
        to: Id,
        count: Option<i64>,
        is_reverse: bool,
    },
    Length(Text),
    Info(Text),
}

/// On groups, consumers and pending entries.
#[derive(Clone, Debug)]
pub(crate) enum OnGroups {
    /// Without a position: `$`.
    Create {
        key: Text,
        group: Text,
        at: Option<Id>,
        make_stream: bool,
        read: Option<u64>,
        policy: Option<PolicyChange>,
    },
    SetPosition {
        key: Text,
        group: Text,
        at: Option<Id>,
        read: Option<u64>,
    },
    Destroy(Text, Text),
    CreateConsumer(Text, Text, Text),
    DeleteConsumer(Text, Text, Text),
    SetPolicy(Text, Text, PolicyChange),
    Policy(Text, Text),
    Skip(Text, Text, Id),
    Ack {
        key: Text,
        group: Text,
        fence: Option<Fence>,
        ids: Vec<Id>,
    },
    AckDelete(Text, Text, References, Vec<Id>),
    Nack {
        key: Text,
        group: Text,
        mode: NackMode,
        count: Option<u64>,
        force: bool,
        delay_ms: Option<u64>,
        error: Option<Text>,
        ids: Vec<Id>,
    },
    Claim(Claim),
    AutoClaim(AutoClaim),
    /// Without a list: the summary.
    Pending(Text, Text, Option<PendingList>),
    Groups(Text),
    Consumers(Text, Text),
}

/// On keys of any type, and strings.
#[derive(Clone, Debug)]
pub(crate) enum OnKeys {
    Set(Set),
    Get(Text),
    GetDelete(Text),
    IncrementBy(Text, i64),
    Append(Text, Text),
    Delete(Vec<Text>),
    Exists(Vec<Text>),
    Type(Text),
    Size,
    /// Milliseconds from now.
    Expire(Text, i64, ExpiryCondition),
    ExpireAt(Text, i64, ExpiryCondition),
    Persist(Text),
    Lifetime(Text),
    Rename {
        from: Text,
        to: Text,
        only_if_free: bool,
    },
    Copy {
        from: Text,
        to: Text,
        to_db: Option<u8>,
        replaces: bool,
    },
    Move(Text, u8),
    Swap(u8, u8),
    Flush,
    FlushAll,
    Dump(Text),
    /// The time to live is in milliseconds, 0 for ever.
    Restore {
        key: Text,
        ttl: u64,
        payload: Text,
        replaces: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Command {
    Entries(OnEntries),
    Groups(OnGroups),
    Keys(OnKeys),
    Letters(OnLetters),
    Schedule(OnSchedule),
    Read(Read),
}

impl Command {
    /// Whether some stream may get an entry by it.
    pub(crate) fn may_add(&self) -> bool {
        matches!(
            self,
            Self::Entries(OnEntries::Add(_))
                | Self::Groups(OnGroups::Nack { .. })
                | Self::Letters(_)
                | Self::Schedule(OnSchedule::Run(..))
        )
    }

    /// May use the reserve of a full disk, as the server has it.
    pub(crate) fn frees_space(&self) -> bool {
        matches!(
            self,
            Self::Entries(OnEntries::Trim(..) | OnEntries::Delete(..) | OnEntries::DeleteEx(..))
                | Self::Groups(
                    OnGroups::Ack { .. }
                        | OnGroups::AckDelete(..)
                        | OnGroups::Destroy(..)
                        | OnGroups::DeleteConsumer(..)
                )
                | Self::Keys(OnKeys::Delete(_) | OnKeys::Flush | OnKeys::FlushAll)
                | Self::Letters(OnLetters { action: LetterAction::Purge, .. })
                | Self::Schedule(OnSchedule::Cancel(..))
        )
    }
}
