//! XSCHEDULE as it is sent.

use super::Text;
use super::arguments::Arguments;
use crate::id::Id;

/// When an entry is appended, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    Delay(u64),
    At(u64),
}

/// Tokens are written as ids are: when it is due, and its number.
#[derive(Clone, Debug)]
pub(crate) enum OnSchedule {
    Add { key: Text, due: Due, fields: Vec<(Text, Text)> },
    List { key: Text, cursor: Option<Id>, count: Option<usize> },
    Cancel(Text, Vec<Id>),
    Run(Text, Vec<Id>),
}

pub(super) fn schedule(command: &OnSchedule) -> Arguments {
    match command {
        OnSchedule::Add { key, due, fields } => {
            let arguments = Arguments::of("XSCHEDULE ADD").text(key);
            let arguments = match due {
                Due::Delay(ms) => arguments.word("DELAY").word(ms),
                Due::At(ms) => arguments.word("AT").word(ms),
            };
            arguments.texts(fields.iter().flat_map(|(name, value)| [name, value]))
        }
        OnSchedule::List { key, cursor, count } => Arguments::of("XSCHEDULE LIST")
            .text(key)
            .option("CURSOR", *cursor)
            .option("COUNT", *count),
        OnSchedule::Cancel(key, tokens) => Arguments::of("XSCHEDULE CANCEL").text(key).ids(tokens),
        OnSchedule::Run(key, tokens) => Arguments::of("XSCHEDULE RUN").text(key).ids(tokens),
    }
}
