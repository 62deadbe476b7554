//! Which pending entries a page is about, as its address says.

use std::ops::Bound;
use std::time::Duration;

use millstream::{EntryId, PendingFilter};
use serde::Deserialize;

use super::stream::parse_place;
use crate::failure::Failure;
use crate::segments::query_text;
use crate::sent::{Sent, id, number_if_any, shown_name, time_if_any};

/// What the address says, as people wrote it; empty: nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// Whose, as names are shown.
    pub(super) consumer: String,
    /// Delivered so long ago at least.
    pub(super) idle: String,
    /// So often at least.
    pub(super) deliveries: String,
    /// An id or a moment.
    pub(super) from: String,
    /// Behind this id.
    pub(super) after: String,
}

/// The same, understood.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) filter: PendingFilter,
    pub(super) min_idle: Duration,
    pub(super) from: Bound<EntryId>,
}

impl Asked {
    /// Of a form that had it in hidden fields.
    pub(super) fn of(sent: &Sent) -> Self {
        let text = |name| sent.text(name).to_owned();
        Self {
            consumer: text("consumer"),
            idle: text("idle"),
            deliveries: text("deliveries"),
            from: text("from"),
            after: text("after"),
        }
    }

    /// # Errors
    /// [`Failure::Invalid`].
    pub(super) fn filter(&self) -> Result<Filter, Failure> {
        let mut filter = PendingFilter::new();
        let min_idle = time_if_any(&self.idle)?.unwrap_or_default();
        filter = filter.min_idle(min_idle);
        if let Some(deliveries) = number_if_any(&self.deliveries, "the number of deliveries")? {
            filter = filter.min_deliveries(deliveries);
        }
        if !self.consumer.trim().is_empty() {
            filter = filter.consumer(shown_name(&self.consumer, "the name of the consumer")?);
        }
        let from = match (self.after.trim(), self.from.trim()) {
            ("", "") => Bound::Unbounded,
            ("", from) => Bound::Included(parse_place(from)?),
            (after, _) => Bound::Excluded(id(after)?),
        };
        Ok(Filter { filter, min_idle, from })
    }

    /// Whether all are meant, whatever they are like.
    pub(super) fn is_any(&self) -> bool {
        let all = [&self.consumer, &self.idle, &self.deliveries, &self.from];
        all.iter().all(|text| text.trim().is_empty())
    }

    /// What there is, by its name in the address.
    pub(super) fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("consumer", &*self.consumer),
            ("idle", &*self.idle),
            ("deliveries", &*self.deliveries),
            ("from", &*self.from),
            ("after", &*self.after),
        ];
        let given = all.into_iter().map(|(name, text)| (name, text.trim()));
        given.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// The page of it, behind this id.
    pub(super) fn query(&self) -> String {
        query(&self.pairs())
    }

    pub(super) fn behind(&self, id: EntryId) -> Self {
        Self { after: id.to_string(), ..self.clone() }
    }
}

/// `?a=1&b=2`, or nothing.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&query_text(value));
    }
    text
}
