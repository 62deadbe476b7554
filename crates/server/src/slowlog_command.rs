//! SLOWLOG GET, LEN, RESET.

use millstream_command::Reply;
use millstream_command::integer::parse_i64;

use crate::session::Session;

/// Entries shown unless told.
const SHOWN: usize = 10;

/// SLOWLOG GET [count]; a count of -1 shows all.
pub(crate) fn get(session: &Session, args: &[&[u8]]) -> Reply {
    let count = match args[2..] {
        [] => SHOWN,
        [count] => match parse_i64(count) {
            Some(-1) => usize::MAX,
            Some(count) if count >= 0 => usize::try_from(count).unwrap_or(usize::MAX),
            _ => return Reply::error("ERR count should be greater than or equal to -1"),
        },
        _ => {
            let head = b"ERR unknown subcommand or wrong number of arguments for '";
            return Reply::ErrorBytes([head, args[1], b"'. Try SLOWLOG HELP."].concat());
        }
    };
    session.shared.slow_log.reply(count)
}

/// SLOWLOG LEN
pub(crate) fn len(session: &Session) -> Reply {
    Reply::count(session.shared.slow_log.len())
}

/// SLOWLOG RESET
pub(crate) fn reset(session: &Session) -> Reply {
    session.shared.slow_log.clear();
    Reply::OK
}
