//! One group: how far it is, what is pending, who works.

use std::time::Duration;

use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{
    ConsumerGroupManager, ConsumerInfo, DeadLetters, Error, GroupInfo, PendingEntries,
    PendingEntry, PendingFilter, StreamManager,
};
use millstream_shown::{policy_facts, short, short_or_dash, visible};
use serde::Deserialize;

use super::consumer::consumer_path;
use super::pager::Pager;
use super::parts::{
    Mood, age_or_dash, card, count, count_or_dash, crumbs, empty, facts, rate, rate_or_dash,
};
use super::plot::{bars, plot};
use super::{group_changes, group_policy};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, group_path, query_name, stream_path};
use crate::visitor::Visitor;

/// Pending entries that the plots by age and by deliveries are of: the oldest.
const SAMPLED: usize = 1000;
/// Consumers on a page, those with most pending first.
const CONSUMERS_PER_PAGE: usize = 100;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    /// A page of consumers.
    #[serde(default)]
    consumers: usize,
}

pub(crate) async fn get(
    ask: Ask,
    segments: Segments,
    Query(which): Query<Which>,
) -> Result<Response, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    ask.answer(move |visitor| content(visitor, stream.clone(), group.clone(), which.clone())).await
}

async fn content(
    visitor: Visitor,
    stream: Bytes,
    group: Bytes,
    which: Which,
) -> Result<Content, Failure> {
    let manager = ConsumerGroupManager::new(&visitor.millstream, &stream);
    let found = manager.groups().await?.into_iter().find(|info| info.name_bytes == group);
    let Some(info) = found else {
        let (group, stream) = (visible(&group), visible(&stream));
        return Err(Failure::NotFound(format!("stream {stream} has no group {group}")));
    };
    let mut consumers = manager.consumers(&group).await?;
    consumers
        .sort_by(|a, b| b.pending.cmp(&a.pending).then_with(|| a.name_bytes.cmp(&b.name_bytes)));
    let pager = Pager::new(which.consumers, CONSUMERS_PER_PAGE, consumers.len());
    let shown: Vec<ConsumerInfo> = pager.of(consumers).collect();
    let pending = PendingEntries::new(&visitor.millstream, &stream, &group);
    let sampled = match info.pending {
        0 => Vec::new(),
        _ => pending.list(.., &PendingFilter::new(), SAMPLED).await?,
    };
    let seen = visitor.app.history.stream(&stream);
    let now =
        seen.as_ref().and_then(|seen| seen.groups.iter().find(|it| it.info.name_bytes == group));
    let letters = letter_count(&visitor, &stream, &info).await?;
    let series = visitor.app.history.of_group(&stream, &group);
    let path = group_path(&stream, &group);
    let ages = now.map(|now| now.ages).unwrap_or_default();
    let whole = |value: f64| count(value.round() as u64);
    let live = html! {
        (crumbs(&[("/streams", "Streams"), (&stream_path(&stream), &visible(&stream))]))
        h1 { (visible(&group)) " " span .kind { "group" } }
        @if let Some(reason) = info.managed.as_ref().and_then(|it| it.blocked_by.as_deref()) {
            p .hint { "Nothing is handed out: " (blocked(reason)) }
        }
        div .cards {
            (card("Not delivered yet", count_or_dash(info.lag), Mood::Plain))
            (card("Pending", count(info.pending), Mood::Plain))
            (card("Oldest pending", age_or_dash(ages.pending), Mood::Plain))
            (card("Oldest not delivered", age_or_dash(ages.undelivered), Mood::Plain))
            (card("Out, a second", rate_or_dash(now.and_then(|now| now.rate_out)), Mood::Plain))
            (card("Consumers", count(info.consumers), Mood::bad_if(info.consumers == 0 && info.lag.unwrap_or(0) > 0)))
            (card("Dead letters", count_or_dash(letters), Mood::Plain))
            (managed_cards(&info))
        }
        div .plots {
            @if let Some(series) = &series {
                (plot("Not delivered yet", &series.values(|point| point.lag), whole))
                (plot("Pending", &series.values(|point| point.pending), whole))
                (plot("Out, a second", &series.values(|point| point.rate_out), rate))
            }
            @if !sampled.is_empty() {
                (bars(&sample_label("Pending by age", &info, &sampled), &by_age(&sampled)))
                (bars(&sample_label("Pending by deliveries", &info, &sampled), &by_deliveries(&sampled)))
            }
        }
        div .actions {
            a .button href={(path) "/pending"} { "Pending entries" }
            a .button href={(stream_path(&stream)) "/dead-letters"} { "Dead letters" }
        }
        h2 #consumers { "Consumers " span .count { (count(info.consumers)) } }
        (consumer_table(&stream, &group, &shown))
        (pager.links("Pages of consumers", |page| format!("{path}?consumers={page}#consumers")))
    };
    let fixed = html! {
        h2 { "What it does by itself" }
        @match &info.managed {
            Some(managed) => (facts(&policy_facts(&managed.policy))),
            None => (empty("Nothing: it has no policy. What was not acknowledged waits until somebody claims it.")),
        }
        (group_policy::forms(&visitor, &stream, &group, info.managed.as_ref()))
        (group_changes::forms(&visitor, &stream, &info))
    };
    Ok(Content { title: format!("{} of {}", visible(&group), visible(&stream)), live, fixed })
}

