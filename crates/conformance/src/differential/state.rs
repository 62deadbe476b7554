//! What is asked after a sequence, and times that a sequence speaks of.

use std::time::{SystemTime, UNIX_EPOCH};

use super::generate::{Command, GROUPS, KEYS, STRING_KEYS};

/// Everything that can be seen of all keys.
pub(super) fn queries() -> Vec<Command> {
    let mut queries = Vec::new();
    let mut ask = |text: String| queries.push(text.split(' ').map(str::to_owned).collect());
    // A sequence may have left its connection in a transaction.
    ask("DISCARD".to_owned());
    ask("UNWATCH".to_owned());
    ask("KEYS *".to_owned());
    for key in STRING_KEYS {
        ask(format!("TYPE {key}"));
        ask(format!("GET {key}"));
        ask(format!("PTTL {key}"));
    }
    for key in KEYS {
        ask(format!("PTTL {key}"));
        ask(format!("TYPE {key}"));
        ask(format!("XRANGE {key} - +"));
        ask(format!("XINFO STREAM {key}"));
        ask(format!("XINFO STREAM {key} FULL COUNT 0"));
        ask(format!("XINFO GROUPS {key}"));
        for group in GROUPS {
            ask(format!("XPENDING {key} {group}"));
            ask(format!("XPENDING {key} {group} - + 1000"));
            ask(format!("XINFO CONSUMERS {key} {group}"));
        }
    }
    queries
}

/// Replaces `@now-N` by a Unix time, the same for both servers.
pub(super) fn fill_in(command: &Command, now_ms: u128) -> Command {
    let word = |word: &String| match word.strip_prefix("@now-").map(str::parse::<u128>) {
        Some(Ok(age_ms)) => now_ms.saturating_sub(age_ms).to_string(),
        _ => word.clone(),
    };
    command.iter().map(word).collect()
}

pub(super) fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}
