//! From the words of a request to the row of its command.
//!
//! [`find`] is on the path of every request. Names fit 16 bytes, so a name becomes two integers,
//! and an open-addressed table built at compile time finds its row, as a rule at the first probe.

use super::lookup_error::LookupError;
use super::spec::CommandSpec;
use super::{connection, diagnostics, keyspace, server, streams, strings};

/// No command's own word is longer.
pub const NAME_BYTES_MAX: usize = 16;

/// The rows of all families, in the order in which clients see them.
const FAMILIES: [&[CommandSpec]; 6] = [
    &streams::ROWS,
    &connection::ROWS,
    &server::ROWS,
    &diagnostics::ROWS,
    &keyspace::ROWS,
    &strings::ROWS,
];

const COMMANDS: usize = {
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

/// At least three times as many slots as commands, so that probes are short and always end.
const SLOTS: usize = 512;
const SLOT_BITS: u32 = SLOTS.ilog2();
const _: () = assert!(COMMANDS * 3 <= SLOTS);

/// One place of the hash table: a packed name, and its row.
#[derive(Clone, Copy)]
struct Slot {
    key: (u64, u64),
    spec: Option<&'static CommandSpec>,
}

static TABLE: [Slot; SLOTS] = {
    let mut slots = [Slot { key: (0, 0), spec: None }; SLOTS];
    let mut family = 0;
    while family < FAMILIES.len() {
        slots = fill(slots, FAMILIES[family]);
        family += 1;
    }
    slots
};

/// All commands, without subcommands, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static CommandSpec> {
    FAMILIES.into_iter().flatten()
}

/// The command of that name, letters of both cases being equal. Never allocates.
#[must_use]
#[inline]
pub fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let key = pack(name);
    let mut at = slot_of(key);
    while let Some(spec) = TABLE[at].spec {
        if TABLE[at].key == key && spec.name.len() == name.len() {
            return Some(spec);
        }
        at = (at + 1) % SLOTS;
    }
    None
}

/// The subcommand of that word, letters of both cases being equal.
#[must_use]
pub fn find_subcommand(command: &'static CommandSpec, word: &[u8]) -> Option<&'static CommandSpec> {
    command.subcommands.iter().find(|spec| spec.word().as_bytes().eq_ignore_ascii_case(word))
}

/// The command or subcommand of that full name, as in `xgroup|create`.
#[must_use]
pub fn find_by_full_name(name: &[u8]) -> Option<&'static CommandSpec> {
    match name.iter().position(|byte| *byte == b'|') {
        Some(bar) => find_subcommand(find(&name[..bar])?, &name[bar + 1..]),
        None => find(name),
    }
}

/// The command or subcommand that a full command line means, with a fitting number of arguments.
///
/// Never returns a container: `XGROUP` alone has too few arguments.
///
/// # Errors
/// If there is no such command or subcommand, or the number of arguments does not fit it.
pub fn resolve<A: AsRef<[u8]>>(args: &[A]) -> Result<&'static CommandSpec, LookupError> {
    let spec = resolve_name(args)?;
    if spec.accepts(args.len()) { Ok(spec) } else { Err(LookupError::WrongArity(spec)) }
}

/// As [`resolve`], whatever the number of arguments. A container alone is itself.
pub(crate) fn resolve_name<A: AsRef<[u8]>>(
    args: &[A],
) -> Result<&'static CommandSpec, LookupError> {
    let spec = args
        .first()
        .and_then(|name| find(name.as_ref()))
        .ok_or_else(|| LookupError::unknown_command(args))?;
    match args.get(1) {
        Some(word) if !spec.subcommands.is_empty() => find_subcommand(spec, word.as_ref())
            .ok_or_else(|| LookupError::unknown_subcommand(spec, word.as_ref())),
        _ => Ok(spec),
    }
}

/// A name as two integers, upper-case letters made lower case: its first and its last bytes, which
/// overlap. With the length they determine a name of at most 16 bytes.
///
/// Names of commands consist of letters, and only a letter becomes a lower-case letter by setting
/// this bit, so no other text of that length packs to the same integers.
#[inline]
const fn pack(name: &[u8]) -> (u64, u64) {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    let (first, last) = match name {
        [] => (0, 0),
        [a] => (*a as u64, 0),
        [a, b] => (*a as u64, *b as u64),
        [a, b, c] => (*a as u64, (*b as u64) << 8 | *c as u64),
        _ => match (name.first_chunk(), name.last_chunk()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (name.first_chunk(), name.last_chunk()) {
                (Some(first), Some(last)) => {
                    (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64)
                }
                _ => panic!("at least four bytes are left"),
            },
        },
    };
    (first | LOWER, last | LOWER)
}

#[inline]
const fn slot_of((first, last): (u64, u64)) -> usize {
    // The halves are folded, then an odd constant near 2^64 over the golden ratio spreads the bits.
    let folded = first ^ last.rotate_left(29);
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SLOT_BITS)) as usize
}

const fn fill(mut slots: [Slot; SLOTS], rows: &'static [CommandSpec]) -> [Slot; SLOTS] {
    let mut row = 0;
    while row < rows.len() {
        let key = pack(rows[row].name.as_bytes());
        let mut at = slot_of(key);
        while slots[at].spec.is_some() {
            at = (at + 1) % SLOTS;
        }
        slots[at] = Slot { key, spec: Some(&rows[row]) };
        row += 1;
    }
    slots
}
