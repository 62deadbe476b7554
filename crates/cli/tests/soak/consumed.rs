//! Messages out of replies.

use redis::Value;

/// An entry of a work stream.
#[derive(Debug)]
pub(crate) struct Consumed {
    pub(crate) id: String,
    pub(crate) number: u64,
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).expect("it is ASCII"),
        other => panic!("no text: {other:?}"),
    }
}

fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(elements) => elements,
        Value::Nil => &[],
        other => panic!("no array: {other:?}"),
    }
}

/// Entries as XRANGE shows them.
pub(crate) fn entries(list: &Value) -> Vec<Consumed> {
    let consumed = |entry: &Value| {
        let [id, fields] = elements(entry) else { panic!("no entry: {entry:?}") };
        let fields = elements(fields);
        assert_eq!(text(&fields[0]), "n");
        Consumed { id: text(id), number: text(&fields[1]).parse().expect("a number") }
    };
    elements(list).iter().map(consumed).collect()
}

/// The entries of a read of one stream.
pub(crate) fn read(reply: &Value) -> Vec<Consumed> {
    match elements(reply) {
        [] => Vec::new(),
        [stream] => entries(&elements(stream)[1]),
        more => panic!("one stream was asked for: {more:?}"),
    }
}

/// What XAUTOCLAIM gave.
pub(crate) fn claimed(reply: &Value) -> Vec<Consumed> {
    entries(&elements(reply)[1])
}
