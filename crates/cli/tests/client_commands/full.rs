//! All that XINFO STREAM FULL says of a stream, in a form in which two servers can be compared.

use std::collections::BTreeMap;

use redis::Value;

use crate::place::Place;

/// What no copy can have in common with its source: when consumers were last heard of, and how
/// entries lie in memory.
const LEFT_OUT: [&str; 4] = ["seen-time", "active-time", "radix-tree-keys", "radix-tree-nodes"];

/// A table of facts, a list, or a single value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Full {
    Facts(BTreeMap<String, Full>),
    List(Vec<Full>),
    One(Value),
}

/// Of a stream with all its entries and pending lists.
pub(crate) fn full(place: &Place, key: &[u8]) -> Full {
    let client = redis::Client::open(place.url()).expect("an address");
    let mut connection = client.get_connection().expect("it accepts");
    let mut command = redis::cmd("XINFO");
    command.arg("STREAM").arg(key).arg("FULL").arg("COUNT").arg(0);
    Full::of_facts(command.query(&mut connection).expect("it answers"))
}

impl Full {
    fn of_facts(value: Value) -> Self {
        let Value::Array(items) = value else { panic!("no table: {value:?}") };
        let mut facts = BTreeMap::new();
        let mut items = items.into_iter();
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            let name: String = redis::from_redis_value(name).expect("names are texts");
            let value = match &*name {
                "groups" | "consumers" => Self::of_tables(value),
                "policy" | "retention" => Self::of_facts(value),
                "entries" | "pending" => Self::of_list(value),
                _ => Self::One(value),
            };
            if !LEFT_OUT.contains(&&*name) {
                facts.insert(name, value);
            }
        }
        Self::Facts(facts)
    }

    fn of_tables(value: Value) -> Self {
        let Value::Array(items) = value else { panic!("no list: {value:?}") };
        Self::List(items.into_iter().map(Self::of_facts).collect())
    }

    fn of_list(value: Value) -> Self {
        let Value::Array(items) = value else { panic!("no list: {value:?}") };
        Self::List(items.into_iter().map(Self::One).collect())
    }

    /// Of what the other one says, too.
    pub(crate) fn as_far_as(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Facts(own), Self::Facts(others)) => {
                let common = own.iter().filter_map(|(name, value)| {
                    Some((name.clone(), value.as_far_as(others.get(name)?)))
                });
                Self::Facts(common.collect())
            }
            (Self::List(own), Self::List(others)) if own.len() == others.len() => {
                Self::List(own.iter().zip(others).map(|(a, b)| a.as_far_as(b)).collect())
            }
            (own, _) => own.clone(),
        }
    }

    /// The number of one fact.
    pub(crate) fn number(&self, name: &str) -> i64 {
        match self {
            Self::Facts(facts) => match facts.get(name) {
                Some(Self::One(Value::Int(number))) => *number,
                other => panic!("{name} is no number: {other:?}"),
            },
            other => panic!("no table: {other:?}"),
        }
    }

    pub(crate) fn list(&self, name: &str) -> &[Self] {
        match self {
            Self::Facts(facts) => match facts.get(name) {
                Some(Self::List(items)) => items,
                other => panic!("{name} is no list: {other:?}"),
            },
            other => panic!("no table: {other:?}"),
        }
    }
}

/// Says where they differ: all of a large stream is too much to read.
#[track_caller]
pub(crate) fn assert_equal(a: &Full, b: &Full) {
    if let Some(difference) = difference("", a, b) {
        panic!("{difference}");
    }
}

fn difference(path: &str, a: &Full, b: &Full) -> Option<String> {
    match (a, b) {
        (Full::Facts(a), Full::Facts(b)) if a.keys().eq(b.keys()) => a
            .iter()
            .find_map(|(name, value)| difference(&format!("{path}/{name}"), value, &b[name])),
        (Full::List(a), Full::List(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (a, b))| difference(&format!("{path}/{index}"), a, b))
        }
        (a, b) if a == b => None,
        (Full::List(a), Full::List(b)) => {
            Some(format!("{path}: {} and {} of them", a.len(), b.len()))
        }
        (a, b) => Some(format!("{path}: {a:?} and {b:?}")),
    }
}
