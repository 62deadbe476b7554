//! Replies: exact bytes in both protocols, and agreement with the client's side.

use millstream_resp::{Decoder, Protocol, ReplyWriter, Value};
use proptest::prelude::*;

fn written(protocol: Protocol, write: impl Fn(&mut ReplyWriter<'_>)) -> String {
    let mut out = Vec::new();
    write(&mut ReplyWriter::new(&mut out, protocol));
    String::from_utf8(out).expect("these replies are text")
}

#[test]
fn replies_have_these_bytes() {
    type Case = (fn(&mut ReplyWriter<'_>), &'static str, &'static str);
    let cases: [Case; 22] = [
        (|r| r.ok(), "+OK\r\n", "+OK\r\n"),
        (|r| r.simple("PONG"), "+PONG\r\n", "+PONG\r\n"),
        (|r| r.error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
        (|r| r.int(-1), ":-1\r\n", ":-1\r\n"),
        (|r| r.int(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
        (|r| r.count(100), ":100\r\n", ":100\r\n"),
        (|r| r.bulk(""), "$0\r\n\r\n", "$0\r\n\r\n"),
        (|r| r.bulk("a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"),
        (|r| r.bulk_int(12), "$2\r\n12\r\n", "$2\r\n12\r\n"),
        (|r| r.entry_id(0, 0), "$3\r\n0-0\r\n", "$3\r\n0-0\r\n"),
        (|r| r.nil_bulk(), "$-1\r\n", "_\r\n"),
        (|r| r.nil_array(), "*-1\r\n", "_\r\n"),
        (|r| r.array(0), "*0\r\n", "*0\r\n"),
        (|r| r.map(6), "*12\r\n", "%6\r\n"),
        (|r| r.set(3), "*3\r\n", "~3\r\n"),
        (|r| r.push(2), "*2\r\n", ">2\r\n"),
        (|r| r.double(0.1), "$3\r\n0.1\r\n", ",0.1\r\n"),
        (|r| r.double(1e30), "$5\r\n1e+30\r\n", ",1e+30\r\n"),
        (|r| r.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n"),
        (|r| r.boolean(true), ":1\r\n", "#t\r\n"),
        (|r| r.boolean(false), ":0\r\n", "#f\r\n"),
        (|r| r.verbatim("a: 1"), "$4\r\na: 1\r\n", "=8\r\ntxt:a: 1\r\n"),
    ];
    for (write, resp2, resp3) in cases {
        assert_eq!(written(Protocol::Resp2, write), resp2);
        assert_eq!(written(Protocol::Resp3, write), resp3);
    }
}

#[test]
fn headers_are_right_for_every_number_of_digits() {
    for length in (0..=300).chain([999, 1000, 9999, 10_000, 65_536]) {
        let text = "x".repeat(length);
        let expected = format!("${length}\r\n{text}\r\n");
        assert_eq!(written(Protocol::Resp2, |r| r.bulk(&text)), expected);
        assert_eq!(written(Protocol::Resp2, |r| r.array(length)), format!("*{length}\r\n"));
        let int = length as i64;
        assert_eq!(written(Protocol::Resp2, |r| r.int(int)), format!(":{int}\r\n"));
    }
}

proptest! {
    #[test]
    fn entry_ids_are_bulk_strings(ms: u64, seq: u64) {
        let text = format!("{ms}-{seq}");
        let expected = written(Protocol::Resp2, |r| r.bulk(&text));
        prop_assert_eq!(written(Protocol::Resp2, |r| r.entry_id(ms, seq)), expected);
    }

    #[test]
    fn clients_read_what_was_written(
        number: i64,
        double in prop::num::f64::ANY.prop_filter("NaN is unlike itself", |d| !d.is_nan()),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut out = Vec::new();
        let mut reply = ReplyWriter::new(&mut out, Protocol::Resp3);
        reply.map(2);
        reply.int(number);
        reply.double(double);
        reply.bulk(&bytes);
        reply.verbatim(&bytes);
        let expected = Value::Map(vec![
            (Value::Int(number), Value::Double(double)),
            (Value::bulk(&bytes), Value::Verbatim { format: *b"txt", text: bytes.clone() }),
        ]);
        prop_assert_eq!(Decoder::new().decode(&out), Ok(Some((expected, out.len()))));
    }

    #[test]
    fn an_error_is_one_line_whatever_its_text(text in prop::collection::vec(any::<u8>(), 0..50)) {
        let mut out = Vec::new();
        ReplyWriter::new(&mut out, Protocol::Resp2).error(&text);
        let decoded = Decoder::new().decode(&out).expect("it is sound").expect("it is whole");
        prop_assert_eq!(decoded.1, out.len());
        prop_assert_eq!(decoded.0.as_bytes().map(<[u8]>::len), Some(text.len()));
    }
}
