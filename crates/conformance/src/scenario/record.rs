//! Fills in what a server answers where a scenario says `?`.
//!
//! A draft to be judged, not a truth: what the server got wrong is recorded just as well. Replies
//! of both protocols are merged into one notation; numbers and IDs that differ between the two runs
//! become wildcards.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Scenario;
use super::run::{Servers, replay};
use crate::{Server, Value};

/// Rewrites the file; the number of replies filled in.
///
/// # Errors
/// When a reply that is already written does not come, after the other sections are recorded; or
/// when the file cannot be rewritten.
pub fn record(server: &Server, path: &Path) -> Result<usize> {
    let scenario = Scenario::read(path)?;
    let text = fs::read_to_string(path).context("read the scenario")?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut filled = 0;
    let mut failed = None;
    let mut servers = Servers::new(server);
    for section in &scenario.sections {
        if !section.rules.hold_for(server.program()) {
            continue;
        }
        let place = || format!("line {}: {}", section.line, section.title);
        let server = servers.of(section)?;
        let recorded: Result<Vec<Vec<(usize, Value)>>> =
            section.protocols().into_iter().map(|proto| replay(server, section, proto)).collect();
        let recorded = match recorded.with_context(place) {
            Ok(recorded) => recorded,
            // The other sections are recorded all the same.
            Err(error) => {
                failed.get_or_insert(error);
                continue;
            }
        };
        let (first, last) = (&recorded[0], recorded.last().expect("one protocol at least"));
        for ((line, resp2), (_, resp3)) in first.iter().zip(last) {
            if *line > 0 && lines[line - 1] == "?" {
                lines[line - 1] = wrapped(&merged(resp2, resp3));
                filled += 1;
            }
        }
    }
    fs::write(path, lines.join("\n") + "\n").context("rewrite the scenario")?;
    failed.map_or(Ok(filled), Err)
}

/// One notation for a reply in both protocols.
fn merged(resp2: &Value, resp3: &Value) -> String {
    match (resp2, resp3) {
        // A blank at the end of a line would be lost, so that stays in quotes.
        (Value::Error(text), Value::Error(_)) if !text.ends_with(' ') => format!("-{text}"),
        _ => part(resp2, resp3),
    }
}

fn part(resp2: &Value, resp3: &Value) -> String {
    match (resp2, resp3) {
        (Value::Array(flat), Value::Map(pairs)) if flat.len() == 2 * pairs.len() => {
            let parts = pairs.iter().zip(flat.chunks(2)).map(|((key, value), two)| {
                let name = key.bytes().unwrap_or_default();
                let known = VOLATILE.iter().find(|(volatile, _)| volatile.as_bytes() == name);
                match known {
                    Some((_, wildcard)) if !matches!(value, Value::Int(-1)) => {
                        format!("{key}: {wildcard}")
                    }
                    _ => format!("{key}: {}", part(&two[1], value)),
                }
            });
            format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
        }
        (Value::Array(list), Value::Map(pairs)) if list.len() == pairs.len() => {
            let parts = pairs.iter().zip(list).map(|((key, value), two)| match two {
                Value::Array(two) if two.len() == 2 => format!("{key} => {}", part(&two[1], value)),
                _ => "<any>".to_owned(),
            });
            format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() && a != b => {
            let parts = a.iter().zip(b).map(|(a, b)| part(a, b));
            format!("[{}]", parts.collect::<Vec<_>>().join(", "))
        }
        (Value::Array(a), Value::Set(b)) if a == b => format!("~{resp2}"),
        (Value::Nil | Value::NilArray, _) => resp2.to_string(),
        (Value::Int(a), Value::Int(b)) if a != b => "<int>".to_owned(),
        (Value::Bulk(_), Value::Verbatim(_)) => resp3.to_string(),
        (Value::Bulk(a), Value::Bulk(b)) if a != b => "<text>".to_owned(),
        _ => resp3.to_string(),
    }
}

/// Keys whose values are times, and what is written for them.
const VOLATILE: [(&str, &str); 6] = [
    ("idle", "<ms>"),
    ("inactive", "<ms>"),
    ("seen-time", "<unix-ms>"),
    ("active-time", "<unix-ms>"),
    ("radix-tree-keys", "<int>"),
    ("radix-tree-nodes", "<int>"),
];

/// Broken after commas into indented lines of at most 100 columns.
fn wrapped(reply: &str) -> String {
    if reply.len() <= 100 || reply.starts_with('-') {
        return reply.to_owned();
    }
    let mut lines = vec![String::new()];
    for part in reply.split_inclusive(", ") {
        let line = lines.last_mut().expect("never empty");
        if !line.is_empty() && line.len() + part.trim_end().len() > 100 {
            lines.push(format!("  {part}"));
        } else {
            line.push_str(part);
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{merged, wrapped};
    use crate::Value;

    fn value(wire: &str) -> Value {
        Value::decode(wire.replace(' ', "\r\n").as_bytes()).expect("well formed").expect("all").0
    }

    #[test]
    fn both_protocols_become_one_notation() {
        let flat = value("*4 $4 idle :17 $1 n $-1 ");
        let map = value("%2 $4 idle :23 $1 n _ ");
        assert_eq!(merged(&flat, &map), "{idle: <ms>, n: nil}");
        let pairs = value("*1 *2 $1 s *-1 ");
        let map = value("%1 $1 s _ ");
        assert_eq!(merged(&pairs, &map), "{s => nil-array}");
        assert_eq!(merged(&value(":1 "), &value(":2 ")), "<int>");
    }

    #[test]
    fn long_replies_are_broken_after_commas() {
        let reply = format!("[{}]", vec!["1234567"; 20].join(", "));
        let wrapped = wrapped(&reply);
        assert!(wrapped.lines().count() == 2 && wrapped.lines().all(|line| line.len() <= 102));
        assert_eq!(wrapped.replace("\n  ", " "), reply);
        let text = "1".repeat(200);
        assert_eq!(super::wrapped(&text), text, "nothing to break at");
    }
}
