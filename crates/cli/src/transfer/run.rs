//! Copying the streams one after the other, and saying what became of each.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use millstream::{StreamCopy, StreamCopyError};

use super::TransferOptions;
use super::outcome::{COLUMNS, NOT_PERMITTED, OutcomeRow};
use super::plan::{Planned, check, plan};
use super::progress::Progress;
use crate::byte_size;
use crate::duration::milliseconds;
use crate::or_refused::not_for_this_user;
use crate::output::{List, entries, notice, plural, print_line, short, visible};
use crate::server::{Server, ServerOptions};

/// Remarks are kept until the table is printed; more of them are in the JSON only.
const REMARKS_MAX: usize = 1000;

/// What all of it came to.
#[derive(Default)]
struct Total {
    copied: u64,
    different: u64,
    entries: u64,
    bytes: u64,
    remarks: Vec<String>,
}

/// The copy that is under way; what it has written goes if it is interrupted.
type UnderWay = RefCell<Option<StreamCopy>>;

/// Copies until it is done, or until Ctrl-C.
pub(super) async fn transfer(
    server: &ServerOptions,
    options: &TransferOptions,
    connect: impl Future<Output = anyhow::Result<(Server, Server)>>,
) -> anyhow::Result<()> {
    let under_way = UnderWay::default();
    let work = async {
        let (source, target) = connect.await?;
        copy_all(server, options, [&source, &target], &under_way).await
    };
    tokio::select! {
        biased;
        done = work => done,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("watch for Ctrl-C")?;
            if let Some(copy) = under_way.take() {
                let cleared = copy.discard().await;
                cleared.context("interrupted, and what was half written could not be removed")?;
            }
            bail!("interrupted: streams are there whole or not at all, what was half written is not")
        }
    }
}

async fn copy_all(
    server: &ServerOptions,
    options: &TransferOptions,
    [source, target]: [&Server; 2],
    under_way: &UnderWay,
) -> anyhow::Result<()> {
    let planned = plan(server, options, source, target).await?;
    let mut list = List::new(server.json, "streams", COLUMNS);
    if options.dry_run {
        for planned in &planned {
            let row = would(planned, options, source).await?;
            list.row(&row, || row.cells(planned))?;
        }
    } else {
        check(&planned, options, target)?;
    }
    let begun = Instant::now();
    let mut total = Total::default();
    let mut failed = None;
    if !options.dry_run {
        for (index, one) in planned.iter().enumerate() {
            let mut progress = Progress::new(&one.from.to_string(), index + 1, planned.len());
            let done = copy(one, options, [source, target], under_way, &mut progress).await;
            drop(progress);
            let row = match done {
                Ok(row) => row,
                Err(error) => {
                    failed = Some(error);
                    OutcomeRow::new(one, "failed")
                }
            };
            total.note(one, &row);
            list.row(&row, || row.cells(one))?;
            if failed.is_some() {
                break;
            }
        }
    }
    let elapsed = begun.elapsed();
    let count = list.end(&[
        ("from", source.address.clone().into()),
        ("to", target.address.clone().into()),
        ("entries", total.entries.into()),
        ("bytes", total.bytes.into()),
        ("elapsed_ms", milliseconds(elapsed).into()),
        ("is_dry_run", options.dry_run.into()),
    ])?;
    if !server.json {
        let refused = planned.iter().filter(|one| one.is_refused).count() as u64;
        if refused > 0 {
            notice(&not_for_this_user(refused, &source.address));
        }
        match count {
            0 => notice(&format!("no streams to copy at {}", source.address)),
            _ if total.copied > 0 => total.print(elapsed)?,
            _ => {}
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    if total.different > 0 {
        let (copies, address) = (plural(total.different, "stream"), &target.address);
        return Err(anyhow!(
            "{copies} differed after copying, and {address} has what it had before\n  next: look \
             at the differences; --accept-differences keeps such a copy"
        ));
    }
    Ok(())
}

/// What would become of a stream.
async fn would(
    planned: &Planned,
    options: &TransferOptions,
    source: &Server,
) -> anyhow::Result<OutcomeRow> {
    if planned.is_refused {
        return Ok(OutcomeRow::new(planned, NOT_PERMITTED));
    }
    let outcome = match (planned.is_there, options.skip_existing, options.replace) {
        (false, ..) => "would be copied",
        (true, true, _) => "would be skipped",
        (true, _, true) => "would be replaced",
        (true, ..) => "is there already",
    };
    let cannot = source.cannot(format!("look at stream {}", planned.from));
    let mut row = OutcomeRow::new(planned, outcome);
    if let Some(info) = source.stream(&planned.from).info().await.map_err(&cannot)? {
        let groups = source.groups(&planned.from).groups().await.map_err(&cannot)?;
        row.entries = Some(info.length);
        row.groups = Some(groups.len() as u64);
        row.pending = Some(groups.iter().map(|group| group.pending).sum());
    }
    Ok(row)
}

async fn copy(
    planned: &Planned,
    options: &TransferOptions,
    [source, target]: [&Server; 2],
    under_way: &UnderWay,
    progress: &mut Progress,
) -> anyhow::Result<OutcomeRow> {
    if planned.is_refused {
        return Ok(OutcomeRow::new(planned, NOT_PERMITTED));
    }
    if planned.is_there && options.skip_existing {
        return Ok(OutcomeRow::new(planned, "skipped"));
    }
    let Planned { from, to, .. } = planned;
    let begun = Instant::now();
    let copy = StreamCopy::new(&source.millstream, from, &target.millstream, to)
        .replace(options.replace)
        .verify(!options.no_verify)
        .accept_differences(options.accept_differences);
    let what = format!("copy stream {from}");
    under_way.replace(Some(copy.clone()));
    let done = copy.run(|how_far| progress.show(how_far)).await;
    under_way.take();
    match done {
        Ok(copied) => Ok(OutcomeRow::copied(planned, &copied, begun.elapsed())),
        Err(StreamCopyError::Source(error)) => Err(source.cannot(what)(error)),
        Err(StreamCopyError::Target(error)) => {
            Err(target.cannot(format!("write the copy of stream {from}"))(error))
        }
        // It went since the streams were chosen.
        Err(StreamCopyError::NoStream) => Err(source.no_stream(from)),
        Err(error) => Err(anyhow!("cannot {what} from {}: {error}", source.address)),
    }
}

impl Total {
    fn note(&mut self, planned: &Planned, row: &OutcomeRow) {
        if let Some((entries, bytes)) = row.amount() {
            self.copied += 1;
            self.entries += entries;
            self.bytes += bytes;
        }
        self.different += u64::from(row.is_lost());
        let remarks = row.remarks().into_iter().map(|it| format!("{}: {it}", planned.from));
        let room = REMARKS_MAX.saturating_sub(self.remarks.len());
        self.remarks.extend(remarks.take(room));
    }

    fn print(&self, elapsed: Duration) -> std::io::Result<()> {
        for remark in &self.remarks {
            print_line(&visible(remark.as_bytes()))?;
        }
        let rate = self.entries as f64 / elapsed.as_secs_f64().max(0.001);
        let (count, size) = (entries(self.entries), byte_size::show(Some(self.bytes)));
        print_line(&format!("{count}  {size}  {}  {rate:.0} entries/s", short(elapsed)))
    }
}
