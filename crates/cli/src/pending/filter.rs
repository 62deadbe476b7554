//! Which pending entries are meant, by what they are like.

use std::ffi::OsString;
use std::time::Duration;

use millstream::PendingFilter;

use crate::duration::parse_duration;
use crate::server::ServerOptions;

#[derive(Debug, clap::Args)]
pub(super) struct FilterOptions {
    /// Only what was delivered at least so long ago, such as 30s or 5m, or has no owner
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    idle: Option<Duration>,
    /// Only what was delivered at least so often
    #[arg(long, value_name = "COUNT")]
    deliveries: Option<u64>,
    /// Only what this consumer has
    #[arg(long, value_name = "NAME")]
    consumer: Option<OsString>,
}

impl FilterOptions {
    /// # Errors
    /// The name of the consumer is none.
    pub(super) fn filter(&self, server: &ServerOptions) -> anyhow::Result<PendingFilter> {
        let mut filter = PendingFilter::new();
        if let Some(idle) = self.idle {
            filter = filter.min_idle(idle);
        }
        if let Some(deliveries) = self.deliveries {
            filter = filter.min_deliveries(deliveries);
        }
        if let Some(consumer) = &self.consumer {
            filter = filter.consumer(server.name(consumer)?);
        }
        Ok(filter)
    }

    /// The least idle time.
    pub(super) fn min_idle(&self) -> Duration {
        self.idle.unwrap_or_default()
    }

    pub(super) fn is_given(&self) -> bool {
        let Self { idle, deliveries, consumer } = self;
        idle.is_some() || deliveries.is_some() || consumer.is_some()
    }
}
