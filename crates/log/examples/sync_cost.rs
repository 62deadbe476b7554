//! What a write and its sync cost on prepared space and on space that extends the file.
//!
//! `cargo run --release -p millstream-log --example sync_cost -- DIRECTORY [BATCHES]`

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_log::{LogOptions, LogPosition, OsStorage, Prepared, open};

const RECORD_BYTES: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let directory = arguments.next().ok_or("usage: sync_cost DIRECTORY [BATCHES]")?;
    let batches = match arguments.next() {
        Some(text) => text.to_string_lossy().parse()?,
        None => 5000,
    };
    for (name, prepares) in [("prepared", true), ("appended", false)] {
        let directory = Path::new(&directory).join(format!("sync-cost-{name}"));
        let mut times = measure(&directory, batches, prepares)?;
        times.sort_unstable();
        let mean = times.iter().sum::<Duration>() / batches;
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!("{name}: mean {mean:.1?}, p50 {:.1?}, p99 {:.1?}", at(0.5), at(0.99));
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(())
}

fn measure(
    directory: &Path,
    batches: u32,
    prepares: bool,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let storage = Arc::new(OsStorage::open(directory)?);
    let mut options = LogOptions::default();
    options.head_bytes = 0;
    let from = LogPosition::ZERO;
    let mut log = open(storage, options, from, &mut |_| Ok(()), &mut |_| {})?;
    while prepares && log.preparer.step()? == Prepared::Grew {}
    let mut times = Vec::with_capacity(batches as usize);
    for _ in 0..batches {
        let mut record = log.buffer.record();
        record.put_slice(&[0x5a; RECORD_BYTES]);
        record.finish();
        let mut batch = log.buffer.take().ok_or("a finished record makes a batch")?;
        let start = Instant::now();
        log.committer.write(&mut batch)?;
        log.committer.sync()?;
        times.push(start.elapsed());
        log.buffer.give_back(batch);
    }
    Ok(times)
}
