//! Entry IDs as numbers, to count and compare what went in with what came out.

use std::fmt;

use anyhow::{Context, ensure};

/// Milliseconds and sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId(pub u64, pub u64);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// The IDs in `arguments`, which were appended by [`crate::connection::Connection::entry`].
///
/// # Errors
/// The bytes are no such arguments, or one is no ID.
pub fn parse_arguments(arguments: &[u8]) -> anyhow::Result<Vec<EntryId>> {
    // Lines are in turn a length and an ID.
    let lines = arguments.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let ids = lines.filter(|line| !line.is_empty()).skip(1).step_by(2);
    ids.map(parse).collect()
}

fn parse(text: &[u8]) -> anyhow::Result<EntryId> {
    let text = std::str::from_utf8(text).context("read an ID")?;
    let (ms, seq) = text.split_once('-').context("an ID has a dash")?;
    let number = |digits: &str| digits.parse().with_context(|| format!("read the ID {text}"));
    Ok(EntryId(number(ms)?, number(seq)?))
}

/// Checks that the entries of `delivered` are those of `added`, each exactly once.
///
/// # Errors
/// Says how many are missing, foreign, or came again.
pub fn check_exactly_once(
    mut added: Vec<EntryId>,
    mut delivered: Vec<EntryId>,
) -> anyhow::Result<()> {
    added.sort_unstable();
    delivered.sort_unstable();
    let again = delivered.windows(2).filter(|pair| pair[0] == pair[1]).count();
    let missing = added.iter().filter(|id| delivered.binary_search(id).is_err()).count();
    let foreign = delivered.iter().filter(|id| added.binary_search(id).is_err()).count();
    ensure!(
        again + missing + foreign == 0,
        "of {} entries {missing} were not delivered, {again} again, and {foreign} that nobody added",
        added.len()
    );
    let twice = added.windows(2).filter(|pair| pair[0] == pair[1]).count();
    ensure!(twice == 0, "{twice} IDs were given twice");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(arguments: &[u8]) -> Vec<EntryId> {
        parse_arguments(arguments).expect("IDs")
    }

    #[test]
    fn arguments_are_ids() {
        assert_eq!(ids(b"$3\r\n1-0\r\n$5\r\n20-13\r\n"), [EntryId(1, 0), EntryId(20, 13)]);
        assert_eq!(ids(b""), []);
        assert!(parse_arguments(b"$1\r\nx\r\n").is_err());
    }

    #[test]
    fn what_is_missing_foreign_or_there_twice_is_told() {
        let added = ids(b"$3\r\n1-0\r\n$3\r\n1-1\r\n$3\r\n1-2\r\n");
        let fault = |delivered: &[u8]| {
            check_exactly_once(added.clone(), ids(delivered)).expect_err("a fault").to_string()
        };
        assert!(check_exactly_once(added.clone(), added.clone()).is_ok());
        assert!(fault(b"$3\r\n1-0\r\n$3\r\n1-2\r\n").contains("1 were not delivered, 0 again"));
        let again = fault(b"$3\r\n1-0\r\n$3\r\n1-1\r\n$3\r\n1-1\r\n$3\r\n1-2\r\n");
        assert!(again.contains("0 were not delivered, 1 again, and 0"), "{again}");
        let foreign = fault(b"$3\r\n1-0\r\n$3\r\n1-1\r\n$3\r\n1-3\r\n");
        assert!(foreign.contains("1 were not delivered, 0 again, and 1"), "{foreign}");
    }
}
