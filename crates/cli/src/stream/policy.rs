//! `millstream stream policy`: what a stream keeps by itself.

use std::ffi::OsString;
use std::time::Duration;

use clap::ValueEnum;
use millstream::{Error, Overflow, Retain, RetentionItem};
use millstream_shown::{RetentionRow, retention_facts};
use serde::Serialize;

use crate::output::{JsonBytes, print_facts, print_json};
use crate::server::ServerOptions;
use crate::setting::{Setting, parse_bytes_or_none, parse_count_or_none, parse_duration_or_none};

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream stream policy orders
  millstream stream policy orders --maxlen 100000 --maxage 7d
  millstream stream policy jobs --retain unacked --maxlen 10000
  millstream stream policy orders --maxage none

What each item means is in docs/delivery.md, section Retention.";

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyOptions {
    /// Key of the stream
    stream: OsString,
    #[command(flatten)]
    items: Items,
}

/// Items that are not given stay as they are.
#[derive(Debug, clap::Args)]
struct Items {
    /// Keep at most so many entries; none: no limit
    #[arg(long, value_name = "COUNT", value_parser = parse_count_or_none)]
    maxlen: Option<Setting<u64>>,
    /// Let entries go so long after the time in their ids, such as 12h or 7d; none: never
    #[arg(long, value_name = "TIME", value_parser = parse_duration_or_none)]
    maxage: Option<Setting<Duration>>,
    /// Keep at most so many bytes in names and values, such as 512mb; none: no limit
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes_or_none)]
    maxbytes: Option<Setting<u64>>,
    /// What may go: all, or only what every group has acknowledged
    #[arg(long, value_name = "WHAT")]
    retain: Option<RetainWord>,
    /// What an addition does for which there is no room: the oldest entries give way, or it is
    /// refused; default: as fits to --retain
    #[arg(long, value_name = "HOW")]
    overflow: Option<OverflowWord>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RetainWord {
    All,
    Unacked,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OverflowWord {
    Drop,
    Reject,
    Default,
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    retention: RetentionRow,
}

impl Items {
    fn given(&self) -> Vec<RetentionItem> {
        let retain = self.retain.map(|word| match word {
            RetainWord::All => Retain::All,
            RetainWord::Unacked => Retain::Unacked,
        });
        let overflow = self.overflow.map(|word| match word {
            OverflowWord::Drop => Some(Overflow::Drop),
            OverflowWord::Reject => Some(Overflow::Reject),
            OverflowWord::Default => None,
        });
        let items = [
            self.maxlen.map(|limit| RetentionItem::MaxLength(limit.0)),
            self.maxage.map(|age| RetentionItem::MaxAge(age.0)),
            self.maxbytes.map(|limit| RetentionItem::MaxBytes(limit.0)),
            retain.map(RetentionItem::Retain),
            overflow.map(RetentionItem::Overflow),
        ];
        items.into_iter().flatten().collect()
    }
}

pub(super) async fn policy(server: &ServerOptions, options: &PolicyOptions) -> anyhow::Result<()> {
    let key = server.name(&options.stream)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let items = options.items.given();
    let verb = if items.is_empty() { "look at" } else { "change" };
    let failed = |error: Error| match error {
        Error::Unsupported { .. } if !error.is_untold() => anyhow::anyhow!(
            "{} at {} has no retention of streams\n  next: trim with `millstream stream trim`, or \
             with MAXLEN or MINID of each XADD",
            server.is_called(),
            server.address
        ),
        error => server.cannot(format!("{verb} what stream {key} keeps"))(error),
    };
    let stream = server.stream(&key);
    if !items.is_empty() {
        stream.change_retention(&items).await.map_err(failed)?;
    }
    let retention = match stream.retention().await {
        Err(error) if error.is_no_stream() => return Err(server.no_stream(&key)),
        other => other.map_err(failed)?,
    };
    if is_json {
        let retention = RetentionRow::from(&retention);
        print_json(&Document { stream: key.json(), retention })?;
    } else {
        print_facts(&retention_facts(&retention))?;
    }
    Ok(())
}
