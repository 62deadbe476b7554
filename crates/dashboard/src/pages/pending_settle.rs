//! The forms that settle pending entries: those that are ticked, and all that fit a filter, which
//! are counted first.

use std::time::Duration;

use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{Abilities, EntryId, GroupInfo, Nack, NackMode, PendingEntries};
use millstream_shown::{entries, visible};
use serde::Deserialize;

use super::done::back;
use super::layout::token;
use super::parts::{crumbs, facts};
use super::pending::pending_path;
use super::pending_filter::{Asked, query};
use crate::actions::pending::{
    Alike, PER_SECOND, Settled, Settling, last, pace, settle_alike, settle_named,
};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, entry_path, group_path, stream_path};
use crate::sent::{Sent, id, number_if_any, shown_name, time_if_any};
use crate::visitor::Visitor;

/// What is to become of entries, as people wrote it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct How {
    what: String,
    to: String,
    min_idle: String,
    mode: String,
    delay: String,
    error: String,
}

impl How {
    fn of(sent: &Sent) -> Self {
        let text = |name| sent.text(name).to_owned();
        Self {
            what: text("what"),
            to: text("to"),
            min_idle: text("min_idle"),
            mode: text("mode"),
            delay: text("delay"),
            error: text("error"),
        }
    }

    /// `least` is how long those that are meant are idle, so that none is claimed that is not.
    fn settling(&self, least: Duration) -> Result<Settling, Failure> {
        match &*self.what {
            "acknowledge" => Ok(Settling::Acknowledge),
            "claim" if self.to.trim().is_empty() => {
                Err(Failure::Invalid("say for which consumer they are claimed".to_owned()))
            }
            "claim" => Ok(Settling::Claim {
                consumer: shown_name(&self.to, "the name of the consumer")?,
                min_idle: time_if_any(&self.min_idle)?.unwrap_or_default().max(least),
            }),
            "give-back" => {
                let mut nack = Nack::new(match &*self.mode {
                    "" | "fail" => NackMode::Fail,
                    "silent" => NackMode::Silent,
                    "fatal" => NackMode::Fatal,
                    _ => return Err(Failure::Invalid("there is no such mode".to_owned())),
                });
                if let Some(delay) = time_if_any(&self.delay)? {
                    nack = nack.delay(delay);
                }
                if !self.error.trim().is_empty() {
                    nack = nack.error(self.error.trim());
                }
                Ok(Settling::GiveBack(nack))
            }
            _ => Err(Failure::Invalid("say what is to become of the entries".to_owned())),
        }
    }

    fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("what", &*self.what),
            ("to", &*self.to),
            ("min_idle", &*self.min_idle),
            ("mode", &*self.mode),
            ("delay", &*self.delay),
            ("error", &*self.error),
        ];
        all.into_iter().filter(|(_, text)| !text.is_empty()).collect()
    }
}

/// Settles the entries that are ticked, or leads to the page that counts all that fit.
pub(super) async fn post_named(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let (how, asked) = (How::of(&sent), Asked::of(&sent));
    let path = pending_path(&stream, &group);
    if sent.raw("which") == "all" {
        let pairs = [asked.pairs(), how.pairs()].concat();
        return Redirect::to(&format!("{path}/all{}", query(&pairs))).into_response();
    }
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        let (settling, ids) = (how.settling(Duration::ZERO)?, sent.ids("id")?);
        let settled = settle_named(&change, &stream, &group, &ids, &settling).await?;
        Ok(outcome(&settled, &settling))
    };
    let done = done.await;
    // From the page of an entry, and back to it.
    let place = match id(sent.raw("entry")) {
        Ok(entry) => entry_path(&stream, entry),
        Err(_) => format!("{path}{}", asked.query()),
    };
    back(&visitor, &place, done)
}

fn outcome(settled: &Settled, settling: &Settling) -> String {
    let were = if settled.changed == 1 { "was" } else { "were" };
    let mut text = format!("{} {were} {}.", entries(settled.changed), settling.done());
    if settled.left_alone > 0 {
        let left = entries(settled.left_alone);
        text += &format!(
            " Left alone: {left}, not pending, or not as a moment ago, or not idle for so long, or \
             gone from the stream."
        );
    }
    text
}

/// How the page of all that fit is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedAll {
    /// Where the last one is that is meant; empty: where it is now.
    until: String,
    /// Entries a second.
    rate: String,
}

