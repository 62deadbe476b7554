//! Ids of entries on the command line.

use millstream::{EntryId, ParseEntryIdError};

/// `ms-seq`, or `ms` alone, which is the first id of that millisecond.
///
/// # Errors
/// What is wrong with it.
pub fn parse_id(text: &str) -> Result<EntryId, String> {
    // A sign is taken for part of a number, and is part of no id.
    if text.contains('+') {
        return Err(ParseEntryIdError.to_string());
    }
    if let Ok(ms) = text.parse() {
        return Ok(EntryId { ms, seq: 0 });
    }
    text.parse().map_err(|error: ParseEntryIdError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_within_a_millisecond_may_be_left_out() {
        assert_eq!(parse_id("7"), Ok(EntryId { ms: 7, seq: 0 }));
        assert_eq!(parse_id("7-8"), Ok(EntryId { ms: 7, seq: 8 }));
        for wrong in ["", "-", "$", "+", "+7", "7-", "7-+8", "-7", "7 ", "a"] {
            assert!(parse_id(wrong).is_err(), "{wrong}");
        }
    }
}
