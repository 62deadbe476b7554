//! Which dead letters a page is about: what its form says, and the query that stands for it.

use std::fmt::Write as _;
use std::str::FromStr as _;

use maud::{Markup, html};
use millstream::{EntryId, LetterFilter};
use millstream_shown::duration::parse_duration;
use millstream_shown::{parse_visible, visible};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::failure::Failure;

const REASONS: [(&str, &str); 3] =
    [("", "any"), ("max-deliveries", "max-deliveries"), ("fatal", "fatal")];

/// As the form has it; empty: any. Names are as they are shown, with escapes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct FilterForm {
    #[serde(default)]
    stream: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    consumer: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    error: String,
    /// Such as `30m`: a letter for so long at least.
    #[serde(default)]
    age: String,
}

impl FilterForm {
    /// Those that come from this stream, and that this group gave up.
    pub(super) fn of(stream: &[u8], group: Option<&[u8]>) -> Self {
        let group = group.map(visible).unwrap_or_default();
        Self { stream: visible(stream), group, ..Self::default() }
    }

    /// Of a form that has other things, too.
    pub(super) fn of_pairs(pairs: &[(String, String)]) -> Self {
        let value = |name: &str| {
            let found = pairs.iter().find(|(of, _)| of == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Self {
            stream: value("stream"),
            group: value("group"),
            consumer: value("consumer"),
            reason: value("reason"),
            error: value("error"),
            age: value("age"),
        }
    }

    pub(super) fn is_any(&self) -> bool {
        self.all().iter().all(|(_, value)| value.trim().is_empty())
    }

    fn all(&self) -> [(&'static str, &String); 6] {
        let Self { stream, group, consumer, reason, error, age } = self;
        [
            ("stream", stream),
            ("group", group),
            ("consumer", consumer),
            ("reason", reason),
            ("error", error),
            ("age", age),
        ]
    }

    /// # Errors
    /// [`Failure::Invalid`]: one of them is none.
    pub(super) fn parse(&self) -> Result<LetterFilter, Failure> {
        let name = |text: &str| match text.trim() {
            "" => Ok(None),
            text => parse_visible(text.as_bytes()).map(Some).map_err(Failure::Invalid),
        };
        let mut filter = LetterFilter::new();
        if let Some(stream) = name(&self.stream)? {
            filter = filter.stream(stream);
        }
        if let Some(group) = name(&self.group)? {
            filter = filter.group(group);
        }
        if let Some(consumer) = name(&self.consumer)? {
            filter = filter.consumer(consumer);
        }
        if !self.reason.trim().is_empty() {
            filter = filter.reason(self.reason.trim());
        }
        if !self.error.is_empty() {
            filter = filter.error(&self.error);
        }
        if !self.age.trim().is_empty() {
            let age = parse_duration(self.age.trim()).map_err(Failure::Invalid)?;
            filter = filter.min_age(age);
        }
        Ok(filter)
    }

    /// `?group=billing&age=1h`, or nothing.
    pub(super) fn query(&self) -> String {
        let mut query = String::new();
        for (name, value) in self.all() {
            if !value.trim().is_empty() {
                let mark = if query.is_empty() { '?' } else { '&' };
                let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
                let _ = write!(query, "{mark}{name}={value}");
            }
        }
        query
    }

    /// In words: `group billing, for 1h at least`.
    pub(super) fn words(&self) -> String {
        let mut words = Vec::new();
        for (name, value) in self.all() {
            let value = visible(value.trim().as_bytes());
            match name {
                _ if value == "\"\"" => {}
                "error" => words.push(format!("error with {value}")),
                "age" => words.push(format!("for {value} at least")),
                name => words.push(format!("{name} {value}")),
            }
        }
        words.join(", ")
    }

    /// The same for a form that goes on with it.
    pub(super) fn hidden(&self) -> Markup {
        html! {
            @for (name, value) in self.all() {
                @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
            }
        }
    }

    pub(super) fn inputs(&self) -> Markup {
        html! {
            label { "From stream" input name="stream" value=(self.stream) size="16"; }
            label { "Given up by group" input name="group" value=(self.group) size="16"; }
            label { "Had last by consumer" input name="consumer" value=(self.consumer) size="16"; }
            label { "Reason"
                select name="reason" {
                    @for (value, text) in REASONS {
                        option value=(value) selected[value == self.reason] { (text) }
                    }
                }
            }
            label { "Error has in it" input name="error" value=(self.error) size="20"; }
            label { "For so long at least"
                input name="age" value=(self.age) size="8" placeholder="30m, 7d";
            }
        }
    }
}

/// Behind which letter a page begins; empty: at the newest.
///
/// # Errors
/// [`Failure::Invalid`].
pub(super) fn parse_place(text: &str) -> Result<Option<EntryId>, Failure> {
    match text.trim() {
        "" => Ok(None),
        text => parse_letter_id(text).map(Some),
    }
}

/// # Errors
/// [`Failure::Invalid`].
pub(super) fn parse_letter_id(text: &str) -> Result<EntryId, Failure> {
    let no_id = |_| Failure::Invalid(format!("{} is no letter's id", visible(text.as_bytes())));
    EntryId::from_str(text.trim()).map_err(no_id)
}
