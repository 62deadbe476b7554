use super::{Bindings, Pattern};
use crate::Value;

fn check(pattern: &str, wire: &[u8], resp3: bool) -> Result<(), String> {
    let pattern: Pattern = pattern.parse().expect("well written");
    let (value, _) = Value::decode(wire).expect("well formed").expect("complete");
    pattern.check(&value, resp3, &mut Bindings::new())
}

#[test]
fn one_notation_fits_both_protocols_and_nothing_else() {
    let resp2: &[u8] = b"*1\r\n*2\r\n$1\r\ns\r\n*0\r\n";
    let resp3: &[u8] = b"%1\r\n$1\r\ns\r\n*0\r\n";
    assert_eq!(check("{s => []}", resp2, false), Ok(()));
    assert_eq!(check("{s => []}", resp3, true), Ok(()));
    assert!(check("{s => []}", resp2, true).is_err(), "an array is no map in RESP3");
    assert!(check("{s: []}", resp2, false).is_err(), "a flat map is not one of pairs");
    assert_eq!(check("nil", b"$-1\r\n", false), Ok(()));
    assert_eq!(check("nil", b"_\r\n", true), Ok(()));
    assert!(check("nil", b"*-1\r\n", false).is_err(), "the two nils differ in RESP2");
    assert!(check("nil", b"$-1\r\n", true).is_err(), "RESP3 has one nil");
}

#[test]
fn integers_and_strings_of_digits_differ() {
    assert_eq!(check("1", b":1\r\n", false), Ok(()));
    assert!(check("1", b"$1\r\n1\r\n", false).is_err());
    assert_eq!(check("\"1\"", b"$1\r\n1\r\n", false), Ok(()));
    assert_eq!(check("1-1", b"$3\r\n1-1\r\n", false), Ok(()));
}

#[test]
fn open_maps_look_keys_up_and_closed_ones_keep_order() {
    let wire = b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n";
    assert_eq!(check("{a: 1, b: 2}", wire, false), Ok(()));
    assert!(check("{b: 2, a: 1}", wire, false).is_err());
    assert!(check("{a: 1}", wire, false).is_err());
    assert_eq!(check("{b: 2, ...}", wire, false), Ok(()));
    assert!(check("{c: 2, ...}", wire, false).is_err());
}

#[test]
fn keys_of_maps_may_be_integers() {
    assert_eq!(check("{1: #true}", b"%1\r\n:1\r\n#t\r\n", true), Ok(()));
    assert_eq!(check("{1: a}", b"*2\r\n:1\r\n$1\r\na\r\n", false), Ok(()));
    assert_eq!(check("{\"1\": a}", b"*2\r\n$1\r\n1\r\n$1\r\na\r\n", false), Ok(()));
    assert!(check("{\"1\": a}", b"*2\r\n:1\r\n$1\r\na\r\n", false).is_err());
}

#[test]
fn an_optional_pair_may_be_missing_but_not_wrong() {
    let wire = b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n";
    for fits in ["{a: 1, b?: 2}", "{a: 1, x?: 3, b: 2}", "{b?: 2, x?: 3, ...}"] {
        assert_eq!(check(fits, wire, false), Ok(()), "{fits}");
    }
    for wrong in ["{a: 1, b?: 3}", "{a: 1, x?: 2}", "{b?: 2, a: 1}", "{b?: 3, ...}"] {
        assert!(check(wrong, wire, false).is_err(), "{wrong}");
    }
}

#[test]
fn names_bind_at_the_first_match() {
    let wire = b"*2\r\n$3\r\n1-1\r\n$3\r\n1-2\r\n";
    assert!(check("[<id:a>, <id:a>]", wire, false).is_err());
    assert_eq!(check("[<id:a>, <id:b>]", wire, false), Ok(()));
}

#[test]
fn any_bytes_can_be_named() {
    let wire = b"*2\r\n$3\r\n\xff\r\n\r\n$3\r\n\xff\r\n\r\n";
    assert_eq!(check("[<bytes:a>, <bytes:a>]", wire, false), Ok(()));
    assert_eq!(check("[<bytes:a>, <bytes>]", wire, false), Ok(()));
    assert!(check("<bytes>", b"+OK\r\n", false).is_err(), "a status is no bulk string");
}

#[test]
fn stars_stand_for_any_bytes_in_order() {
    for fits in ["abcd", "*", "ab*d", "a*b*d", "abcd*", "*a*c*", "**d", "*bc*"] {
        assert_eq!(check(&format!("<like \"{fits}\">"), b"+abcd\r\n", false), Ok(()), "{fits}");
    }
    for wrong in ["abc", "bcd", "a*c", "b*", "*c*b*", "abc*cd", ""] {
        assert!(check(&format!("<like \"{wrong}\">"), b"+abcd\r\n", false).is_err(), "{wrong}");
    }
    assert_eq!(check("+<like \"a*\">", b"+abcd\r\n", false), Ok(()));
    assert!(check("+<like \"a*\">", b"$4\r\nabcd\r\n", false).is_err(), "no status");
}

#[test]
fn types_that_only_resp3_has() {
    for (pattern, wire) in [
        (",1.5", &b",1.5\r\n"[..]),
        ("#false", b"#f\r\n"),
        ("(123", b"(123\r\n"),
        ("[#true, ,1.5]", b"*2\r\n#t\r\n,1.5\r\n"),
        (">[a, 1]", b">2\r\n$1\r\na\r\n:1\r\n"),
    ] {
        assert_eq!(check(pattern, wire, true), Ok(()), "{pattern}");
        assert!(check(pattern, b":1\r\n", true).is_err(), "{pattern}");
    }
    assert!("#yes".parse::<Pattern>().is_err());
}

#[test]
fn what_a_reply_shows_parses_back_and_fits() {
    let wires: [&[u8]; 4] = [
        b"*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\n \r\n$0\r\n\r\n*2\r\n$3\r\n1-2\r\n*-1\r\n",
        b"*3\r\n+OK\r\n-ERR \"x\"\r\n$-1\r\n",
        b"*2\r\n$2\r\n\xff\"\r\n$3\r\nnil\r\n",
        b"*2\r\n*4\r\n$1\r\ns\r\n$1\r\n*\r\n$3\r\na:b\r\n$1\r\n-\r\n:-5\r\n",
    ];
    for wire in wires {
        let (value, _) = Value::decode(wire).expect("well formed").expect("complete");
        assert_eq!(check(&value.to_string(), wire, false), Ok(()), "{value}");
    }
}

#[test]
fn malformed_notation_is_refused() {
    for text in ["", "[", "{a}", "<what>", "\"open", "1 2", "+", "{a: 1, ... b: 2}"] {
        assert!(text.parse::<Pattern>().is_err(), "{text}");
    }
}
