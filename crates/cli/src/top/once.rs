//! What was seen as a table or as JSON, for what is no terminal. All groups are in it.

use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use super::columns::{GroupColumn, SortColumn as _};
use super::line::Line;
use super::listing::Listing;
use super::look::{Found, Looker};
use super::short_number::short_rate;
use super::survey::Survey;
use crate::duration::milliseconds;
use crate::name::Name;
use crate::output::{
    Column, JsonBytes, Table, notice, or_dash, print_json, short_or_dash, visible,
};
use crate::server::Server;

const COLUMNS: &[Column] = &[
    Column::text("STREAM"),
    Column::text("GROUP"),
    Column::number("IN/S"),
    Column::number("OUT/S"),
    Column::number("LAG"),
    Column::number("PENDING"),
    Column::number("OLDEST"),
    Column::number("CONSUMERS"),
    Column::number("DEAD"),
];

#[derive(Serialize)]
struct Document {
    groups: Vec<Row>,
    is_limited: bool,
}

/// What is not known is `None`.
#[derive(Serialize)]
struct Row {
    stream: JsonBytes,
    /// `None`: the stream has none.
    group: Option<JsonBytes>,
    length: u64,
    in_per_second: Option<f64>,
    out_per_second: Option<f64>,
    lag: Option<u64>,
    pending: Option<u64>,
    oldest_pending_ms: Option<u64>,
    oldest_undelivered_ms: Option<u64>,
    consumers: Option<u64>,
    dead_letters: Option<u64>,
    blocked_by: Option<String>,
}

/// One table, or one document.
pub(super) async fn print_one(
    server: Server,
    names: Vec<Name>,
    interval: Duration,
    sort: GroupColumn,
    is_json: bool,
) -> anyhow::Result<()> {
    let mut looker = Looker::new(server, names.clone(), Survey::of_all());
    look(&mut looker).await?;
    // What happens meanwhile gives the rates.
    sleep(interval).await;
    let found = look(&mut looker).await?;
    if found.lines.is_empty() && looker.is_exact() {
        let name = names.first().expect("one was named");
        return Err(looker.server().no_stream(name));
    }
    let address = looker.server().address.clone();
    print(found, sort, is_json, &address)
}

/// One document after each interval, until Ctrl-C.
pub(super) async fn print_all(
    server: Server,
    names: Vec<Name>,
    interval: Duration,
    sort: GroupColumn,
) -> anyhow::Result<()> {
    let mut looker = Looker::new(server, names, Survey::of_all());
    look(&mut looker).await?;
    loop {
        sleep(interval).await;
        let address = looker.server().address.clone();
        match look(&mut looker).await {
            Ok(found) => print(found, sort, true, &address)?,
            Err(error) => notice(&format!("{error}; trying again")),
        }
    }
}

async fn look(looker: &mut Looker) -> anyhow::Result<Found> {
    match looker.look_at_all().await {
        Ok(found) => Ok(found),
        Err(error) => Err(looker.server().cannot("look at streams and groups")(error)),
    }
}

fn print(found: Found, sort: GroupColumn, is_json: bool, address: &str) -> anyhow::Result<()> {
    let Found { lines, summary, refused, .. } = found;
    let mut listing = Listing::new(sort);
    listing.set_height(usize::MAX);
    listing.set_rows(lines);
    let sorted = listing.visible().map(|(line, _)| line);
    if let Some(refused) = &refused {
        notice(&format!("not all was seen: {}", visible(refused.as_bytes())));
    }
    if is_json {
        let groups = sorted.map(Row::from).collect();
        print_json(&Document { groups, is_limited: summary.is_cut })?;
        return Ok(());
    }
    let mut table = Table::new(COLUMNS);
    sorted.for_each(|line| table.row(cells(line)));
    table.print()?;
    if listing.rows().is_empty() {
        notice(&format!("no such streams at {address}"));
    } else if summary.is_cut {
        notice("there are more: name streams or a pattern");
    }
    Ok(())
}

fn cells(line: &Line) -> Vec<String> {
    vec![
        line.key.stream_name(),
        GroupColumn::Group.cell(line),
        or_dash(line.rate_in.map(short_rate)),
        or_dash(line.rate_out.map(short_rate)),
        or_dash(line.lag),
        or_dash(line.pending),
        short_or_dash(line.oldest()),
        or_dash(line.consumers),
        or_dash(line.dead_letters),
    ]
}

impl From<&Line> for Row {
    fn from(line: &Line) -> Self {
        Self {
            stream: JsonBytes(line.key.stream.clone()),
            group: line.key.group.clone().map(JsonBytes),
            length: line.length,
            in_per_second: line.rate_in,
            out_per_second: line.rate_out,
            lag: line.lag,
            pending: line.pending,
            oldest_pending_ms: line.pending_age.map(milliseconds),
            oldest_undelivered_ms: line.undelivered_age.map(milliseconds),
            consumers: line.consumers,
            dead_letters: line.dead_letters,
            blocked_by: line.blocked_by.clone(),
        }
    }
}
