//! What each command cost (INFO commandstats).

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use millstream::ServerInfo;
use millstream::redis::{Value, cmd};
use millstream_shown::visible;
use serde::Deserialize;

use super::parts::{count, empty};
use super::server::short_micros;
use super::server_parts::{ask, head, title};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::servers::{bytes, places};
use crate::visitor::Visitor;

const PATH: &str = "/server/commands";
/// Commands of each server that are shown: there are some hundreds of them.
const SHOWN: usize = 500;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    sort: Sort,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Time,
    Calls,
    Each,
    Failed,
    Name,
}

const SORTS: [(Sort, &str, &str); 5] = [
    (Sort::Time, "time", "time in all"),
    (Sort::Calls, "calls", "calls"),
    (Sort::Each, "each", "time of each call"),
    (Sort::Failed, "failed", "calls that failed"),
    (Sort::Name, "name", "name"),
];

#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    calls: u64,
    micros: u64,
    failed: u64,
    rejected: u64,
}

pub(crate) async fn get(ask: Ask, Query(which): Query<Which>) -> Result<Response, Failure> {
    ask.answer(move |visitor| content(visitor, which.clone())).await
}

async fn content(visitor: Visitor, which: Which) -> Result<Content, Failure> {
    let places = places(&visitor).await?;
    let mut sections = Vec::new();
    for place in &places {
        let section = match ask(place, cmd("INFO").arg("commandstats")).await? {
            Ok(text) => table(rows(&text), which.sort),
            Err(why) => why,
        };
        sections.push(html! { (title(places.len(), &place.name)) (section) });
    }
    let live = html! {
        (head(PATH))
        h2 { "Commands since the server started" }
        @for section in sections { (section) }
    };
    let fixed = html! {
        form .row.panel method="get" action=(PATH) {
            label { "In order of"
                select name="sort" { @for (sort, word, text) in SORTS {
                    option value=(word) selected[sort == which.sort] { (text) }
                } }
            }
            button { "Show" }
        }
        p .quiet {
            "Time is what commands took to run; what they waited for the disk or for an entry "
            "does not "
            "count. Rejected are those that were not run at all: for want of rights, or of "
            "arguments."
        }
    };
    Ok(Content { title: "Commands".to_owned(), live, fixed })
}

/// `cmdstat_xadd:calls=2,usec=30,usec_per_call=15.00,rejected_calls=0,failed_calls=1`.
fn rows(answer: &Value) -> Vec<Row> {
    let text = String::from_utf8_lossy(&bytes(answer)).into_owned();
    let lines = text.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'));
    let row = |(name, facts): (&str, &str)| {
        let facts = ServerInfo::from_text(&facts.replace(',', "\n").replace('=', ":"));
        let number = |name: &str| facts.count(name).unwrap_or(0);
        Row {
            name: name.to_owned(),
            calls: number("calls"),
            micros: number("usec"),
            failed: number("failed_calls"),
            rejected: number("rejected_calls"),
        }
    };
    lines.map(row).collect()
}

fn table(mut rows: Vec<Row>, by: Sort) -> Markup {
    let each = |row: &Row| row.micros.checked_div(row.calls).unwrap_or(0);
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    match by {
        Sort::Name => {}
        Sort::Time => rows.sort_by_key(|row| std::cmp::Reverse(row.micros)),
        Sort::Calls => rows.sort_by_key(|row| std::cmp::Reverse(row.calls)),
        Sort::Each => rows.sort_by_key(|row| std::cmp::Reverse(each(row))),
        Sort::Failed => rows.sort_by_key(|row| std::cmp::Reverse(row.failed + row.rejected)),
    }
    let all: u64 = rows.iter().map(|row| row.micros).sum();
    let share = |row: &Row| format!("{:.1} %", row.micros as f64 * 100.0 / all.max(1) as f64);
    html! {
        @if rows.is_empty() { (empty("No command was run yet.")) }
        @else {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Commands" {
                table {
                    thead { tr {
                        th { "Command" } th .number { "Calls" } th .number { "Time in all" }
                        th .number { "Share" } th .number { "Each" } th .number { "Failed" }
                        th .number { "Rejected" }
                    } }
                    tbody { @for row in rows.iter().take(SHOWN) { tr {
                        td .name { (visible(row.name.as_bytes())) }
                        td .number { (count(row.calls)) }
                        td .number { (short_micros(row.micros)) }
                        td .number { (share(row)) }
                        td .number { (short_micros(each(row))) }
                        td .number { (count(row.failed)) }
                        td .number { (count(row.rejected)) }
                    } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_commands_are_read() {
        let text = "# Commandstats\r\ncmdstat_xadd:calls=2,usec=30,usec_per_call=15.00,\
                    rejected_calls=3,failed_calls=1\r\ncmdstat_config|get:calls=1,usec=5\r\n";
        let found = rows(&Value::BulkString(text.as_bytes().to_vec()));
        let row = |name: &str, calls, micros, failed, rejected| {
            let name = name.to_owned();
            Row { name, calls, micros, failed, rejected }
        };
        assert_eq!(found, [row("xadd", 2, 30, 1, 3), row("config|get", 1, 5, 0, 0)]);
    }
}
