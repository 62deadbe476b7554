//! What is printed, with names in place of what no two runs have in common.

use serde_json::Value as Json;

/// `TIME` for times, `SIZE` for sizes, `RATE` for rates; two blanks for whatever is between
/// columns, as their widths follow from those.
pub(crate) fn shown(text: &str) -> String {
    text.lines().map(|line| shown_line(line) + "\n").collect()
}

fn shown_line(line: &str) -> String {
    let cells: Vec<String> =
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(shown_cell).collect();
    cells.join("  ")
}

/// A cell, or a text with a time at its end as in `1-1, 3m 20s ago`.
fn shown_cell(cell: &str) -> String {
    if is_time(cell) {
        return "TIME".to_owned();
    }
    if let Some((number, unit)) = cell.split_once(' ')
        && number.parse::<f64>().is_ok()
        && matches!(unit, "B" | "KiB" | "MiB")
    {
        return "SIZE".to_owned();
    }
    if cell.ends_with(" entries/s") {
        return "RATE".to_owned();
    }
    match cell.strip_suffix(" ago").and_then(|rest| rest.rsplit_once(", ")) {
        Some((before, time)) if is_time(time) => format!("{before}, TIME ago"),
        _ => cell.to_owned(),
    }
}

/// `350ms`, `3m 20s`.
fn is_time(text: &str) -> bool {
    text.split(' ').all(|word| {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        unit.len() < word.len() && matches!(unit, "ms" | "s" | "m" | "h" | "d")
    })
}

/// The same of JSON: numbers whose names end in `_ms`, and `memory_bytes`, become `"N"`.
pub(crate) fn shown_json(mut document: Json) -> Json {
    hide(&mut document);
    document
}

fn hide(value: &mut Json) {
    match value {
        Json::Object(members) => {
            for (name, member) in members {
                let varies = name.ends_with("_ms") || name == "memory_bytes";
                match member {
                    Json::Number(_) if varies => *member = "N".into(),
                    member => hide(member),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

#[test]
fn only_times_and_sizes_are_hidden() {
    assert_eq!(shown("a   3m 20s  1.50 KiB\nb  7"), "a  TIME  SIZE\nb  7\n");
    assert_eq!(shown("1-1, 17d 3h ago"), "1-1, TIME ago\n");
    assert_eq!(shown("orders would be moved"), "orders would be moved\n");
}
