//! What becomes of an entry that was delivered too often: one entry in the dead-letter stream.
//!
//! The fields are `original_id`, `original_data` (a JSON object of strings, names in byte order),
//! `failed_at` (Unix seconds with three decimals) and `consumer`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Name of the dead-letter stream that belongs to `stream`.
pub(super) fn dead_letter_stream(stream: &str) -> String {
    format!("{stream}:dlq")
}

/// The fields of the dead letter for entry `id`, given up by `consumer` now.
pub(super) fn dead_letter_fields(
    id: &str,
    data: &BTreeMap<String, String>,
    consumer: &str,
) -> [(&'static str, String); 4] {
    [
        ("original_id", id.to_owned()),
        ("original_data", json_object(data)),
        ("failed_at", format!("{:.3}", unix_seconds())),
        ("consumer", consumer.to_owned()),
    ]
}

/// `data` as a JSON object of strings.
pub(super) fn json_object(data: &BTreeMap<String, String>) -> String {
    let members: Vec<String> = data
        .iter()
        .map(|(name, value)| format!("{}: {}", json_string(name), json_string(value)))
        .collect();
    format!("{{{}}}", members.join(", "))
}

fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => {
                write!(json, "\\u{:04x}", u32::from(control)).expect("a String takes any text");
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

/// Seconds since 1970; 0 on a machine whose clock stands before that.
fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
