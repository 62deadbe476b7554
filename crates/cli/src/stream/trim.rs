//! `millstream stream trim`: the oldest entries go.

use std::ffi::OsString;
use std::time::Duration;

use millstream::{EntryId, Trim};
use serde::Serialize;

use crate::duration::parse_duration;
use crate::entry_id::parse_id;
use crate::output::{JsonBytes, entries, print_json, print_line};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream stream trim orders --maxlen 100000 --dry-run
  millstream stream trim orders --maxage 7d
  millstream stream trim orders --minid 1764129600000-0";

#[derive(Debug, clap::Args)]
pub(crate) struct TrimOptions {
    /// Key of the stream
    stream: OsString,
    #[command(flatten)]
    limit: Limit,
    /// Only say how many entries would go. With --minid and --maxage those are read to be counted
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Limit {
    /// Keep the newest so many entries
    #[arg(long, value_name = "COUNT")]
    maxlen: Option<u64>,
    /// Keep this entry and those behind it
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    minid: Option<EntryId>,
    /// Keep what is younger by the time in its id, as the server's clock sees it: 30s, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    maxage: Option<Duration>,
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    /// Entries that went, or would go.
    trimmed: u64,
    length: u64,
    is_dry_run: bool,
}

impl Limit {
    fn trim(&self) -> Trim {
        match (self.maxlen, self.minid, self.maxage) {
            (Some(length), ..) => Trim::ToLength(length),
            (_, Some(id), _) => Trim::Before(id),
            (.., Some(age)) => Trim::OlderThan(age),
            _ => unreachable!("one of them is required"),
        }
    }
}

pub(super) async fn trim(server: &ServerOptions, options: &TrimOptions) -> anyhow::Result<()> {
    let key = server.name(&options.stream)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let cannot = server.cannot(format!("trim stream {key}"));
    let stream = server.stream(&key);
    if stream.info().await.map_err(&cannot)?.is_none() {
        return Err(server.no_stream(&key));
    }
    let trim = options.limit.trim();
    let trimmed = match options.dry_run {
        true => stream.would_trim(trim).await,
        false => stream.trim(trim).await,
    };
    let trimmed = trimmed.map_err(&cannot)?;
    let length = stream.info().await.map_err(&cannot)?.map_or(0, |info| info.length);
    let count = entries(trimmed);
    if is_json {
        let is_dry_run = options.dry_run;
        print_json(&Document { stream: key.json(), trimmed, length, is_dry_run })?;
    } else if options.dry_run {
        let left = length.saturating_sub(trimmed);
        print_line(&format!("{count} of {key} would go, {left} left"))?;
    } else {
        print_line(&format!("{count} of {key} went, {length} left"))?;
    }
    Ok(())
}
