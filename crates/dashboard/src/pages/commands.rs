//! What each command cost (INFO commandstats).

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use millstream::redis::cmd;
use millstream_shown::visible;
use serde::Deserialize;

use super::parts::{count, empty};
use super::server::short_micros;
use super::server_parts::{ask, head, title};
use crate::command_cost::CommandCost;
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::servers::places;
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

pub(crate) async fn get(ask: Ask, Query(which): Query<Which>) -> Result<Response, Failure> {
    ask.answer(move |visitor| content(visitor, which.clone())).await
}

async fn content(visitor: Visitor, which: Which) -> Result<Content, Failure> {
    let places = places(&visitor).await?;
    let mut sections = Vec::new();
    for place in &places {
        let section = match ask(place, cmd("INFO").arg("commandstats")).await? {
            Ok(text) => table(CommandCost::all(&text), which.sort),
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

fn table(mut rows: Vec<CommandCost>, by: Sort) -> Markup {
    let each = |row: &CommandCost| row.micros.checked_div(row.calls).unwrap_or(0);
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    match by {
        Sort::Name => {}
        Sort::Time => rows.sort_by_key(|row| std::cmp::Reverse(row.micros)),
        Sort::Calls => rows.sort_by_key(|row| std::cmp::Reverse(row.calls)),
        Sort::Each => rows.sort_by_key(|row| std::cmp::Reverse(each(row))),
        Sort::Failed => rows.sort_by_key(|row| std::cmp::Reverse(row.failed + row.rejected)),
    }
    let all: u64 = rows.iter().map(|row| row.micros).sum();
    let share =
        |row: &CommandCost| format!("{:.1} %", row.micros as f64 * 100.0 / all.max(1) as f64);
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
