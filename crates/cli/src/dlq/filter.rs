//! Which dead letters are meant, by what they say.

use std::ffi::OsString;
use std::time::Duration;

use millstream::LetterFilter;

use crate::duration::parse_duration;
use crate::server::ServerOptions;

#[derive(Debug, clap::Args)]
pub(super) struct FilterOptions {
    /// Only what this group gave up
    #[arg(long, value_name = "NAME")]
    group: Option<OsString>,
    /// Only what this consumer had last
    #[arg(long, value_name = "NAME")]
    consumer: Option<OsString>,
    /// Only letters for this reason: max-deliveries, or fatal
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only letters whose error has this text in it
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only what has been a letter for so long, such as 30m or 7d, by the time in its id
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    older_than: Option<Duration>,
}

impl FilterOptions {
    /// # Errors
    /// A name is none.
    pub(super) fn filter(&self, server: &ServerOptions) -> anyhow::Result<LetterFilter> {
        let mut filter = LetterFilter::new();
        if let Some(group) = &self.group {
            filter = filter.group(server.name(group)?);
        }
        if let Some(consumer) = &self.consumer {
            filter = filter.consumer(server.name(consumer)?);
        }
        if let Some(reason) = &self.reason {
            filter = filter.reason(reason);
        }
        if let Some(part) = &self.error {
            filter = filter.error(part);
        }
        if let Some(age) = self.older_than {
            filter = filter.min_age(age);
        }
        Ok(filter)
    }

    pub(super) fn is_given(&self) -> bool {
        let Self { group, consumer, reason, error, older_than } = self;
        group.is_some()
            || consumer.is_some()
            || reason.is_some()
            || error.is_some()
            || older_than.is_some()
    }
}
