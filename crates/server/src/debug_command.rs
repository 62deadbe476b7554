//! DEBUG: tools for tests. Refused unless the server was started with `--enable-debug`.
//!
//! Redis' own test-suite needs some of these from a server that it did not start itself. What they
//! do here is real where it can be, and for the rest accepted; `HELP` says which.

use std::sync::Arc;
use std::time::Duration;

use millstream_command::Reply;
use millstream_command::digest::Digest;
use millstream_command::introspection::help;
use millstream_engine::{ReloadError, Transaction};

use crate::DebugAccess;
use crate::session::Session;
use crate::shared::Shared;

/// The error for whoever may not use it.
pub(crate) const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command \
option is set to \"local\", you can run it from a local connection, otherwise you need to set this \
option in the configuration file, and then restart the server.";
const WRONG_PROTOCOL_TYPE: &str = "ERR Wrong protocol type name. Please use one of the following: \
string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";
const WRONG_RELOAD_OPTION: &str =
    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
/// Longer makes no better test, and is no length of time that every clock knows.
const SLEEP_SECONDS_MAX: f64 = 1e6;

/// Whether this connection may use it.
pub(crate) fn is_allowed(session: &Session) -> bool {
    match session.shared.config.debug {
        DebugAccess::No => false,
        DebugAccess::Local => session.client.address.is_local(),
        DebugAccess::Yes => true,
    }
}

/// DEBUG subcommand [argument ...], with the engine held.
pub(crate) fn run(session: &Session, args: &[&[u8]], txn: &mut Transaction<'_>) -> Reply {
    let shared = &session.shared;
    let word = args[1].to_ascii_uppercase();
    match (&word[..], &args[2..]) {
        (b"HELP", []) => help::debug(),
        (b"SLEEP", [seconds]) => {
            std::thread::sleep(parse_sleep(seconds));
            Reply::OK
        }
        (b"SET-ACTIVE-EXPIRE", [switch]) => {
            set_active_expiry(shared, !is_zero(switch));
            Reply::OK
        }
        (b"PANIC", []) => panic!("DEBUG PANIC was asked for"),
        (b"PANIC", [place]) if place.eq_ignore_ascii_case(b"CONTROL") => {
            shared.panic_wanted.notify_one();
            Reply::OK
        }
        (b"ERROR", [text]) => Reply::ErrorBytes(text.to_vec()),
        (b"LOG", [text]) => {
            tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(text));
            Reply::OK
        }
        (b"PROTOCOL", [kind]) => protocol(kind),
        // There is no replication, and there are no periodic tasks but those of the timer.
        (b"CHANGE-REPL-ID", []) | (b"PAUSE-CRON", [_]) => Reply::OK,
        (b"OBJECT", [key]) => object(txn, session.db, key),
        (b"DIGEST", []) => Reply::Simple(Digest::of_everything(txn).to_hex().into()),
        (b"DIGEST-VALUE", keys) => {
            let digest = |key: &&[u8]| Digest::of_value(txn, session.db, key).to_hex();
            let digests = keys.iter().map(digest).map(|hex| Reply::Simple(hex.into()));
            Reply::Array(digests.collect())
        }
        _ => {
            let head = b"ERR unknown subcommand or wrong number of arguments for '";
            Reply::ErrorBytes([head, args[1], b"'. Try DEBUG HELP."].concat())
        }
    }
}

/// A task of the control thread that is wrong when DEBUG PANIC CONTROL asks for it.
pub(crate) async fn panic_on_demand(shared: Arc<Shared>) {
    shared.panic_wanted.notified().await;
    panic!("DEBUG PANIC CONTROL was asked for");
}

/// Whether it is one of those that replace everything in memory by what is on disk, for which the
/// engine must be free: RELOAD [MERGE] [NOFLUSH] [NOSAVE], LOADAOF.
pub(crate) fn reloads(args: &[&[u8]]) -> bool {
    let is = |word: &[u8]| args[1].eq_ignore_ascii_case(word);
    is(b"RELOAD") || (is(b"LOADAOF") && args.len() == 2)
}

/// Whether it is the panic of one connection, for which the engine must be free: else it is one in
/// the middle of a change.
pub(crate) fn panics_alone(args: &[&[u8]]) -> bool {
    let is = |at: usize, word: &[u8]| args.get(at).is_some_and(|it| it.eq_ignore_ascii_case(word));
    is(1, b"PANIC") && is(2, b"CONNECTION")
}

/// Runs one of those that reload, without regard to others: their connections stay, and they wait.
pub(crate) fn reload(shared: &Shared, args: &[&[u8]]) -> Reply {
    /// How often to try while others write, and how long to wait for the log or a checkpoint each
    /// time.
    const ATTEMPTS: usize = 10_000;
    const PAUSE: Duration = Duration::from_millis(1);
    let is_option = |word: &&[u8]| {
        [b"MERGE" as &[u8], b"NOFLUSH", b"NOSAVE"].iter().any(|o| word.eq_ignore_ascii_case(o))
    };
    if !args[2..].iter().all(is_option) {
        return Reply::error(WRONG_RELOAD_OPTION);
    }
    for _ in 0..ATTEMPTS {
        match shared.store.engine.reload(shared.clock.now()) {
            Ok(_) => return Reply::OK,
            Err(ReloadError::Busy) => std::thread::sleep(PAUSE),
            Err(error) => return Reply::Error(format!("ERR cannot reload: {error}").into()),
        }
    }
    Reply::error("ERR cannot reload: the log or a checkpoint is written all the time")
}

