//! Commands that took long (SLOWLOG GET).

use std::time::{Duration, SystemTime};

use axum::Form;
use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use millstream::redis::{Value, cmd};
use millstream_shown::{short, visible};
use serde::Deserialize;

use super::done::back;
use super::layout::token;
use super::pager::Pager;
use super::parts::{count, empty};
use super::server::short_micros;
use super::server_parts::{ask, head, title};
use crate::actions;
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::secrets::secret_arguments;
use crate::servers::{Place, bytes, number, parts, places};
use crate::visitor::Visitor;

const PATH: &str = "/server/slow-log";
/// Commands of each server on a page.
const PER_PAGE: usize = 100;
/// Bytes of an argument; servers keep about as many.
const ARGUMENT_MAX: usize = 200;
const REDACTED: &str = "(not shown)";

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    page: usize,
}

pub(crate) async fn get(ask: Ask, Query(which): Query<Which>) -> Result<Response, Failure> {
    ask.answer(move |visitor| content(visitor, which)).await
}

/// How many commands a server keeps, and those on the page, the newest first.
async fn read(place: &Place, page: usize) -> Result<Result<(Pager, Vec<Value>), Markup>, Failure> {
    let kept = match ask(place, cmd("SLOWLOG").arg("LEN")).await? {
        Ok(kept) => usize::try_from(number(&kept)).unwrap_or(usize::MAX),
        Err(why) => return Ok(Err(why)),
    };
    let pager = Pager::new(page, PER_PAGE, kept);
    // Of several servers one may have less than others.
    if page > 0 && page.saturating_mul(PER_PAGE) >= kept {
        return Ok(Ok((pager, Vec::new())));
    }
    // Servers show the newest so many only, whatever was seen before.
    let wanted = page.saturating_add(1).saturating_mul(PER_PAGE).min(kept.max(1));
    let answer = ask(place, cmd("SLOWLOG").arg("GET").arg(wanted)).await?;
    Ok(answer.map(|entries| (pager, pager.of(parts(&entries).to_vec()).collect())))
}

async fn content(visitor: Visitor, which: Which) -> Result<Content, Failure> {
    let places = places(&visitor).await?;
    let (mut sections, mut longest, mut kept) = (Vec::new(), 0, 0);
    for place in &places {
        let section = match read(place, which.page).await? {
            Ok((pager, entries)) => {
                longest = longest.max(pager.total());
                kept += pager.total();
                table(&entries)
            }
            Err(why) => why,
        };
        sections.push(html! { (title(places.len(), &place.name)) (section) });
    }
    // Servers are paged through together.
    let pager = Pager::new(which.page, PER_PAGE, longest);
    let live = html! {
        (head(PATH))
        h2 { "Commands that took long " span .count { (count(kept as u64)) ", newest first" } }
        @for section in sections { (section) }
        (pager.links("Pages", |page| format!("{PATH}?page={page}")))
    };
    let fixed = html! {
        @if visitor.can_write {
            form .actions.panel method="post" action={(PATH) "/reset"} {
                (token(&visitor))
                button .danger data-ask="The slow log is forgotten. Go on?" { "Forget them" }
            }
        }
        p .quiet {
            "Long is what takes more than the setting slowlog-log-slower-than says, in "
            "microseconds; "
            "slowlog-max-len says how many are kept. What are passwords is not shown."
        }
    };
    Ok(Content { title: "Slow log".to_owned(), live, fixed })
}

fn table(entries: &[Value]) -> Markup {
    let ago = |at: u64| {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at));
        short(at.and_then(|at| at.elapsed().ok()).unwrap_or_default())
    };
    html! {
        @if entries.is_empty() { (empty("Nothing took long.")) }
        @else {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Slow commands" {
                table {
                    thead { tr {
                        th .number { "When" } th .number { "Took" } th { "Command" } th { "Client" }
                    } }
                    tbody { @for entry in entries {
                        @if let [_, at, took, arguments, rest @ ..] = parts(entry) { tr {
                            td .number { (ago(number(at))) " ago" }
                            td .number { (short_micros(number(took))) }
                            td .name { (command(parts(arguments))) }
                            td .name { @for part in rest.iter().take(2) { (client(part)) " " } }
                        } }
                    } }
                }
            }
        }
    }
}

fn client(part: &Value) -> String {
    let part = bytes(part);
    if part.is_empty() { String::new() } else { visible(&part) }
}

/// Without passwords, and with long arguments cut.
pub(crate) fn command(arguments: &[Value]) -> String {
    let arguments: Vec<Vec<u8>> = arguments.iter().map(|it| bytes(it).into_owned()).collect();
    let shown = arguments.iter().zip(secret_arguments(&arguments)).map(|(argument, is_secret)| {
        if is_secret {
            return REDACTED.to_owned();
        }
        let (start, rest) = argument.split_at(argument.len().min(ARGUMENT_MAX));
        visible(start) + if rest.is_empty() { "" } else { "..." }
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResetForm {
    token: String,
}

pub(crate) async fn post_reset(visitor: Visitor, Form(form): Form<ResetForm>) -> Response {
    let done = async {
        let change = visitor.change(Some(&form.token))?;
        actions::server::reset_slow_log(&change).await?;
        Ok("The slow log was forgotten.".to_owned())
    };
    back(&visitor, PATH, done.await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown_whoever_kept_them() {
        for (line, shown) in [
            ("AUTH hunter2", "AUTH (not shown)"),
            ("auth ada hunter2", "auth (not shown) (not shown)"),
            (
                "HELLO 3 AUTH ada hunter2 SETNAME x",
                "HELLO 3 AUTH (not shown) (not shown) SETNAME x",
            ),
            ("CONFIG SET requirepass hunter2", "CONFIG SET requirepass (not shown)"),
            (
                "config set maxmemory 1 masterauth hunter2",
                "config set maxmemory 1 masterauth (not shown)",
            ),
            ("ACL SETUSER ada on >hunter2", "ACL SETUSER ada (not shown) (not shown)"),
            ("XADD s * auth 1", "XADD s * auth 1"),
        ] {
            let arguments: Vec<Value> =
                line.split(' ').map(|it| Value::BulkString(it.as_bytes().to_vec())).collect();
            assert_eq!(command(&arguments), shown);
        }
    }
}
