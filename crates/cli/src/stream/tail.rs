//! `millstream stream tail`: entries of a stream as they are, and as they come.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::ops::Bound;
use std::time::Duration;

use millstream::{EntryId, Error, Fields, StreamEntry, StreamManager};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::entry_id::parse_id;
use crate::name::Name;
use crate::output::{notice, visible};
use crate::server::{Server, ServerOptions};

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream stream tail orders
  millstream stream tail orders --count 0 --follow
  millstream stream tail orders --from 1764129600000-0 --json | jq .fields";

/// Entries that are read at the same time.
const READ_AT_ONCE: usize = 100;
/// A server that is gone without a word is noticed within this and the time for an answer.
const WAIT: Duration = Duration::from_secs(10);
/// Between two tries to reach a server that went away.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct TailOptions {
    /// Key of the stream; with --follow it need not be there yet
    stream: OsString,
    /// Most entries to print before it follows, the newest ones; with --from the first ones from
    /// there on [default: 10, with --from all]
    #[arg(long, short = 'n', value_name = "COUNT")]
    count: Option<u64>,
    /// Print the entries from this id on
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    from: Option<EntryId>,
    /// Go on with what is added, until Ctrl-C
    #[arg(long, short = 'f')]
    pub(super) follow: bool,
}

/// An entry, on one line.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    fields: &'a RawValue,
}

pub(super) async fn tail(server: &ServerOptions, options: &TailOptions) -> anyhow::Result<()> {
    let key = server.name(&options.stream)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let printed = print_present(&server, &key, options, is_json).await?;
    match printed {
        Some(last) if options.follow => follow(&server, &key, last, is_json).await,
        Some(_) => Ok(()),
        None => Err(server.no_stream(&key)),
    }
}

/// What is there. Returns the id behind which the following begins; `None`: there is no stream, and
/// there must be one.
async fn print_present(
    server: &Server,
    key: &Name,
    options: &TailOptions,
    is_json: bool,
) -> anyhow::Result<Option<EntryId>> {
    let cannot = server.cannot(format!("read stream {key}"));
    let stream = server.stream(key);
    // Before the entries: what is added between the two is read, not passed over.
    let last = match stream.info().await.map_err(&cannot)? {
        Some(info) => info.last_generated,
        None if options.follow => EntryId::ZERO,
        None => return Ok(None),
    };
    let count = options.count.unwrap_or(if options.from.is_some() { u64::MAX } else { 10 });
    let start = match options.from {
        Some(from) => Some(from),
        None if count > 0 && count <= READ_AT_ONCE as u64 => {
            let newest = stream.newest(.., at_once(count)).await.map_err(&cannot)?;
            print(&newest, is_json)?;
            return Ok(Some(newest.last().map_or(last, |entry| entry.id)));
        }
        None => start_of_newest(&stream, count).await.map_err(&cannot)?,
    };
    let Some(start) = start else { return Ok(Some(last)) };
    let printed = print_from(&stream, start, count, is_json, &cannot).await?;
    let behind = match (printed, options.from) {
        (Some(printed), _) => printed,
        (None, Some(from)) => from.before(),
        // They were deleted just now.
        (None, None) => last,
    };
    Ok(Some(behind))
}

/// The first of the newest `count` entries. Many of them are gone through in pieces, so that they
/// can be printed in pieces, too.
async fn start_of_newest(stream: &StreamManager, count: u64) -> Result<Option<EntryId>, Error> {
    let (mut first, mut left) = (None, count);
    while left > 0 {
        let end = first.map_or(Bound::Unbounded, Bound::Excluded);
        let wanted = at_once(left);
        let entries = stream.newest((Bound::Unbounded, end), wanted).await?;
        first = entries.first().map(|entry| entry.id).or(first);
        if entries.len() < wanted {
            break;
        }
        left -= entries.len() as u64;
    }
    Ok(first)
}

/// At most `left` entries. Returns the last one.
async fn print_from(
    stream: &StreamManager,
    start: EntryId,
    mut left: u64,
    is_json: bool,
    cannot: impl Fn(Error) -> anyhow::Error,
) -> anyhow::Result<Option<EntryId>> {
    let mut printed = None;
    while left > 0 {
        let from = printed.map_or(Bound::Included(start), Bound::Excluded);
        let wanted = at_once(left);
        let entries = stream.entries((from, Bound::Unbounded), wanted).await.map_err(&cannot)?;
        print(&entries, is_json)?;
        printed = entries.last().map(|entry| entry.id).or(printed);
        if entries.len() < wanted {
            break;
        }
        left -= entries.len() as u64;
    }
    Ok(printed)
}

fn at_once(left: u64) -> usize {
    usize::try_from(left).map_or(READ_AT_ONCE, |left| left.min(READ_AT_ONCE))
}

/// What is added; Ctrl-C ends it. A server that goes away is waited for.
async fn follow(
    server: &Server,
    key: &Name,
    mut after: EntryId,
    is_json: bool,
) -> anyhow::Result<()> {
    let cannot = server.cannot(format!("follow stream {key}"));
    let stream = server.stream(key);
    let mut reader = stream.reader(after).await.map_err(&cannot)?;
    loop {
        match reader.next(READ_AT_ONCE, WAIT).await {
            Ok(entries) => {
                print(&entries, is_json)?;
                after = entries.last().map_or(after, |entry| entry.id);
            }
            Err(error) if error.is_temporary() => {
                notice(&format!("lost {}: {error}; trying again", server.address));
                reader = loop {
                    match stream.reader(after).await {
                        Ok(reader) => break reader,
                        Err(error) if error.is_temporary() => sleep(RETRY_PAUSE).await,
                        Err(error) => return Err(cannot(error)),
                    }
                };
                notice(&format!("going on behind {after}"));
            }
            Err(error) => return Err(cannot(error)),
        }
    }
}

fn print(entries: &[StreamEntry], is_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for entry in entries {
        if is_json {
            let fields = RawValue::from_string(entry.fields.to_json())?;
            let line = Line { id: entry.id.to_string(), fields: &fields };
            out.write_all(&serde_json::to_vec(&line)?)?;
        } else {
            write!(out, "{}", entry.id)?;
            write_fields(&mut out, &entry.fields)?;
        }
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn write_fields(out: &mut impl io::Write, fields: &Fields) -> io::Result<()> {
    for (name, value) in fields.iter() {
        write!(out, "  {}={}", visible(name), visible(value))?;
    }
    Ok(())
}