/// FUNCTION FLUSH and SCRIPT FLUSH, which test-suites send to begin with: with DEBUG they find
/// nothing to flush, without they are unknown commands as all of scripting is.
pub(crate) fn flushes_scripts(args: &[&[u8]]) -> bool {
    let [command, subcommand, ..] = args else { return false };
    let is_scripting = [b"FUNCTION" as &[u8], b"SCRIPT"];
    is_scripting.iter().any(|word| command.eq_ignore_ascii_case(word))
        && subcommand.eq_ignore_ascii_case(b"FLUSH")
}

/// Like C's `strtod`, on which what is no number is zero.
fn parse_sleep(seconds: &[u8]) -> Duration {
    let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| *seconds > 0.0).unwrap_or(0.0);
    Duration::from_secs_f64(seconds.min(SLEEP_SECONDS_MAX))
}

/// Like C's `atoi`.
fn is_zero(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    text.iter().take_while(|byte| byte.is_ascii_digit()).all(|digit| *digit == b'0')
}

fn set_active_expiry(shared: &Shared, is_on: bool) {
    // The timer looks at it before each round of work; what is due is looked at within its
    // longest sleep.
    shared.is_expiry_stopped.store(!is_on, std::sync::atomic::Ordering::Release);
}

fn object(txn: &mut Transaction<'_>, db: u8, key: &[u8]) -> Reply {
    let (Some(encoding), Some(bytes), Some(idle_ms)) =
        (txn.encoding(db, key), txn.memory_bytes(db, key), txn.idle_ms(db, key))
    else {
        return Reply::error("ERR no such key");
    };
    let text = format!(
        "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{bytes} lru:0 \
         lru_seconds_idle:{}",
        idle_ms / 1000
    );
    Reply::Simple(text.into())
}

fn protocol(kind: &[u8]) -> Reply {
    let numbers = || vec![Reply::Int(0), Reply::Int(1), Reply::Int(2)];
    match &kind.to_ascii_lowercase()[..] {
        b"string" => Reply::Text("Hello World"),
        b"integer" => Reply::Int(12345),
        b"double" => Reply::Wire { resp2: "$5\r\n3.141\r\n", resp3: ",3.141\r\n" },
        b"null" => Reply::Nil,
        b"array" => Reply::Array(numbers()),
        b"set" => Reply::Set(numbers()),
        b"map" => Reply::Map(numbers().into_iter().zip([FALSE, TRUE, FALSE]).collect()),
        b"attrib" => Reply::Wire {
            resp2: "$39\r\nSome real reply following the attribute\r\n",
            resp3: "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n\
                    $39\r\nSome real reply following the attribute\r\n",
        },
        b"push" => Reply::Wire {
            resp2: "-ERR RESP2 is not supported by this command\r\n",
            resp3: "$40\r\nSome real reply following the push reply\r\n\
                    >2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n",
        },
        b"verbatim" => Reply::Verbatim("This is a verbatim\nstring".to_owned()),
        b"bignum" => Reply::Wire {
            resp2: "$37\r\n1234567999999999999999999999999999999\r\n",
            resp3: "(1234567999999999999999999999999999999\r\n",
        },
        b"true" => TRUE,
        b"false" => FALSE,
        _ => Reply::error(WRONG_PROTOCOL_TYPE),
    }
}

const TRUE: Reply = Reply::Wire { resp2: ":1\r\n", resp3: "#t\r\n" };
const FALSE: Reply = Reply::Wire { resp2: ":0\r\n", resp3: "#f\r\n" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        assert_eq!(parse_sleep(b"0.5"), Duration::from_millis(500));
        for nothing in ["x", "", "-1", "nan"] {
            assert_eq!(parse_sleep(nothing.as_bytes()), Duration::ZERO, "{nothing}");
        }
        assert!(parse_sleep(b"inf") > Duration::from_secs(1000));
        assert!(is_zero(b"0") && is_zero(b"x") && is_zero(b"") && is_zero(b"-0"));
        assert!(!is_zero(b"1") && !is_zero(b"-1") && !is_zero(b"01"));
    }

    #[test]
    fn only_flushes_are_taken() {
        assert!(flushes_scripts(&[b"function", b"FLUSH"]));
        assert!(flushes_scripts(&[b"SCRIPT", b"flush", b"SYNC"]));
        assert!(!flushes_scripts(&[b"SCRIPT", b"LOAD", b"x"]) && !flushes_scripts(&[b"FUNCTION"]));
    }
}
