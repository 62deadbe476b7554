//! The forms that change a group: its policy, pausing it.

use axum::Form;
use axum::response::Response;
use maud::{Markup, html};
use millstream::{ConsumerDeletion, GroupPolicy, ManagedGroup, PolicyItem};
use millstream_shown::setting::{
    Setting, parse_backoff_or_none, parse_count_or_none, parse_duration_or_none,
};
use millstream_shown::{parse_visible, short, visible};
use serde::Deserialize;

use super::done::back;
use super::layout::token;
use crate::actions;
use crate::failure::Failure;
use crate::segments::{Segments, group_path};
use crate::sent::Sent;
use crate::visitor::Visitor;

#[derive(Debug, Deserialize)]
pub(crate) struct PauseForm {
    token: String,
    paused: bool,
}

/// Pauses a group, or lets it go on.
pub(crate) async fn post_paused(
    visitor: Visitor,
    segments: Segments,
    Form(form): Form<PauseForm>,
) -> Response {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let done = async {
        let change = visitor.change(Some(&form.token))?;
        actions::group::set_paused(&change, &stream, &group, form.paused).await?;
        let text = if form.paused {
            "Paused: nothing is handed out until it goes on."
        } else {
            "It goes on."
        };
        Ok(text.to_owned())
    };
    back(&visitor, &group_path(&stream, &group), done.await)
}

pub(crate) async fn post_policy(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        let manager = millstream::ConsumerGroupManager::new(&visitor.millstream, &stream);
        let now = manager.policy(&group).await?;
        let items = items(&sent, &now).map_err(Failure::Invalid)?;
        if items.is_empty() {
            return Ok("Nothing was changed: it was so already.".to_owned());
        }
        actions::group::change_policy(&change, &stream, &group, &items).await?;
        Ok("The policy was changed; it goes for what is pending, too.".to_owned())
    };
    back(&visitor, &group_path(&stream, &group), done.await)
}

/// Those that the visitor changed.
///
/// # Errors
/// What is wrong with one.
fn items(sent: &Sent, now: &GroupPolicy) -> Result<Vec<PolicyItem>, String> {
    let shown = Shown::of(now);
    let mut items = Vec::new();
    if let Some(text) = changed(sent, "visibility", &shown.visibility) {
        items.push(PolicyItem::Visibility(setting(text, parse_duration_or_none)?));
    }
    if let Some(text) = changed(sent, "max_deliveries", &shown.max_deliveries) {
        let max = setting(text, parse_count_or_none)?;
        let max = max.map(|max| u32::try_from(max).unwrap_or(u32::MAX));
        items.push(PolicyItem::MaxDeliveries(max));
    }
    if let Some(text) = changed(sent, "dead_letters", &shown.dead_letters) {
        items.push(PolicyItem::DeadLetters(name(text)?));
    }
    if let Some(text) = changed(sent, "backoff", &shown.backoff) {
        items.push(PolicyItem::Backoff(setting(text, parse_backoff_or_none)?));
    }
    if let Some(text) = changed(sent, "jitter", &shown.jitter) {
        let jitter = text.parse().ok().filter(|jitter| *jitter <= 100);
        let wrong = || format!("jitter is from 0 to 100 percent, not {text:?}");
        items.push(PolicyItem::JitterPercent(jitter.ok_or_else(wrong)?));
    }
    if let Some(text) = changed(sent, "max_in_flight", &shown.max_in_flight) {
        items.push(PolicyItem::MaxInFlight(setting(text, parse_count_or_none)?));
    }
    if let Some(text) = changed(sent, "order_by", &shown.order_by) {
        items.push(PolicyItem::OrderBy(name(text)?));
    }
    if let Some(text) = changed(sent, "consumer_ttl", &shown.consumer_ttl) {
        items.push(PolicyItem::ConsumerTtl(setting(text, parse_duration_or_none)?));
    }
    if let Some(text) = changed(sent, "consumer_deletion", shown.consumer_deletion) {
        items.push(PolicyItem::ConsumerDeletion(match text {
            "release" => Some(ConsumerDeletion::Release),
            "drop" => Some(ConsumerDeletion::Drop),
            _ => None,
        }));
    }
    Ok(items)
}

/// What a form says of an item, if the visitor changed it. A form may be old: what they left as it
/// was shown stays as others made it meanwhile.
pub(super) fn changed<'a>(sent: &'a Sent, name: &'a str, now: &str) -> Option<&'a str> {
    let given = sent.all(name).next()?.trim();
    let before = before(name);
    let is_as_shown = sent.all(&before).next().is_some_and(|shown| shown.trim() == given);
    (!is_as_shown && given != now).then_some(given)
}

/// The field for what a form showed of an item.
fn before(name: &str) -> String {
    format!("was_{name}")
}

/// What [`changed`] compares with.
pub(super) fn shown_before(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(before(name)) value=(value); }
}

fn setting<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<Setting<T>, String>,
) -> Result<Option<T>, String> {
    match text.trim() {
        "" => Ok(None),
        text => parse(text).map(|setting| setting.0),
    }
}

