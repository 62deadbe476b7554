//! `millstream schedule add`: an entry that comes later.

use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use millstream::DelayedMessages;
use serde::Serialize;

use super::field::parse_fields;
use super::token::due_ms;
use crate::duration::parse_duration;
use crate::moment::{moment, parse_moment};
use crate::output::{JsonBytes, notice, print_json, print_line};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream schedule add reminders --in 30m order_id=7 kind=unpaid
  millstream schedule add reminders --at 2026-12-24T18:00:00+01:00 order_id=7
  millstream schedule add reminders --in 7d order_id=7 --json | jq -r .token

It prints a token, the name of the delayed entry for `schedule cancel` and `schedule run`. What is
due is appended as by XADD, with an id of that moment. Millstream does that by itself, to the
millisecond; on Redis and Valkey, which have no schedule, workers of the toolkit on this stream do,
or `millstream schedule run STREAM --due --yes`. For what comes again and again, run this command by
cron or a timer.";

#[derive(Debug, clap::Args)]
pub(crate) struct AddOptions {
    /// Key of the stream; it need not be there yet
    stream: OsString,
    /// So long from now by the clock of the server, such as 90s, 30m or 7d
    #[arg(
        long = "in",
        value_name = "TIME",
        value_parser = parse_duration,
        required_unless_present = "at",
        conflicts_with = "at"
    )]
    delay: Option<Duration>,
    /// At this moment: RFC 3339 with an offset, such as 2026-11-27T08:00:00Z or
    /// 2026-11-27T09:00+01:00, or Unix milliseconds. What is over is due at once
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    at: Option<SystemTime>,
    /// Fields of the entry, of any bytes; the first equals sign ends the name
    #[arg(required = true, value_name = "FIELD=VALUE")]
    fields: Vec<OsString>,
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    token: String,
    /// Unix time.
    due_ms: Option<u64>,
}

pub(super) async fn add(server: &ServerOptions, options: &AddOptions) -> anyhow::Result<()> {
    let key = server.name(&options.stream)?;
    let fields = parse_fields(options.fields.iter().map(OsString::as_os_str))?;
    let is_json = server.json;
    let server = server.connect().await?;
    let delayed = DelayedMessages::new(&server.millstream, &key);
    let added = match (options.delay, options.at) {
        (Some(delay), _) => delayed.add_after(delay, &fields).await,
        (None, Some(at)) => delayed.add_at(at, &fields).await,
        (None, None) => unreachable!("one of the two is required"),
    };
    let token = added.map_err(server.cannot(format!("delay an entry of stream {key}")))?;
    let due_ms = due_ms(&token);
    if is_json {
        print_json(&Document { stream: key.json(), token, due_ms })?;
        return Ok(());
    }
    let due = SystemTime::UNIX_EPOCH + Duration::from_millis(due_ms.unwrap_or_default());
    print_line(&format!("{token} of stream {key} is due at {}", moment(due)))?;
    if !server.millstream.abilities().has_schedule {
        notice(&format!(
            "{} has no schedule: workers of the toolkit on {key} move what is due, or `millstream \
             schedule run --due`",
            server.is_called()
        ));
    }
    Ok(())
}
