//! Pieces that several pages are made of.

use std::time::Duration;

use maud::{Markup, html};
use millstream_shown::{short, visible};

use crate::history::{STREAMS_MAX, Totals};
use crate::segments::{group_path, stream_path};

/// A name of any bytes.
pub(super) fn name(bytes: &[u8]) -> Markup {
    html! { span .name { (visible(bytes)) } }
}

pub(super) fn stream_link(stream: &[u8]) -> Markup {
    html! { a .name href=(stream_path(stream)) { (visible(stream)) } }
}

pub(super) fn group_link(stream: &[u8], group: &[u8]) -> Markup {
    html! { a .name href=(group_path(stream, group)) { (visible(group)) } }
}

/// What a list over all streams says while it is not whole.
pub(super) fn unseen_streams(totals: &Totals) -> Markup {
    html! {
        @if totals.is_part && totals.streams >= STREAMS_MAX {
            p .hint {
                "There are more: only the first " (count(STREAMS_MAX as u64)) " streams are known "
                "by name. Others are there when their names are given."
            }
        } @else if totals.is_part {
            p .hint { "Not all streams were looked at yet: some may be missing here." }
        }
    }
}

/// The way here, in front of a title.
pub(super) fn crumbs(way: &[(&str, &str)]) -> Markup {
    html! {
        nav .crumbs aria-label="Way" {
            ol { @for (at, name) in way { li { a href=(at) { (name) } } } }
        }
    }
}

/// How a figure looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Plain,
    Warn,
    Bad,
}

impl Mood {
    pub(super) fn bad_if(is_bad: bool) -> Self {
        if is_bad { Self::Bad } else { Self::Plain }
    }

    pub(super) fn warn_if(is_worth_a_look: bool) -> Self {
        if is_worth_a_look { Self::Warn } else { Self::Plain }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

pub(super) fn card(label: &str, value: impl maud::Render, mood: Mood) -> Markup {
    html! {
        div .card .(mood.class()) {
            div .label { (label) }
            div .value { (value) }
        }
    }
}

/// `12`, `1,204,512`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn count_or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), count)
}

/// A second; `0.3`, `12`, `1,204`.
pub(super) fn rate(rate: f64) -> String {
    match rate {
        _ if rate < 0.05 => "0".to_owned(),
        _ if rate < 10.0 => format!("{rate:.1}"),
        _ => count(rate.round() as u64),
    }
}

pub(super) fn rate_or_dash(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), rate)
}

pub(super) fn age_or_dash(age: Option<Duration>) -> String {
    age.map_or_else(|| "-".to_owned(), short)
}

/// Facts by their names.
pub(super) fn facts(all: &[(&str, String)]) -> Markup {
    html! {
        dl .facts {
            @for (label, value) in all { div { dt { (label) } dd { (value) } } }
        }
    }
}

pub(super) fn empty(text: &str) -> Markup {
    html! { p .empty { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (number, text) in
            [(0.0, "0"), (0.01, "0"), (0.26, "0.3"), (12.4, "12"), (4e6, "4,000,000")]
        {
            assert_eq!(rate(number), text);
        }
    }
}
