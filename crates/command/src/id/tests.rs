use proptest::prelude::*;

use super::*;

const MAX_TEXT: &[u8] = b"18446744073709551615-18446744073709551615";

fn id(ms: u64, seq: u64) -> EntryId {
    EntryId::new(ms, seq)
}

/// Refused in every context.
const NEVER: [&str; 27] = [
    "",
    "1-",
    "-1",
    "1-2-3",
    "10-**",
    "*-*",
    "*-1",
    "$",
    ">",
    "5 ",
    " 5",
    "0x1",
    "1-0x1",
    "+1",
    "5-+3",
    "5--3",
    "5- 3",
    "5- -3",
    "--",
    "-+",
    "18446744073709551616",
    "1-18446744073709551616",
    "18446744073709551616-0",
    "abc",
    "1-bad",
    "-*",
    "1.5",
];

#[test]
fn a_plain_id_has_the_sequence_its_context_gives_it() {
    assert_eq!(parse_strict(b"5", 0), Some(id(5, 0)));
    assert_eq!(parse_strict(b"5", u64::MAX), Some(id(5, u64::MAX)));
    assert_eq!(parse_strict(b"5-3", 9), Some(id(5, 3)));
    assert_eq!(parse_strict(b"0-0", 9), Some(EntryId::MIN));
    assert_eq!(parse_strict(MAX_TEXT, 0), Some(EntryId::MAX));
    assert_eq!(parse_strict(b"007-009", 0), Some(id(7, 9)));
}

#[test]
fn whatever_is_no_id_is_refused_everywhere() {
    for text in NEVER.map(str::as_bytes) {
        assert_eq!(parse_strict(text, 0), None, "{text:?}");
        assert_eq!(parse_or_extreme(text, 0), None, "{text:?}");
        assert_eq!(parse_add_id(text), None, "{text:?}");
        assert_eq!(parse_range_start(text), Err(RangeError::Invalid), "{text:?}");
        assert_eq!(parse_range_end(text), Err(RangeError::Invalid), "{text:?}");
        let excluded = [b"(", text].concat();
        assert_eq!(parse_range_start(&excluded), Err(RangeError::Invalid), "{text:?}");
        assert_eq!(parse_range_end(&excluded), Err(RangeError::Invalid), "{text:?}");
    }
}

#[test]
fn a_text_longer_than_127_bytes_is_refused() {
    let mut text = vec![b'0'; 127];
    assert_eq!(parse_strict(&text, 0), Some(EntryId::MIN));
    text.push(b'0');
    assert_eq!(parse_strict(&text, 0), None);
    text.extend(b"-*");
    assert_eq!(parse_add_id(&text), None);
}

#[test]
fn the_extremes_have_names_only_where_ranges_are_meant() {
    for (text, extreme) in [(b"-", EntryId::MIN), (b"+", EntryId::MAX)] {
        assert_eq!(parse_or_extreme(text, 0), Some(extreme));
        assert_eq!(parse_range_start(text), Ok(extreme));
        assert_eq!(parse_range_end(text), Ok(extreme));
        assert_eq!(parse_strict(text, 0), None);
        assert_eq!(parse_add_id(text), None);
        let excluded = [b'(', text[0]];
        assert_eq!(parse_range_start(&excluded), Err(RangeError::Invalid));
        assert_eq!(parse_range_end(&excluded), Err(RangeError::Invalid));
    }
}

#[test]
fn an_append_may_leave_the_id_or_its_sequence_to_the_server() {
    assert_eq!(parse_add_id(b"*"), Some(AddId::Auto));
    assert_eq!(parse_add_id(b"0-*"), Some(AddId::AutoSeq(0)));
    assert_eq!(parse_add_id(b"18446744073709551615-*"), Some(AddId::AutoSeq(u64::MAX)));
    assert_eq!(parse_add_id(b"007"), Some(AddId::Explicit(id(7, 0))));
    assert_eq!(parse_add_id(b"1-2"), Some(AddId::Explicit(id(1, 2))));
    for text in ["1-2-*", "5-+*", "18446744073709551616-*", "**", "*1"] {
        assert_eq!(parse_add_id(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(parse_strict(b"1-*", 0), None);
}

#[test]
fn a_range_bound_may_be_excluded() {
    assert_eq!(parse_range_start(b"(1-1"), Ok(id(1, 2)));
    assert_eq!(parse_range_start(b"(3"), Ok(id(3, 1)), "the smallest sequence is left out");
    assert_eq!(parse_range_end(b"(3"), Ok(id(3, u64::MAX - 1)), "the largest sequence is left out");
    assert_eq!(parse_range_end(b"(3-0"), Ok(id(2, u64::MAX)));
    assert_eq!(parse_range_start(b"(1-18446744073709551615"), Ok(id(2, 0)));
    let above_all = [b"(", MAX_TEXT].concat();
    assert_eq!(parse_range_start(&above_all), Err(RangeError::InvalidStart));
    assert_eq!(parse_range_end(b"(0-0"), Err(RangeError::InvalidEnd));
    assert_eq!(parse_range_end(b"(0"), Ok(id(0, u64::MAX - 1)));
}

proptest! {
    #[test]
    fn every_id_reads_back_from_its_text(ms: u64, seq: u64) {
        let expected = id(ms, seq);
        let text = expected.to_string();
        prop_assert_eq!(parse_strict(text.as_bytes(), 0), Some(expected));
        prop_assert_eq!(parse_add_id(text.as_bytes()), Some(AddId::Explicit(expected)));
        prop_assert_eq!(parse_range_end(text.as_bytes()), Ok(expected));
        prop_assert_eq!(parse_strict(ms.to_string().as_bytes(), seq), Some(expected));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "[-+(*0-9 ]{0,24}") {
        let text = text.as_bytes();
        let strict = parse_strict(text, 0);
        if strict.is_some() {
            prop_assert_eq!(parse_range_start(text).ok(), strict);
            prop_assert_eq!(parse_add_id(text), strict.map(AddId::Explicit));
        }
        let _ = parse_range_end(text);
    }
}
