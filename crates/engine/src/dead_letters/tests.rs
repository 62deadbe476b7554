//! Letters as bytes, and back.

use millstream_model::{BlockLimits, Entries, EntryId};
use proptest::prelude::*;

use super::letter::{Circumstances, Letter, Reason, json_len, write};

const ABOUT: Circumstances<'_> = Circumstances {
    wall_ms: 1_732_600_000_045,
    consumer: b"worker-1",
    stream: b"orders",
    group: b"g",
    delivery_count: 4,
    reason: Reason::MaxDeliveries,
    error: b"no \xff funds",
};

/// The letter of an entry with these fields, as it is read again from a stream.
fn sent(fields: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Letter>) {
    let id = EntryId::new(7, 3);
    let mut entries = Entries::default();
    entries.append(id, fields, BlockLimits::default());
    let entry = entries.get(id).expect("in memory").expect("it is there");
    let letter = write(entry.as_ref(), &ABOUT);
    assert!(json_len(entry.as_ref()) >= letter[3].len(), "room is asked for all of it");
    let again: Vec<&[u8]> = letter.iter().map(Vec::as_slice).collect();
    let mut letters = Entries::default();
    letters.append(id, &again, BlockLimits::default());
    let entry = letters.get(id).expect("in memory").expect("it is there");
    let read = Letter::read(entry.as_ref());
    (letter, read)
}

fn data(fields: &[&[u8]]) -> String {
    String::from_utf8(sent(fields).0[3].clone()).expect("JSON is text")
}

#[test]
fn a_letter_says_what_and_why_in_this_order() {
    let (letter, read) = sent(&[b"order", b"17", b"note", b"say \"hi\"\n"]);
    let expected: [&[u8]; 18] = [
        b"original_id",
        b"7-3",
        b"original_data",
        br#"{"order":"17","note":"say \"hi\"\n"}"#,
        b"failed_at",
        b"1732600000.045",
        b"consumer",
        b"worker-1",
        b"stream",
        b"orders",
        b"group",
        b"g",
        b"delivery_count",
        b"4",
        b"reason",
        b"max-deliveries",
        b"error",
        b"no \xff funds",
    ];
    assert_eq!(letter, expected);
    let read = read.expect("a letter");
    assert_eq!((read.original_id, &read.reason[..]), (EntryId::new(7, 3), &b"max-deliveries"[..]));
}

#[test]
fn names_that_come_twice_and_bytes_that_are_no_text_make_pairs() {
    assert_eq!(data(&[b"a", b"1", b"a", b"2"]), r#"[["a","1"],["a","2"]]"#);
    assert_eq!(data(&[b"a", b"\xff"]), r#"[["a",{"b64":"/w=="}]]"#);
    assert_eq!(data(&[b"b64", b"x"]), r#"{"b64":"x"}"#);
}

#[test]
fn what_is_no_letter_is_not_taken_for_one() {
    let read = |fields: &[&[u8]]| {
        let mut entries = Entries::default();
        entries.append(EntryId::new(1, 0), fields, BlockLimits::default());
        let entry = entries.get(EntryId::new(1, 0)).expect("in memory").expect("it is there");
        Letter::read(entry.as_ref())
    };
    assert!(read(&[b"a", b"1"]).is_none());
    assert!(read(&[b"original_id", b"x", b"original_data", b"{}", b"stream", b"s"]).is_none());
    let by_hand = |json| read(&[b"original_id", b"1-0", b"original_data", json, b"stream", b"s"]);
    for wrong in [&b"{}"[..], b"[]", b"7", b"[[\"a\"]]", b"[[\"a\",{\"b64\":\"?\"}]]", b"{\"a\":1"]
    {
        assert_eq!(by_hand(wrong).expect("a letter").fields(), None, "{wrong:?}");
    }
    let fields = by_hand(b"{\"n\":1.5,\"s\":\"x\"}").expect("a letter").fields();
    assert_eq!(fields, Some([b"n".as_slice(), b"1.5", b"s", b"x"].map(<[u8]>::to_vec).to_vec()));
}

proptest! {
    #[test]
    fn the_fields_come_back_as_they_were(
        fields in prop::collection::vec((
            prop::collection::vec(any::<u8>(), 0..5),
            prop_oneof![
                "\\PC{0,9}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..9),
            ],
        ), 1..6),
    ) {
        let fields: Vec<&[u8]> =
            fields.iter().flat_map(|(name, value)| [&name[..], &value[..]]).collect();
        let (_, letter) = sent(&fields);
        prop_assert_eq!(letter.expect("a letter").fields().expect("its data"), fields);
    }
}
