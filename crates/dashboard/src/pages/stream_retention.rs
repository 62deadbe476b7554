//! The form for what a stream keeps by itself.

use axum::response::Response;
use maud::{Markup, html};
use millstream::{Overflow, Retain, Retention, RetentionItem, StreamManager};
use millstream_shown::setting::{
    Setting, parse_bytes_or_none, parse_count_or_none, parse_duration_or_none,
};

use super::done::back;
use super::group_policy::{changed, exact, shown_before};
use super::layout::token;
use crate::actions;
use crate::failure::Failure;
use crate::segments::{Segments, stream_path};
use crate::sent::Sent;
use crate::visitor::Visitor;

pub(super) async fn post_retention(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let stream = segments.after("streams");
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        let now = StreamManager::new(&visitor.millstream, &stream).retention().await?;
        let items = items(&sent, &now)?;
        if items.is_empty() {
            return Ok("Nothing was changed: it was so already.".to_owned());
        }
        actions::stream::change_retention(&change, &stream, &items).await?;
        Ok("What it keeps was changed. What is too much goes now, or soon.".to_owned())
    };
    back(&visitor, &stream_path(&stream), done.await)
}

/// A retention as the form shows it.
struct Shown {
    max_length: String,
    max_age: String,
    max_bytes: String,
    retain: &'static str,
    overflow: &'static str,
}

impl Shown {
    fn of(retention: &Retention) -> Self {
        let number = |limit: Option<u64>| limit.map(|it| it.to_string()).unwrap_or_default();
        Self {
            max_length: number(retention.max_length),
            max_age: retention.max_age.map(exact).unwrap_or_default(),
            max_bytes: number(retention.max_bytes),
            retain: match retention.retain {
                Retain::All => "all",
                Retain::Unacked => "unacked",
            },
            overflow: match retention.overflow {
                None => "",
                Some(Overflow::Drop) => "drop",
                Some(Overflow::Reject) => "reject",
            },
        }
    }
}

/// Those that the visitor changed.
fn items(sent: &Sent, now: &Retention) -> Result<Vec<RetentionItem>, Failure> {
    let shown = Shown::of(now);
    let mut items = Vec::new();
    if let Some(text) = changed(sent, "maxlen", &shown.max_length) {
        let limit = setting(text, parse_count_or_none)?;
        items.push(RetentionItem::MaxLength(limit));
    }
    if let Some(text) = changed(sent, "maxage", &shown.max_age) {
        let age = setting(text, parse_duration_or_none)?;
        items.push(RetentionItem::MaxAge(age));
    }
    if let Some(text) = changed(sent, "maxbytes", &shown.max_bytes) {
        let limit = setting(text, parse_bytes_or_none)?;
        items.push(RetentionItem::MaxBytes(limit));
    }
    if let Some(text) = changed(sent, "retain", shown.retain) {
        items.push(RetentionItem::Retain(match text {
            "all" => Retain::All,
            "unacked" => Retain::Unacked,
            _ => return Err(Failure::Invalid("what may go is all or unacked".to_owned())),
        }));
    }
    if let Some(text) = changed(sent, "overflow", shown.overflow) {
        items.push(RetentionItem::Overflow(match text {
            "" => None,
            "drop" => Some(Overflow::Drop),
            "reject" => Some(Overflow::Reject),
            _ => return Err(Failure::Invalid("overflow is drop or reject".to_owned())),
        }));
    }
    Ok(items)
}

fn setting<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<Setting<T>, String>,
) -> Result<Option<T>, Failure> {
    match text {
        "" => Ok(None),
        text => parse(text).map(|setting| setting.0).map_err(Failure::Invalid),
    }
}

pub(super) fn form(visitor: &Visitor, stream: &[u8], now: &Retention) -> Markup {
    let shown = Shown::of(now);
    let field = |name: &str, label: &str, value: &str, hint: &str| {
        html! {
            label {
                (label) input name=(name) value=(value) placeholder="none"; small { (hint) }
                (shown_before(name, value))
            }
        }
    };
    let choice = |name: &str, now: &str, all: &[(&str, &str)]| {
        html! {
            select name=(name) {
                @for (value, text) in all {
                    option value=(value) selected[*value == now] { (text) }
                }
            }
            (shown_before(name, now))
        }
    };
    html! {
        details .panel #retention {
            summary { "Change what it keeps" }
            form method="post" action={(stream_path(stream)) "/retention"} autocomplete="off" {
                (token(visitor))
                div .grid {
                    (field("maxlen", "Entries, at most", &shown.max_length, "such as 100000"))
                    (field("maxage", "Age, at most", &shown.max_age, "such as 12h or 7d"))
                    (field("maxbytes", "Bytes, at most", &shown.max_bytes, "such as 512mb"))
                    label { "What may go"
                        (choice("retain", shown.retain, &[
                            ("all", "whatever the limits demand"),
                            ("unacked", "only what every group has acknowledged"),
                        ]))
                    }
                    label { "Where there is no room"
                        (choice("overflow", shown.overflow, &[
                            ("", "as the server does"),
                            ("drop", "the oldest give way"),
                            ("reject", "what is added is refused"),
                        ]))
                    }
                }
                p .quiet {
                    "What is more than a new limit allows goes at once: there is no way back."
                }
                p { button .primary { "Change" } }
            }
        }
    }
}
