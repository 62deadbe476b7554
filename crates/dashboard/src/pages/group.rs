//! One group: how far it is, what is pending, who works.

use std::time::Duration;

use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{
    ConsumerGroupManager, ConsumerInfo, GroupInfo, PendingEntries, PendingEntry, PendingFilter,
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
use crate::letter_count::letter_count;
use crate::live::{Ask, Content};
use crate::pending_spans::{SAMPLED_MAX, Span, by_age, by_deliveries};
use crate::segments::{Segments, group_path, query_name, stream_path};
use crate::visitor::Visitor;

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
    let info = visitor.group(&stream, &group).await?;
    let mut consumers = manager.consumers(&group).await?;
    consumers
        .sort_by(|a, b| b.pending.cmp(&a.pending).then_with(|| a.name_bytes.cmp(&b.name_bytes)));
    let pager = Pager::new(which.consumers, CONSUMERS_PER_PAGE, consumers.len());
    let shown: Vec<ConsumerInfo> = pager.of(consumers).collect();
    let pending = PendingEntries::new(&visitor.millstream, &stream, &group);
    let sampled = match info.pending {
        0 => Vec::new(),
        _ => pending.list(.., &PendingFilter::new(), SAMPLED_MAX).await?,
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
                (bars(&sample_label("Pending by age", &info, &sampled), &age_bars(&sampled)))
                (bars(&sample_label("Pending by deliveries", &info, &sampled), &delivery_bars(&sampled)))
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
fn age_bars(pending: &[PendingEntry]) -> Vec<(String, u64)> {
    let (spans, without_owner) = by_age(pending);
    let time = |seconds: u64| short(Duration::from_secs(seconds));
    let mut bars: Vec<(String, u64)> = spans
        .iter()
        .map(|span| {
            let name = match (span.from, span.below) {
                (0, Some(below)) => format!("under {}", time(below)),
                (from, Some(below)) => format!("{} to {}", time(from), time(below)),
                (from, None) => format!("over {}", time(from)),
            };
            (name, span.entries)
        })
        .collect();
    bars.push(("nobody has it".to_owned(), without_owner));
    bars
}

fn delivery_bars(pending: &[PendingEntry]) -> Vec<(String, u64)> {
    let name = |span: &Span| match (span.from, span.below) {
        (0, _) => "never".to_owned(),
        (from, None) => format!("{from} and more"),
        (from, Some(below)) if below == from + 1 => from.to_string(),
        (from, Some(below)) => format!("{from} to {}", below - 1),
    };
    by_deliveries(pending).iter().map(|span| (name(span), span.entries)).collect()
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
