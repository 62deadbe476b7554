use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    New,
    Paid { method: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    order_id: String,
    amount: f64,
    count: u32,
    is_gift: bool,
    note: Option<String>,
    items: Vec<Item>,
    state: State,
    tags: BTreeMap<String, i64>,
    #[serde(default)]
    retries: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item(String, u32);

fn order() -> Order {
    Order {
        order_id: "17".to_owned(),
        amount: 99.5,
        count: 3,
        is_gift: true,
        note: None,
        items: vec![Item("tea".to_owned(), 2)],
        state: State::New,
        tags: BTreeMap::from([("a".to_owned(), -1)]),
        retries: 0,
    }
}

#[test]
fn what_is_encoded_comes_back() {
    let paid = State::Paid { method: "card".to_owned() };
    let with_note = Order { note: Some("é \"quoted\"".to_owned()), state: paid, ..order() };
    for order in [order(), with_note] {
        let fields = order.to_fields().expect("it has names");
        assert_eq!(Order::from_fields(&fields), Ok(order));
    }
    let fields = order().to_fields().expect("it has names");
    assert_eq!(fields.text("order_id"), Some("17"), "texts are as they are");
    assert_eq!((fields.text("amount"), fields.text("is_gift")), (Some("99.5"), Some("true")));
    assert_eq!((fields.text("items"), fields.text("note")), (Some(r#"[["tea",2]]"#), None));
    assert_eq!(fields.text("state"), Some("new"));
    let names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
    assert_eq!(names[..3], [&b"order_id"[..], b"amount", b"count"]);
}

#[test]
fn what_other_programs_wrote_is_read() {
    let fields = Fields::new()
        .with("order_id", "17")
        .with("amount", " 99.50 ")
        .with("count", "3")
        .with("is_gift", "0")
        .with("items", r#"[["tea", 2]]"#)
        .with("state", r#"{"paid": {"method": "card"}}"#)
        .with("tags", "{}")
        .with("something", "else")
        .with(vec![0xff], vec![0xfe]);
    let order = Order::from_fields(&fields).expect("it is one");
    assert_eq!((order.amount, order.is_gift, order.note), (99.5, false, None));
    assert_eq!(order.state, State::Paid { method: "card".to_owned() });
    let map = BTreeMap::<String, String>::from_fields(&Fields::new().with("a", "1"));
    assert_eq!(map, Ok(BTreeMap::from([("a".to_owned(), "1".to_owned())])));
}

#[test]
fn an_error_names_the_field() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Small {
        count: u8,
        items: Vec<u8>,
    }
    let said = |count: &str, items: &str| {
        let fields = Fields::new().with("count", count.to_owned()).with("items", items.to_owned());
        Small::from_fields(&fields).expect_err("it is none").to_string()
    };
    assert_eq!(said("300", "[]"), r#"field count: "300" is no whole number that fits"#);
    assert!(said("3", "[1").starts_with("field items: EOF"), "{}", said("3", "[1"));
    assert!(said("3", "[] 1").starts_with("field items: trailing"), "{}", said("3", "[] 1"));
    let missing = Small::from_fields(&Fields::new().with("count", "3"));
    assert_eq!(missing.expect_err("it is none").to_string(), "missing field `items`");
}

#[test]
fn what_has_no_names_is_no_entry() {
    assert!(3.to_fields().is_err());
    assert!(["a"].to_fields().is_err());
    assert!(BTreeMap::<String, String>::new().to_fields().is_err());
    let fields = Fields::new().with("a", "1").with("a", "2");
    assert_eq!(fields.to_fields(), Ok(fields.clone()));
    assert_eq!(Fields::from_fields(&fields), Ok(fields));
}

#[derive(Debug, PartialEq)]
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl serde::de::Visitor<'_> for BytesVisitor {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Raw, E> {
                Ok(Raw(bytes.to_vec()))
            }
        }
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

#[test]
fn what_json_has_not_comes_back_as_well() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Strange {
        raw: Raw,
        id: u128,
        balance: i128,
        ratio: f64,
        limit: f64,
        separator: char,
    }
    for ratio in [0.1 + 0.2, 1.0e300, 5e-324, 3.0, f64::MAX] {
        let (raw, limit) = (Raw(vec![0xff, 0, b'"']), f64::INFINITY);
        let (id, balance) = (u128::MAX, i128::MIN);
        let strange = Strange { raw, id, balance, ratio, limit, separator: ' ' };
        let fields = strange.to_fields().expect("it has names");
        assert_eq!(fields.get("raw"), Some(&[0xff, 0, b'"'][..]));
        assert_eq!(Strange::from_fields(&fields), Ok(strange));
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Measured {
        value: f64,
    }
    let fields = Measured { value: f64::NAN }.to_fields().expect("it has names");
    assert!(Measured::from_fields(&fields).is_ok_and(|it| it.value.is_nan()));
}

#[test]
fn variants_are_entries_with_one_field() {
    let paid = State::Paid { method: "card".to_owned() };
    let fields = paid.to_fields().expect("it has a name");
    assert_eq!(fields.text("paid"), Some(r#"{"method":"card"}"#));
    assert!(State::New.to_fields().is_err());
    let broken = Fields::new().with("state", r#"{"paid": {"method": "card"}} more"#);
    assert!(BTreeMap::<String, State>::from_fields(&broken).is_err());
}
