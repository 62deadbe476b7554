//! Whether a reply is what a [`Pattern`] says.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Bindings, Pair, Pattern};
use crate::Value;
use crate::value::is_entry_id;

/// How far apart the clocks of test and server may seem, in milliseconds.
const UNIX_MS_SLACK: u64 = 60_000;

impl Pattern {
    /// Compares a reply that came over RESP3 (`resp3`) or RESP2, and remembers what was named.
    ///
    /// # Errors
    /// Says where and how the reply differs.
    pub fn check(&self, value: &Value, resp3: bool, bindings: &mut Bindings) -> Result<(), String> {
        Check { resp3, bindings }.check(self, value)
    }
}

struct Check<'a> {
    resp3: bool,
    bindings: &'a mut Bindings,
}

impl Check<'_> {
    fn check(&mut self, pattern: &Pattern, value: &Value) -> Result<(), String> {
        let fits = match (pattern, value) {
            (Pattern::Any, _) => true,
            (Pattern::Simple(want), Value::Simple(got)) => want == got,
            (Pattern::Error(want), Value::Error(got)) => want == got,
            (Pattern::ErrorStart(want), Value::Error(got)) => got.starts_with(want.as_str()),
            (Pattern::Int(low, high), Value::Int(got)) => (low..=high).contains(&got),
            (Pattern::UnixMs, Value::Int(got)) => is_recent(*got),
            (Pattern::AnyInt(name), Value::Int(got)) => {
                return self.bind(name.as_deref(), got.to_string().as_bytes());
            }
            (Pattern::Bulk(want), Value::Bulk(got)) => want == got,
            (Pattern::Verbatim(want), Value::Bulk(got)) => !self.resp3 && want == got,
            (Pattern::Verbatim(want), Value::Verbatim(got)) => want == got,
            (Pattern::Id(name), Value::Bulk(got)) if is_entry_id(got) => {
                return self.bind(name.as_deref(), got);
            }
            (Pattern::Bytes(name), Value::Bulk(got)) => {
                return self.bind(name.as_deref(), got);
            }
            (Pattern::Has(want), _) => value.bytes().is_some_and(|got| contains(got, want)),
            (Pattern::Like(parts), _) => value.bytes().is_some_and(|got| is_like(got, parts)),
            (Pattern::SimpleLike(parts), Value::Simple(got)) => is_like(got.as_bytes(), parts),
            (Pattern::Scalar(want), _) => want == value,
            (Pattern::Nil, Value::Nil) => !self.resp3,
            (Pattern::NilArray, Value::NilArray) => !self.resp3,
            (Pattern::Nil | Pattern::NilArray, Value::Null) => self.resp3,
            (Pattern::Null, Value::Nil | Value::NilArray | Value::Null) => true,
            (Pattern::Array { items, open }, Value::Array(got)) => {
                return self.items(items, *open, got);
            }
            (Pattern::Set(items), Value::Set(got)) | (Pattern::Push(items), Value::Push(got)) => {
                return self.items(items, false, got);
            }
            (Pattern::Set(items), Value::Array(got)) if !self.resp3 => {
                return self.items(items, false, got);
            }
            (Pattern::Map { pairs, paired, open }, _) => {
                return self.map(pairs, *paired, *open, value);
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(format!("{value} is not {pattern}")) }
    }

    fn items(&mut self, want: &[Pattern], open: bool, got: &[Value]) -> Result<(), String> {
        if got.len() < want.len() || (!open && got.len() > want.len()) {
            return Err(format!("{} elements, not {}", got.len(), want.len()));
        }
        for (i, (pattern, value)) in want.iter().zip(got).enumerate() {
            self.check(pattern, value).map_err(|error| format!("[{i}] {error}"))?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        want: &[Pair],
        paired: bool,
        open: bool,
        value: &Value,
    ) -> Result<(), String> {
        let got = self.entries(value, paired).ok_or_else(|| format!("{value} is no map"))?;
        // Where the next key is looked for, unless the map is open.
        let mut at = 0;
        for Pair { key, value: pattern, optional } in want {
            let found = if open {
                got.iter().find(|(k, _)| self.check(key, k).is_ok())
            } else {
                got.get(at).filter(|(k, _)| self.check(key, k).is_ok())
            };
            match found {
                Some((_, found)) => {
                    self.check(pattern, found).map_err(|error| format!(".{key} {error}"))?;
                    at += 1;
                }
                None if *optional => {}
                None => return Err(format!("no {key} at {at} in {value}")),
            }
        }
        if !open && at < got.len() {
            return Err(format!("more than {at} keys: {value}"));
        }
        Ok(())
    }

    /// Keys and values of a map in the shape that the protocol gives it.
    fn entries<'v>(&self, value: &'v Value, paired: bool) -> Option<Vec<(&'v Value, &'v Value)>> {
        match value {
            Value::Map(pairs) if self.resp3 => Some(pairs.iter().map(|(k, v)| (k, v)).collect()),
            Value::Array(items) if !self.resp3 && paired => items
                .iter()
                .map(|item| match item {
                    Value::Array(pair) => match &pair[..] {
                        [key, value] => Some((key, value)),
                        _ => None,
                    },
                    _ => None,
                })
                .collect(),
            Value::Array(items) if !self.resp3 && items.len() % 2 == 0 => {
                Some(items.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect())
            }
            _ => None,
        }
    }

    fn bind(&mut self, name: Option<&str>, got: &[u8]) -> Result<(), String> {
        let Some(name) = name else { return Ok(()) };
        let bound = self.bindings.entry(name.to_owned()).or_insert_with(|| got.to_owned());
        let shown = |bytes: &[u8]| Value::Bulk(bytes.to_owned());
        match bound == got {
            true => Ok(()),
            false => Err(format!("{} is not {}, named {name}", shown(got), shown(bound))),
        }
    }
}

fn is_recent(unix_ms: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    i128::try_from(now).is_ok_and(|now| now.abs_diff(i128::from(unix_ms)) < UNIX_MS_SLACK.into())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

/// Whether the bytes are these parts in order, with anything between one and the next.
fn is_like(bytes: &[u8], parts: &[Vec<u8>]) -> bool {
    let [first, between @ .., last] = parts else { return parts.iter().all(|one| one == bytes) };
    let Some(rest) = bytes.strip_prefix(&first[..]) else { return false };
    let Some(mut rest) = rest.strip_suffix(&last[..]) else { return false };
    for part in between.iter().filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|window| window == part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}