async fn alike(
    visitor: &Visitor,
    stream: &[u8],
    group: &[u8],
    asked: &Asked,
    until: &str,
) -> Result<Alike, Failure> {
    let filter = asked.filter()?;
    let until = match until.trim() {
        "" => last(&visitor.millstream, stream, group).await?,
        until => id(until)?,
    };
    Ok(Alike { filter: filter.filter, from: filter.from, until })
}

/// Says how many fit, and asks.
pub(super) async fn get_all(
    ask: Ask,
    segments: Segments,
    Query(asked): Query<Asked>,
    Query(how): Query<How>,
    Query(all): Query<AskedAll>,
) -> Result<Response, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    ask.answer(move |visitor| {
        question(visitor, stream.clone(), group.clone(), asked.clone(), how.clone(), all.clone())
    })
    .await
}

async fn question(
    visitor: Visitor,
    stream: Bytes,
    group: Bytes,
    asked: Asked,
    how: How,
    all: AskedAll,
) -> Result<Content, Failure> {
    visitor.group(&stream, &group).await?;
    let settling = how.settling(asked.filter()?.min_idle)?;
    let pending = PendingEntries::new(&visitor.millstream, &stream, &group);
    settling.check(&pending).await?;
    let alike = alike(&visitor, &stream, &group, &asked, &all.until).await?;
    let counted = crate::actions::pending::count(&pending, &alike).await?;
    let path = pending_path(&stream, &group);
    let way = [
        ("/streams", "Streams"),
        (&*stream_path(&stream), &*visible(&stream)),
        (&*group_path(&stream, &group), &*visible(&group)),
        (&*path, "Pending"),
    ];
    let is_cut = counted.next.is_some();
    let many = match (is_cut, counted.count) {
        (false, one) => entries(one),
        (true, many) => format!("{} or more", entries(many)),
    };
    let hidden = [asked.pairs(), how.pairs()].concat();
    let until = alike.until.to_string();
    let fixed = html! {
        (crumbs(&way))
        h1 { (many) " would be " (settling.done()) }
        (facts(&meant(&asked, &alike, &how)))
        @if is_cut {
            p .hint {
                "So many were found among those that one look goes through; more are behind."
            }
        }
        @if counted.count == 0 && !is_cut {
            p { "Nothing is to be done." }
        } @else if visitor.can_write {
            form .panel method="post" action={(path) "/all"} {
                (token(&visitor))
                @for (name, value) in hidden {
                    input type="hidden" name=(name) value=(value);
                }
                input type="hidden" name="until" value=(until);
                div .row {
                    label { "Entries a second, at most"
                        input name="rate" inputmode="numeric" size="8"
                            value=(if all.rate.is_empty() { PER_SECOND.to_string() }
                                else { all.rate.clone() });
                    }
                    button .danger { (verb(&settling)) " " (many) }
                    a .button href={(path) (asked.query())} { "Leave them" }
                }
                p .quiet {
                    "At most 10,000 at a time, and no longer than 20 seconds: then it says \
                     what is left. Whatever a worker gets meanwhile is left alone."
                }
            }
        } @else {
            p .hint { "Nothing can be changed here: the dashboard is read-only." }
        }
    };
    let title = format!("Pending in {}", visible(&group));
    Ok(Content { title, live: html! {}, fixed })
}

fn verb(settling: &Settling) -> &'static str {
    match settling {
        Settling::Acknowledge => "Acknowledge",
        Settling::Claim { .. } => "Claim",
        Settling::GiveBack(_) => "Give back",
    }
}

fn meant(asked: &Asked, alike: &Alike, how: &How) -> Vec<(&'static str, String)> {
    let labels = [
        ("consumer", "consumer"),
        ("idle", "idle for at least"),
        ("deliveries", "deliveries, at least"),
        ("from", "from"),
        ("after", "behind"),
        ("to", "claimed for"),
        ("min_idle", "only if idle for"),
        ("mode", "mode"),
        ("delay", "again after"),
        ("error", "error"),
    ];
    let mut all = Vec::new();
    for (name, value) in asked.pairs().into_iter().chain(how.pairs()) {
        if let Some((_, label)) = labels.iter().find(|(of, _)| *of == name) {
            all.push((*label, visible(value.as_bytes())));
        }
    }
    if asked.is_any() && asked.after.is_empty() {
        all.push(("which", "everything that is pending".to_owned()));
    }
    all.push(("up to", alike.until.to_string()));
    all
}