/// Letters where those of the group go, of all groups that have them there. `None`: that is not for
/// the visitor to see, or it is no stream.
async fn letter_count(
    visitor: &Visitor,
    stream: &Bytes,
    info: &GroupInfo,
) -> Result<Option<u64>, Failure> {
    let letters = DeadLetters::of_group(&visitor.millstream, stream, info);
    if !visitor.may_read(letters.stream()).await? {
        return Ok(None);
    }
    match StreamManager::new(&visitor.millstream, letters.stream()).info().await {
        Ok(info) => Ok(Some(info.map_or(0, |info| info.length))),
        Err(Error::Refused { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn blocked(reason: &str) -> String {
    match reason {
        "paused" => "it is paused".to_owned(),
        "max-in-flight" => "as many entries have an owner as may have one".to_owned(),
        "held" => "all that is left waits for entries before it".to_owned(),
        other => other.to_owned(),
    }
}

fn managed_cards(info: &GroupInfo) -> Markup {
    html! {
        @if let Some(managed) = &info.managed {
            (card("In flight", count(managed.in_flight), Mood::Plain))
            (card("Delayed", count(managed.delayed), Mood::Plain))
            (card("Acknowledged ever", count(managed.acked), Mood::Plain))
            (card("Handed out again", count(managed.redelivered), Mood::Plain))
            (card("Dead-lettered ever", count(managed.dead_lettered), Mood::warn_if(managed.dead_lettered > 0)))
        }
    }
}

fn sample_label(label: &str, info: &GroupInfo, sampled: &[PendingEntry]) -> String {
    if sampled.len() as u64 >= info.pending {
        return label.to_owned();
    }
    format!("{label}, of the first {}", count(sampled.len() as u64))
}

/// Since their last delivery.
fn by_age(pending: &[PendingEntry]) -> Vec<(String, u64)> {
    const LIMITS: [(&str, u64); 5] = [
        ("under 1s", 1),
        ("1s to 10s", 10),
        ("10s to 1m", 60),
        ("1m to 10m", 600),
        ("10m to 1h", 3600),
    ];
    let mut kinds: Vec<(String, u64)> =
        LIMITS.iter().map(|(name, _)| ((*name).to_owned(), 0)).collect();
    kinds.push(("over 1h".to_owned(), 0));
    kinds.push(("nobody has it".to_owned(), 0));
    for entry in pending {
        let at = match entry.idle {
            None => LIMITS.len() + 1,
            Some(idle) => {
                let is_within = |(_, limit): &(&str, u64)| idle < Duration::from_secs(*limit);
                LIMITS.iter().position(is_within).unwrap_or(LIMITS.len())
            }
        };
        kinds[at].1 += 1;
    }
    kinds
}

fn by_deliveries(pending: &[PendingEntry]) -> Vec<(String, u64)> {
    let names = ["never", "1", "2", "3", "4", "5 to 9", "10 and more"];
    let mut kinds: Vec<(String, u64)> = names.iter().map(|name| ((*name).to_owned(), 0)).collect();
    for entry in pending {
        let at = match entry.deliveries {
            few @ 0..5 => few as usize,
            5..10 => 5,
            _ => 6,
        };
        kinds[at].1 += 1;
    }
    kinds
}

fn consumer_table(stream: &[u8], group: &[u8], consumers: &[ConsumerInfo]) -> Markup {
    let path = group_path(stream, group);
    html! {
        @if consumers.is_empty() {
            (empty("There are none yet. XREADGROUP makes one."))
        } @else {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Consumers" {
                table {
                    thead { tr {
                        th { "Consumer" } th .number { "Pending" } th .number { "Last heard of" }
                        th .number { "Last got something" }
                    } }
                    tbody { @for consumer in consumers { tr {
                        td {
                            a .name href=(consumer_path(stream, group, &consumer.name_bytes)) {
                                (visible(&consumer.name_bytes))
                            }
                        }
                        td .number {
                            a href={(path) "/pending?consumer=" (query_name(&consumer.name_bytes))} {
                                (count(consumer.pending))
                            }
                        }
                        td .number { (short(consumer.idle)) " ago" }
                        td .number { (short_or_dash(consumer.inactive)) }
                    } } }
                }
            }
        }
    }
}
