//! How everything is, at a glance.

use std::time::Duration;

use axum::response::Response;
use maud::{Markup, html};
use millstream::{Error, ServerInfo, ServerMonitor};
use millstream_shown::{byte_size, short};

use super::parts::{
    Mood, age_or_dash, card, count, count_or_dash, empty, group_link, rate, rate_or_dash,
    stream_link,
};
use super::plot::plot;
use super::server::short_micros;
use crate::failure::Failure;
use crate::history::{GroupNow, Point, StreamNow};
use crate::live::{Ask, Content};
use crate::urgent_groups::{OLD, urgent_groups};
use crate::visible_streams::NOT_ALL;
use crate::visitor::Visitor;

/// Groups that are shown: those that are worth a look most.
const GROUPS_SHOWN: usize = 12;

pub(crate) async fn get(ask: Ask) -> Result<Response, Failure> {
    ask.answer(content).await
}

async fn content(visitor: Visitor) -> Result<Content, Failure> {
    let monitors = ServerMonitor::all(&visitor.millstream).await?;
    let mut infos = Vec::new();
    for monitor in &monitors {
        match monitor.info().await {
            Ok(info) => infos.push(info),
            Err(error @ Error::Connection(_)) => return Err(error.into()),
            // Who may not ask sees the rest.
            Err(_) => {}
        }
    }
    let history = &visitor.app.history;
    let totals = history.totals();
    let all = history.all();
    let sees_all = visitor.sees_all().await?;
    let groups = urgent_groups(visitor.streams().await?, GROUPS_SHOWN);
    let seconds = |value: f64| short(Duration::from_secs_f64(value.max(0.0)));
    let whole = |value: f64| count(value.round() as u64);
    let live = html! {
        h1 { "Overview" }
        (alarms(&infos))
        @if !sees_all {
            p .hint { (NOT_ALL) }
            div .cards { (server_cards(&infos)) }
        } @else {
        div .cards {
            (card("In, a second", rate(totals.rate_in), Mood::Plain))
            (card("Out, a second", rate(totals.rate_out), Mood::Plain))
            (card("Not delivered yet", count(totals.lag), Mood::Plain))
            (card("Pending", count(totals.pending), Mood::Plain))
            (card("Oldest pending", age_or_dash(totals.oldest), Mood::warn_if(totals.oldest > Some(OLD))))
            (card("Dead letters", count(totals.dead_letters), Mood::warn_if(totals.dead_letters > 0)))
            (card("Streams", count(totals.streams as u64), Mood::Plain))
            (card("Groups", count(totals.groups as u64), Mood::Plain))
            (server_cards(&infos))
        }
        @if totals.is_part {
            p .quiet { "Not all streams were looked at yet: these are sums of those that were." }
        }
        div .plots {
            (plot("In, a second", &all.values(|point: &Point| point.rate_in), rate))
            (plot("Out, a second", &all.values(|point| point.rate_out), rate))
            (plot("Not delivered yet", &all.values(|point| point.lag), whole))
            (plot("Pending", &all.values(|point| point.pending), whole))
            (plot("Oldest pending", &all.values(|point| point.oldest), seconds))
        }
        }
        h2 { "Groups worth a look" }
        @if groups.is_empty() {
            (empty("There are no groups yet."))
        } @else {
            (group_table(&groups))
        }
    };
    Ok(Content { title: "Overview".to_owned(), live, fixed: html! {} })
}

/// What somebody has to do something about.
fn alarms(infos: &[ServerInfo]) -> Markup {
    let is = |name: &str, value: &str| infos.iter().any(|info| info.get(name) == Some(value));
    html! {
        @if is("millstream_poisoned", "1") {
            p .alarm role="alert" {
                "The disk failed: writes are refused until the server is started again. "
                @for info in infos { (info.get("millstream_poison_reason").unwrap_or_default()) }
            }
        }
        @if is("millstream_disk_full", "1") {
            p .alarm role="alert" { "The disk is full: what adds is refused, what removes is not." }
        }
        @if is("millstream_checkpoint_overdue", "1") {
            p .alarm role="alert" {
                "Checkpoints fail: what adds is refused until one succeeds. The server's log has \
                 the reason."
            }
        }
        @if is("aof_last_write_status", "err") && !is("millstream_poisoned", "1") {
            p .alarm role="alert" { "The last write to the append-only file failed." }
        }
        @if is("rdb_last_bgsave_status", "err") {
            p .alarm role="alert" { "The last snapshot failed." }
        }
    }
}

fn server_cards(infos: &[ServerInfo]) -> Markup {
    let sum = |name: &str| {
        let all = infos.iter().filter_map(|info| info.count(name));
        all.fold(None, |sum: Option<u64>, one| Some(sum.unwrap_or(0) + one))
    };
    html! {
        (card("Memory", byte_size::show(sum("used_memory")), Mood::Plain))
        @if let Some(bytes) = sum("millstream_disk_bytes").or(sum("aof_current_size")) {
            (card("On disk", byte_size::show(Some(bytes)), Mood::Plain))
        }
        @if let Some(micros) = infos.iter().filter_map(|info| info.count("millstream_fsync_p99_us")).max() {
            (card("fsync, 99 of 100 within", short_micros(micros), Mood::Plain))
        }
        (card("Clients", count_or_dash(sum("connected_clients")), Mood::Plain))
        (card("Blocked clients", count_or_dash(sum("blocked_clients")), Mood::Plain))
    }
}

fn group_table(rows: &[(StreamNow, GroupNow)]) -> Markup {
    html! {
        div .scroll data-scroll tabindex="0" role="region" aria-label="Groups" {
            table {
                thead { tr {
                    th { "Stream" } th { "Group" } th .number { "In/s" } th .number { "Out/s" }
                    th .number { "Not delivered" } th .number { "Pending" } th .number { "Oldest" }
                    th .number { "Consumers" } th .number { "Dead" }
                } }
                tbody { @for (stream, group) in rows { tr {
                    td { (stream_link(&stream.name)) }
                    td {
                        (group_link(&stream.name, &group.info.name_bytes)) " "
                        (group_tags(group))
                    }
                    td .number { (rate_or_dash(stream.rate_in)) }
                    td .number { (rate_or_dash(group.rate_out)) }
                    td .number { (count_or_dash(group.info.lag)) }
                    td .number { (count(group.info.pending)) }
                    td .number { (age_or_dash(group.ages.pending)) }
                    td .number { (count(group.info.consumers)) }
                    td .number {
                        (count_or_dash(group.dead_letters.as_ref().map(|letters| letters.length)))
                    }
                } } }
            }
        }
    }
}

/// What is special about a group.
pub(super) fn group_tags(group: &GroupNow) -> Markup {
    let blocked_by = group.info.managed.as_ref().and_then(|it| it.blocked_by.as_deref());
    let is_waiting = group.info.lag.is_some_and(|lag| lag > 0);
    html! {
        @match blocked_by {
            Some("paused") => span .tag.warn { "paused" },
            Some(other) => span .tag.warn { "held up: " (other) },
            None => {}
        }
        @if group.info.consumers == 0 && is_waiting { span .tag.bad { "nobody reads" } }
    }
}
