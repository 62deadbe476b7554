//! Whether two replies are equal, but for the time that passed between them.

use crate::Value;

/// How far times may lie apart, in milliseconds: a loaded machine, or a restart.
const TOLERANCE_MS: u64 = 9_000;

/// Keys of maps whose values belong to the implementation.
const OWN: [&[u8]; 2] = [b"radix-tree-keys", b"radix-tree-nodes"];
/// Keys of maps whose values are times.
const TIMES: [&[u8]; 4] = [b"idle", b"inactive", b"seen-time", b"active-time"];
/// A key that no peer has.
const NACKED: [&[u8]; 1] = [b"nacked-count"];
/// Keys that only servers with idempotent production have.
const IDMP: [&[u8]; 6] = [
    b"idmp-duration",
    b"idmp-maxsize",
    b"pids-tracked",
    b"iids-tracked",
    b"iids-added",
    b"iids-duplicates",
];

/// What to look at.
#[derive(Clone, Copy)]
pub(super) struct Comparison {
    /// Whether both have idempotent production.
    pub(super) idmp: bool,
    /// Whether both have XNACK, and count what it gives back.
    pub(super) nacked: bool,
    /// Whether it matters when consumers were last seen.
    pub(super) consumer_times: bool,
}

/// The first difference between the replies to a command, said in words.
pub(super) fn difference_of(
    command: &[String],
    comparison: Comparison,
    a: &Value,
    b: &Value,
) -> Option<String> {
    match (command.first().map_or("", String::as_str), a, b) {
        ("TTL" | "EXPIRETIME", Value::Int(a), Value::Int(b)) => {
            unlike_times(a.saturating_mul(1000), b.saturating_mul(1000))
        }
        ("PTTL" | "PEXPIRETIME", Value::Int(a_ms), Value::Int(b_ms)) => unlike_times(*a_ms, *b_ms),
        ("KEYS" | "SCAN", a, b) => difference(comparison, &in_order(a), &in_order(b)),
        _ => difference(comparison, a, b),
    }
}

/// The same with all arrays of strings sorted: keys come in any order.
fn in_order(value: &Value) -> Value {
    let Value::Array(items) = value else { return value.clone() };
    let mut items: Vec<Value> = items.iter().map(in_order).collect();
    if items.iter().all(|item| matches!(item, Value::Bulk(_))) {
        items.sort_by(|a, b| a.bytes().cmp(&b.bytes()));
    }
    Value::Array(items)
}

/// The first difference, said in words.
pub(super) fn difference(comparison: Comparison, a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            comparison.items(&flat(comparison, a), &flat(comparison, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let all = |pairs: &[(Value, Value)]| {
                let items: Vec<Value> =
                    pairs.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect();
                flat(comparison, &items)
            };
            comparison.items(&all(a), &all(b))
        }
        _ if a == b => None,
        _ => Some(format!("{a} is not {b}")),
    }
}

/// The items without the keys (and their values) that are not to be compared. A map of RESP2 is a
/// flat array, so keys are looked for in arrays too.
fn flat(comparison: Comparison, items: &[Value]) -> Vec<Value> {
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(item) = items.get(at) {
        let is = |keys: &[&[u8]]| matches!(item, Value::Bulk(key) if keys.contains(&&key[..]));
        let dropped = is(&OWN)
            || (!comparison.idmp && is(&IDMP))
            || (!comparison.nacked && is(&NACKED))
            || (!comparison.consumer_times && is(&TIMES));
        if dropped {
            at += 2;
        } else {
            kept.push(item.clone());
            at += 1;
        }
    }
    kept
}

impl Comparison {
    fn items(self, a: &[Value], b: &[Value]) -> Option<String> {
        if a.len() != b.len() {
            return Some(format!("{} elements, not {}", a.len(), b.len()));
        }
        (0..a.len()).find_map(|i| {
            if let (Value::Int(a_ms), Value::Int(b_ms)) = (&a[i], &b[i])
                && is_time(a, i)
            {
                return unlike_times(*a_ms, *b_ms);
            }
            difference(self, &a[i], &b[i]).map(|found| format!("[{i}] {found}"))
        })
    }
}

/// Whether the integer at `i` is a time: behind a key that says so, or in its place in a pending
/// record, in the list of a consumer, or in an entry that CLAIM returned.
fn is_time(items: &[Value], i: usize) -> bool {
    let named = |key: &Value| matches!(key, Value::Bulk(key) if TIMES.contains(&&key[..]));
    if i > 0 && named(&items[i - 1]) {
        return true;
    }
    match items {
        [Value::Bulk(_), Value::Bulk(_) | Value::Array(_), Value::Int(_), Value::Int(_)] => i == 2,
        [Value::Bulk(_), Value::Int(_), Value::Int(_)] => i == 1,
        _ => false,
    }
}

fn unlike_times(a_ms: i64, b_ms: i64) -> Option<String> {
    // Negative is no time: -1 for never, -2 for a key that is missing.
    let alike = a_ms == b_ms || (a_ms.min(b_ms) >= 0 && a_ms.abs_diff(b_ms) <= TOLERANCE_MS);
    (!alike).then(|| format!("the times {a_ms} and {b_ms} ms"))
}

#[cfg(test)]
mod tests {
    use super::{Comparison, difference};
    use crate::Value;

    fn compared(a: &str, b: &str) -> Option<String> {
        let value = |wire: &str| {
            let wire = wire.replace(' ', "\r\n");
            Value::decode(wire.as_bytes()).expect("well formed").expect("complete").0
        };
        let comparison = Comparison { idmp: true, nacked: true, consumer_times: true };
        difference(comparison, &value(a), &value(b))
    }

    #[test]
    fn times_may_differ_a_little_and_nothing_else() {
        let pending = |idle: u32, count: u32| format!("*4 $3 1-1 $1 c :{idle} :{count} ");
        assert_eq!(compared(&pending(5, 1), &pending(900, 1)), None);
        assert!(compared(&pending(5, 1), &pending(90_000, 1)).is_some());
        assert!(compared(&pending(5, 1), &pending(5, 2)).is_some());
        assert!(compared("*1 :5 ", "*1 :6 ").is_some());
        assert_eq!(compared("%1 $4 idle :5 ", "%1 $4 idle :6 "), None);
        assert!(compared("%1 $8 inactive :-1 ", "%1 $8 inactive :6 ").is_some());
        assert!(compared("$-1 ", "*-1 ").is_some());
        assert_eq!(compared("*2 $15 radix-tree-keys :1 ", "*2 $15 radix-tree-keys :9 "), None);
    }
}
