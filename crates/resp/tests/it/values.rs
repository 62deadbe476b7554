//! Values: round trips, splits, limits, malformed replies.

use crate::checks::{check_value_input, decode_in_pieces};
use millstream_resp::{DecodeError, DecodeLimits, Decoder, Value};
use proptest::prelude::*;

fn line_text() -> impl Strategy<Value = Vec<u8>> {
    let no_line_end = any::<u8>().prop_filter("ends a line", |byte| !b"\r\n".contains(byte));
    prop::collection::vec(no_line_end, 0..20)
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop::num::f64::ANY.prop_filter("NaN is unlike itself", |d| !d.is_nan());
    let leaf = prop_oneof![
        line_text().prop_map(Value::Simple),
        line_text().prop_map(Value::Error),
        blob().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Int),
        blob().prop_map(Value::Bulk),
        Just(Value::NilBulk),
        Just(Value::NilArray),
        Just(Value::Null),
        number.prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        any::<i128>().prop_map(|n| Value::BigNumber(n.to_string().into_bytes())),
        blob().prop_map(|text| Value::Verbatim { format: *b"mkd", text }),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let items = || prop::collection::vec(inner.clone(), 0..5);
        let pairs = || prop::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            items().prop_map(Value::Array),
            items().prop_map(Value::Set),
            items().prop_map(Value::Push),
            pairs().prop_map(Value::Map),
            (pairs(), inner.clone()).prop_map(|(attributes, value)| Value::Attributed {
                attributes,
                value: Box::new(value)
            }),
        ]
    })
}

fn reply_soup() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        6 => value().prop_map(|value| value.to_bytes()),
        4 => ("[*%~>|$=!]", -1i64..5).prop_map(|(kind, n)| format!("{kind}{n}\r\n").into_bytes()),
        2 => "[-+:,#_(]?[a-z0-9.]{0,4}\r?\n?".prop_map(String::into_bytes),
    ];
    prop::collection::vec(token, 0..8).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn values_survive_encoding_and_any_cut(
        values in prop::collection::vec(value(), 1..4),
        piece_bytes in 1usize..50,
    ) {
        let wire: Vec<u8> = values.iter().flat_map(Value::to_bytes).collect();
        let decoded = decode_in_pieces(&wire, piece_bytes, DecodeLimits::default());
        prop_assert_eq!(decoded, (values, None));
    }

    #[test]
    fn any_bytes_decode_alike_however_cut(data in prop::collection::vec(any::<u8>(), 0..100)) {
        check_value_input(&data);
    }

    #[test]
    fn reply_like_bytes_decode_alike_however_cut(choice: u8, soup in reply_soup()) {
        let mut data = vec![choice];
        data.extend(soup);
        check_value_input(&data);
    }
}

#[test]
fn malformed_replies_are_refused() {
    let cases: [(&[u8], DecodeError); 21] = [
        (b"?", DecodeError::UnknownType(b'?')),
        (b"$x\r\n", DecodeError::InvalidLength),
        (b"$-2\r\n", DecodeError::InvalidLength),
        (b"$?\r\n", DecodeError::InvalidLength),
        (b"=-1\r\n", DecodeError::InvalidLength),
        (b"*-2\r\n", DecodeError::InvalidLength),
        (b"%-1\r\n", DecodeError::InvalidLength),
        (b"+a\n", DecodeError::MissingLineEnd),
        (b"+a\rb", DecodeError::MissingLineEnd),
        (b"$1\r\nabc", DecodeError::MissingLineEnd),
        (b":1a\r\n", DecodeError::InvalidText),
        (b":\r\n", DecodeError::InvalidText),
        (b",x\r\n", DecodeError::InvalidText),
        (b"#x\r\n", DecodeError::InvalidText),
        (b"_x\r\n", DecodeError::InvalidText),
        (b"(1.5\r\n", DecodeError::InvalidText),
        (b"(-\r\n", DecodeError::InvalidText),
        (b"=3\r\ntxt\r\n", DecodeError::InvalidText),
        (b"=4\r\ntxt \r\n", DecodeError::InvalidText),
        (b"$9223372036854775807\r\n", DecodeError::TooLarge),
        (b"%9223372036854775807\r\n", DecodeError::TooLarge),
    ];
    for (input, expected) in cases {
        let decoded = Decoder::new().decode(input);
        assert_eq!(decoded, Err(expected), "{}", input.escape_ascii());
    }
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
    let limits = DecodeLimits::default();
    assert!(Decoder::new().decode(&nested(limits.depth_max)).is_ok_and(|value| value.is_some()));
    let decoded = Decoder::new().decode(&nested(limits.depth_max + 1));
    assert_eq!(decoded, Err(DecodeError::TooDeep));
    assert_eq!(Decoder::new().decode(&b"|1\r\n".repeat(1_000_000)), Err(DecodeError::TooDeep));
}

#[test]
fn size_is_limited_before_it_arrives() {
    let limits = DecodeLimits { depth_max: 8, value_bytes_max: 100 };
    let decode = |input: &[u8]| Decoder::with_limits(limits).decode(input);
    assert_eq!(decode(b"$93\r\n"), Ok(None));
    assert_eq!(decode(b"$94\r\n"), Err(DecodeError::TooLarge));
    assert_eq!(decode(b"*34\r\n"), Err(DecodeError::TooLarge));
    assert_eq!(decode(&[b'+'; 100]), Ok(None));
    assert_eq!(decode(&[b'+'; 101]), Err(DecodeError::TooLarge));
}

#[test]
fn fields_are_found_in_maps_and_flat_arrays() {
    let pairs = vec![(Value::bulk("length"), Value::Int(3)), (Value::bulk("lag"), Value::Null)];
    let flat = pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
    for reply in [Value::Map(pairs), Value::Array(flat)] {
        assert_eq!(reply.field("length").and_then(Value::as_int), Some(3));
        assert!(reply.field("lag").is_some_and(Value::is_nil));
        assert_eq!(reply.field("groups"), None);
    }
}
