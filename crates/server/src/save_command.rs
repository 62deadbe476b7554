//! SAVE, BGSAVE, BGREWRITEAOF for a server whose log is on disk already, or nearly: they sync it.

use millstream_command::Reply;
use millstream_runtime::saving;

use crate::shared::Shared;

const NOTHING_STORED: &str = "ERR nothing is stored: this server keeps its data in memory only";
const POISONED: &str =
    "MISCONF the log cannot be written: nothing is saved until the server has been started again";

/// Why nothing can be saved, if so.
pub(crate) fn refusal(shared: &Shared) -> Option<Reply> {
    let text = match (shared.config.memory, shared.store.poison()) {
        (true, _) => NOTHING_STORED,
        (_, Some(_)) => POISONED,
        _ => return None,
    };
    Some(Reply::error(text))
}

/// BGSAVE [SCHEDULE]. A sync is in the way of no other, so only within EXEC it begins later.
pub(crate) fn bgsave(shared: &Shared, args: &[&[u8]], is_in_exec: bool) -> Reply {
    match args[1..] {
        [] => {}
        [word] if word.eq_ignore_ascii_case(b"SCHEDULE") => {}
        _ => return Reply::error("ERR syntax error"),
    }
    if let Some(refusal) = refusal(shared) {
        return refusal;
    }
    if saving::is_in_progress(&shared.store) {
        return Reply::error("ERR Background save already in progress");
    }
    saving::ask(&shared.store, is_in_exec);
    let state = if is_in_exec { "scheduled" } else { "started" };
    Reply::Simple(format!("Background saving {state}").into())
}

/// BGREWRITEAOF
pub(crate) fn bgrewriteaof() -> Reply {
    Reply::Simple("Nothing to rewrite: there is no append only file".into())
}