/// A name as it is shown, with escapes.
fn name(text: &str) -> Result<Option<Vec<u8>>, String> {
    match text.trim() {
        "" => Ok(None),
        text => parse_visible(text.as_bytes()).map(Some),
    }
}

/// A policy as the form shows it.
struct Shown {
    visibility: String,
    max_deliveries: String,
    dead_letters: String,
    backoff: String,
    jitter: String,
    max_in_flight: String,
    order_by: String,
    consumer_ttl: String,
    consumer_deletion: &'static str,
}

impl Shown {
    fn of(policy: &GroupPolicy) -> Self {
        let time = |time: Option<std::time::Duration>| time.map(exact).unwrap_or_default();
        let text = |name: &Option<String>| {
            name.as_ref().map(|name| visible(name.as_bytes())).unwrap_or_default()
        };
        Self {
            visibility: time(policy.visibility),
            max_deliveries: policy.max_deliveries.map(|max| max.to_string()).unwrap_or_default(),
            dead_letters: text(&policy.dead_letters),
            backoff: policy
                .backoff
                .map(|it| format!("{} {} {}", exact(it.base), it.factor, exact(it.max)))
                .unwrap_or_default(),
            jitter: policy
                .backoff
                .map(|it| format!("{}", (it.jitter * 100.0).round()))
                .unwrap_or_default(),
            max_in_flight: policy.max_in_flight.map(|max| max.to_string()).unwrap_or_default(),
            order_by: text(&policy.order_by),
            consumer_ttl: time(policy.consumer_ttl),
            consumer_deletion: match policy.consumer_deletion {
                None => "",
                Some(ConsumerDeletion::Release) => "release",
                Some(ConsumerDeletion::Drop) => "drop",
            },
        }
    }
}

/// In words where that loses nothing, and can be read back.
pub(super) fn exact(time: std::time::Duration) -> String {
    let words = short(time).replace(' ', "");
    match millstream_shown::duration::parse_duration(&words) {
        Ok(read) if read == time => words,
        _ => format!("{}ms", time.as_millis()),
    }
}

/// What may become of what a deleted consumer has.
const DELETIONS: [(&str, &str); 3] = [
    ("", "as the server does"),
    ("release", "others get what it had"),
    ("drop", "what it had is lost"),
];

/// The forms, for whoever may use them.
pub(super) fn forms(
    visitor: &Visitor,
    stream: &[u8],
    group: &[u8],
    managed: Option<&ManagedGroup>,
) -> Markup {
    if !visitor.can_write || !visitor.millstream.abilities().has_policies {
        return html! {};
    }
    let path = group_path(stream, group);
    let policy = managed.map(|it| it.policy.clone()).unwrap_or_default();
    let shown = Shown::of(&policy);
    let is_paused = policy.is_paused;
    let field = |name: &str, label: &str, value: &str, hint: &str| {
        html! {
            label {
                (label) input name=(name) value=(value) placeholder="none"; small { (hint) }
                (shown_before(name, value))
            }
        }
    };
    html! {
        form .actions.panel method="post" action={(path) "/paused"} {
            (token(visitor))
            input type="hidden" name="paused" value=(!is_paused);
            button { @if is_paused { "Go on" } @else { "Pause" } }
            span .quiet {
                @if is_paused { "It is paused: nothing is handed out." }
                @else { "While it is paused nothing is handed out; what workers have stays theirs." }
            }
        }
        details .panel #policy {
            summary { "Change the policy" }
            form method="post" action={(path) "/policy"} autocomplete="off" {
                (token(visitor))
                div .grid {
                    (field("visibility", "Visibility", &shown.visibility, "such as 30s: then others get what was not settled"))
                    (field("max_deliveries", "Max deliveries", &shown.max_deliveries, "then it becomes a dead letter"))
                    (field("dead_letters", "Dead letters", &shown.dead_letters, "the stream that they go to"))
                    (field("backoff", "Backoff", &shown.backoff, "such as 1s 2 60s: first wait, factor, longest"))
                    (field("jitter", "Jitter, percent", &shown.jitter, "by how much waits are shortened"))
                    (field("max_in_flight", "Max in flight", &shown.max_in_flight, "entries that have an owner at a time"))
                    (field("order_by", "Order by", &shown.order_by, "a field: one after the other of each value"))
                    (field("consumer_ttl", "Consumer TTL", &shown.consumer_ttl, "such as 1h: then idle consumers go"))
                    label { "On deletion of a consumer"
                        select name="consumer_deletion" {
                            @for (value, text) in DELETIONS {
                                @let is_chosen = value == shown.consumer_deletion;
                                option value=(value) selected[is_chosen] { (text) }
                            }
                        }
                        small { "what becomes of what it had" }
                        (shown_before("consumer_deletion", shown.consumer_deletion))
                    }
                }
                p { button .primary { "Change" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_in_the_form_can_be_read_back() {
        for ms in
            [1, 250, 1500, 1234, 30_000, 90_000, 3_600_000, 5_400_000, 604_800_000, 86_400_001]
        {
            let time = Duration::from_millis(ms);
            let read = millstream_shown::duration::parse_duration(&exact(time));
            assert_eq!(read, Ok(time), "{}", exact(time));
        }
    }
}
