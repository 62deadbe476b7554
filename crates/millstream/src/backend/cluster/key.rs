//! Where the key stands in a command.

use redis::{Arg, Cmd, Pipeline};

use crate::Error;
use crate::hash_slot::hash_slot;

/// The slot of a command's first key; `None`: it has none, and any server can do it.
pub(super) fn slot_of(command: &Cmd) -> Option<u16> {
    key_of(command).map(hash_slot)
}

/// The slot that all commands have which have one.
///
/// # Errors
/// [`Error::Configuration`]: they have several.
pub(super) fn slot_of_all(commands: &Pipeline) -> Result<Option<u16>, Error> {
    let mut slots = commands.cmd_iter().filter_map(slot_of);
    let first = slots.next();
    if slots.all(|slot| Some(slot) == first) {
        return Ok(first);
    }
    Err(Error::Configuration(
        "a transaction on a Cluster has keys of one slot: give them the same {tag}".to_owned(),
    ))
}

fn key_of(command: &Cmd) -> Option<&[u8]> {
    let mut words = command.args_iter().map(|word| match word {
        Arg::Simple(bytes) => bytes,
        // No command of ours has one.
        Arg::Cursor => &b"0"[..],
        _ => &b""[..],
    });
    let name = words.next()?.to_ascii_uppercase();
    match &name[..] {
        b"CLIENT" | b"CLUSTER" | b"CONFIG" | b"DBSIZE" | b"INFO" | b"PING" | b"TIME" | b"WAIT" => {
            None
        }
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => {
            let mut words = words.skip(1);
            words.next().filter(|count| *count != b"0")?;
            words.next()
        }
        b"XGROUP" | b"XINFO" | b"XDLQ" | b"XSCHEDULE" | b"OBJECT" | b"MEMORY" => words.nth(1),
        b"XREAD" | b"XREADGROUP" => {
            words.skip_while(|word| !word.eq_ignore_ascii_case(b"STREAMS")).nth(1)
        }
        _ => words.next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(line: &str) -> Option<String> {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| _ = command.arg(word));
        key_of(&command).map(|key| String::from_utf8_lossy(key).into_owned())
    }

    #[test]
    fn the_key_is_found_wherever_a_command_has_it() {
        for line in [
            "XADD k * a b",
            "xack k g 1-1",
            "XGROUP CREATE k g 0",
            "XINFO STREAM k",
            "XREADGROUP GROUP g c COUNT 1 STREAMS k l > >",
            "xread streams k 0",
            "EVAL x 2 k l",
            "XDLQ LIST k",
            "MEMORY USAGE k",
            "FCALL f 1 k x",
            "SET k v NX",
        ] {
            assert_eq!(key(line).as_deref(), Some("k"), "{line}");
        }
        for line in ["INFO server", "CLIENT UNBLOCK 1", "EVAL x 0", "PING", "EVAL x"] {
            assert_eq!(key(line), None, "{line}");
        }
    }

    #[test]
    fn a_transaction_has_one_slot() {
        let mut same = redis::pipe();
        same.cmd("XADD").arg("{k}:dlq").cmd("PING").cmd("XACK").arg("k");
        assert_eq!(slot_of_all(&same).expect("one"), Some(hash_slot(b"k")));
        let mut other = redis::pipe();
        other.cmd("XADD").arg("k:dlq").cmd("XACK").arg("k");
        assert!(slot_of_all(&other).is_err());
    }
}
