//! The columns of the tables of groups and of consumers: what stands in them, and in which order
//! they put lines.

use bytes::Bytes;
use clap::ValueEnum;
use millstream::ConsumerInfo;

use super::line::{Line, LineKey};
use super::short_number::{short_age, short_count, short_rate};
use crate::name::Name;
use crate::output::{or_dash, short, short_or_dash};

/// What a line is put in order by.
#[derive(Debug, PartialEq)]
pub(super) enum SortValue {
    /// From the first to the last.
    Text(Bytes),
    /// From the largest to the smallest; what is not known comes last.
    Number(Option<f64>),
}

/// A column of a table whose lines can be put in order.
pub(super) trait SortColumn: Copy + PartialEq + 'static {
    type Row;
    /// What names a line.
    type Key: Clone + Ord;

    /// All, as they stand beside each other.
    const ALL: &'static [Self];

    fn header(self) -> &'static str;

    /// Of numbers; `None`: of texts, which share what is left of the screen.
    fn width(self) -> Option<u16>;

    fn cell(self, row: &Self::Row) -> String;

    fn value(self, row: &Self::Row) -> SortValue;

    fn key(row: &Self::Row) -> Self::Key;

    /// What a filter looks into.
    fn name(row: &Self::Row) -> String;

    /// Whether a line stays above all others.
    fn is_first(_row: &Self::Row) -> bool {
        false
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GroupColumn {
    Stream,
    Group,
    In,
    Out,
    Lag,
    Pending,
    Oldest,
    Consumers,
    DeadLetters,
}

fn number(count: Option<u64>) -> SortValue {
    SortValue::Number(count.map(|count| count as f64))
}

impl SortColumn for GroupColumn {
    type Row = Line;
    type Key = LineKey;

    const ALL: &'static [Self] = &[
        Self::Stream,
        Self::Group,
        Self::In,
        Self::Out,
        Self::Lag,
        Self::Pending,
        Self::Oldest,
        Self::Consumers,
        Self::DeadLetters,
    ];

    fn header(self) -> &'static str {
        match self {
            Self::Stream => "STREAM",
            Self::Group => "GROUP",
            Self::In => "IN/S",
            Self::Out => "OUT/S",
            Self::Lag => "LAG",
            Self::Pending => "PEND",
            Self::Oldest => "OLDEST",
            Self::Consumers => "CONS",
            Self::DeadLetters => "DEAD",
        }
    }

    fn width(self) -> Option<u16> {
        match self {
            Self::Stream | Self::Group => None,
            Self::Oldest => Some(8),
            _ => Some(6),
        }
    }

    fn cell(self, line: &Line) -> String {
        match self {
            Self::Stream => line.key.stream_name(),
            Self::Group => match &line.blocked_by {
                Some(reason) => format!("{} ({reason})", line.key.group_name()),
                None => line.key.group_name(),
            },
            Self::In => or_dash(line.rate_in.map(short_rate)),
            Self::Out => or_dash(line.rate_out.map(short_rate)),
            Self::Lag => or_dash(line.lag.map(short_count)),
            Self::Pending => or_dash(line.pending.map(short_count)),
            Self::Oldest => or_dash(line.oldest().map(short_age)),
            Self::Consumers => or_dash(line.consumers.map(short_count)),
            Self::DeadLetters => or_dash(line.dead_letters.map(short_count)),
        }
    }

    fn value(self, line: &Line) -> SortValue {
        match self {
            Self::Stream => SortValue::Text(line.key.stream.clone()),
            Self::Group => SortValue::Text(line.key.group.clone().unwrap_or_default()),
            Self::In => SortValue::Number(line.rate_in),
            Self::Out => SortValue::Number(line.rate_out),
            Self::Lag => number(line.lag),
            Self::Pending => number(line.pending),
            Self::Oldest => SortValue::Number(line.oldest().map(|age| age.as_secs_f64())),
            Self::Consumers => number(line.consumers),
            Self::DeadLetters => number(line.dead_letters),
        }
    }

    fn key(line: &Line) -> LineKey {
        line.key.clone()
    }

    fn name(line: &Line) -> String {
        format!("{} {}", line.key.stream_name(), line.key.group_name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConsumerColumn {
    Consumer,
    Pending,
    Idle,
    Inactive,
}

/// A consumer, or all of them and nobody.
#[derive(Clone, Debug)]
pub(super) enum ConsumerLine {
    All { pending: Option<u64> },
    One(ConsumerInfo),
}

impl ConsumerLine {
    pub(super) fn consumer(&self) -> Option<&ConsumerInfo> {
        match self {
            Self::All { .. } => None,
            Self::One(consumer) => Some(consumer),
        }
    }

    fn pending(&self) -> Option<u64> {
        match self {
            Self::All { pending } => *pending,
            Self::One(consumer) => Some(consumer.pending),
        }
    }
}

impl SortColumn for ConsumerColumn {
    type Row = ConsumerLine;
    type Key = Option<Bytes>;

    const ALL: &'static [Self] = &[Self::Consumer, Self::Pending, Self::Idle, Self::Inactive];

    fn header(self) -> &'static str {
        match self {
            Self::Consumer => "CONSUMER",
            Self::Pending => "PEND",
            Self::Idle => "IDLE",
            Self::Inactive => "INACTIVE",
        }
    }

    fn width(self) -> Option<u16> {
        match self {
            Self::Consumer => None,
            Self::Pending => Some(6),
            // Room for the mark of the order.
            Self::Idle | Self::Inactive => Some(9),
        }
    }

    fn cell(self, line: &ConsumerLine) -> String {
        match (self, line.consumer()) {
            (Self::Consumer, None) => "(all that is pending)".to_owned(),
            (Self::Consumer, Some(one)) => Name::from(one.name_bytes.clone()).to_string(),
            (Self::Pending, _) => or_dash(line.pending().map(short_count)),
            (Self::Idle | Self::Inactive, None) => String::new(),
            (Self::Idle, Some(one)) => short(one.idle),
            (Self::Inactive, Some(one)) => short_or_dash(one.inactive),
        }
    }

    fn value(self, line: &ConsumerLine) -> SortValue {
        let one = line.consumer();
        match self {
            Self::Consumer => {
                SortValue::Text(one.map(|it| it.name_bytes.clone()).unwrap_or_default())
            }
            Self::Pending => number(line.pending()),
            Self::Idle => SortValue::Number(one.map(|it| it.idle.as_secs_f64())),
            Self::Inactive => {
                SortValue::Number(one.and_then(|it| it.inactive).map(|time| time.as_secs_f64()))
            }
        }
    }

    fn key(line: &ConsumerLine) -> Self::Key {
        line.consumer().map(|it| it.name_bytes.clone())
    }

    fn name(line: &ConsumerLine) -> String {
        Self::Consumer.cell(line)
    }

    fn is_first(line: &ConsumerLine) -> bool {
        line.consumer().is_none()
    }
}
