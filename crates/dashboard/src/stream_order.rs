//! Lists of streams: which there are, and in which order.

use std::cmp::Reverse;

use millstream_shown::visible;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::history::StreamNow;

/// What comes first.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StreamOrder {
    #[default]
    Name,
    Length,
    Rate,
    Pending,
}

impl StreamOrder {
    pub(crate) const ALL: [Self; 4] = [Self::Name, Self::Length, Self::Rate, Self::Pending];

    /// What it is called in queries.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Length => "length",
            Self::Rate => "rate",
            Self::Pending => "pending",
        }
    }

    /// Of streams that are in the order of their names: those with `find` in theirs (empty: all),
    /// in this order.
    pub(crate) fn of(self, mut streams: Vec<StreamNow>, find: &str) -> Vec<StreamNow> {
        streams.retain(|now| find.is_empty() || visible(&now.name).contains(find));
        match self {
            Self::Name => {}
            Self::Length => streams.sort_by_key(|now| Reverse(now.info.length)),
            Self::Rate => streams.sort_by(|a, b| {
                let rate = |now: &StreamNow| now.rate_in.unwrap_or(0.0);
                rate(b).total_cmp(&rate(a))
            }),
            Self::Pending => streams.sort_by_key(|now| Reverse(now.pending())),
        }
        streams
    }
}