/// Settles all that fit, as many as one request may.
pub(super) async fn post_all(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let (how, asked) = (How::of(&sent), Asked::of(&sent));
    let path = pending_path(&stream, &group);
    let mut next = None;
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        let settling = how.settling(asked.filter()?.min_idle)?;
        let rate = pace(number_if_any(sent.raw("rate"), "the rate")?)?;
        // What came after the question was not counted, so its end has to be said.
        let until = id(sent.raw("until"))?.to_string();
        let alike = alike(&visitor, &stream, &group, &asked, &until).await?;
        let settled = settle_alike(&change, &stream, &group, &alike, &settling, rate).await?;
        next = settled.next;
        let left = if next.is_some() { " There may be more: see below." } else { "" };
        Ok(outcome(&settled, &settling) + left)
    };
    let done = done.await;
    let place = match (&done, next) {
        (Ok(_), Some(next)) => format!("{path}/all{}", go_on(&asked.behind(next), &how, &sent)),
        (Ok(_), None) => path,
        (Err(_), _) => format!("{path}/all{}", go_on(&asked, &how, &sent)),
    };
    back(&visitor, &place, done)
}

fn go_on(asked: &Asked, how: &How, sent: &Sent) -> String {
    let rest = [("until", sent.text("until")), ("rate", sent.text("rate"))];
    query(&[asked.pairs(), how.pairs(), rest.to_vec()].concat())
}

/// What can be done with pending entries, for whoever may.
pub(super) fn form(visitor: &Visitor, stream: &[u8], group: &[u8], asked: &Asked) -> Markup {
    html! {
        h2 { "Settle" }
        form #settle .panel.stacked method="post" action={(pending_path(stream, group)) "/settle"} {
            (token(visitor))
            @for (name, value) in asked.pairs() {
                input type="hidden" name=(name) value=(value);
            }
            label { "Which"
                select name="which" {
                    option value="ticked" { "those that are ticked" }
                    option value="all" { "all that fit the filter: counted first, then asked" }
                }
            }
            (ways(visitor.millstream.abilities(), None))
        }
    }
}

/// The same for one entry, on its page.
pub(super) fn form_of_one(
    visitor: &Visitor,
    stream: &[u8],
    info: &GroupInfo,
    entry: EntryId,
) -> Markup {
    let group = &info.name_bytes;
    html! {
        details .panel id={"settle-" (crate::segments::segment(group))} {
            summary { "Settle it in group " (visible(group)) }
            form .stacked method="post" action={(pending_path(stream, group)) "/settle"} {
                (token(visitor))
                input type="hidden" name="id" value=(entry);
                input type="hidden" name="entry" value=(entry);
                (ways(visitor.millstream.abilities(), Some(info)))
            }
        }
    }
}

/// One button for all of them: a browser that sends a form by the Enter key takes the first one.
fn ways(abilities: &Abilities, group: Option<&GroupInfo>) -> Markup {
    let is_managed = abilities.has_policies && group.is_none_or(|info| info.managed.is_some());
    html! {
        label { "What"
            select name="what" required {
                option value="" { "choose" }
                option value="acknowledge" { "acknowledge: the group gets them no more" }
                option value="claim" { "claim: another consumer has them" }
                option value="give-back" { "give back: nobody has them" }
            }
        }
        fieldset .way-claim {
            legend { "Claim" }
            div .row {
                label { "For consumer" input name="to" size="20"; }
                label { "If idle for at least"
                    input name="min_idle" size="12" placeholder="any time";
                }
            }
            p .quiet {
                "The consumer finds them in its history, as at its next start. That counts as no \
                 delivery."
            }
        }
        fieldset .way-give-back {
            legend { "Give back" }
            div .row {
                label { "The last delivery"
                    select name="mode" {
                        option value="fail" { "failed" }
                        option value="silent" { "was no try: it is not counted" }
                        @if abilities.has_nack {
                            option value="fatal" { "failed, and no other try would help" }
                        }
                    }
                }
                @if is_managed {
                    label { "Again after"
                        input name="delay" size="12" placeholder="the backoff";
                    }
                    label { "Error"
                        input name="error" size="30" maxlength="4096" placeholder="none";
                    }
                }
            }
            p .quiet { (given_back(abilities)) }
        }
        p { button .primary { "Settle" } }
    }
}

fn given_back(abilities: &Abilities) -> &'static str {
    match (abilities.has_policies, abilities.has_nack) {
        (true, _) => {
            "In groups with a policy the next read of anybody gets them, after its backoff, or \
             the delay that is given here; in others whoever claims gets them. A delay and an \
             error are for groups with a policy."
        }
        (false, true) => "Whoever claims gets them.",
        (false, false) => {
            "They stay with their consumer, and look as if they had been idle for a year: whoever \
             claims what is idle gets them."
        }
    }
}
