//! What the process takes, every now and then, and whether it becomes more.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::{GROUPS, Ledger, STREAMS, work_stream};
use crate::process::Process;
use crate::raw::{Raw, resident_bytes};

const MB: u64 = 1 << 20;
/// Of a whole run.
const COUNT: u32 = 120;

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at: Duration,
    added: u64,
    under_way: u64,
    resident: u64,
    descriptors: u64,
    threads: u64,
    files: u64,
    disk: u64,
    consumers: u64,
    checkpoints: u64,
    /// How long the slowest hundredth of batches waited for their replies.
    p99: Duration,
    longest: Duration,
}

/// All of them, so far.
pub(crate) struct Samples {
    process: u32,
    address: String,
    admin: String,
    directory: PathBuf,
    begun: Instant,
    every: Duration,
    duration: Duration,
    all: Vec<Sample>,
}

/// A quantity of samples that is judged, and how much more of it is no growth: a share of what it
/// was, and an amount.
struct Quantity {
    name: &'static str,
    of: fn(&Sample) -> u64,
    share: f64,
    amount: u64,
}

const JUDGED: [Quantity; 6] = [
    Quantity { name: "resident memory", of: |it| it.resident, share: 0.05, amount: 8 * MB },
    Quantity { name: "open files", of: |it| it.descriptors, share: 0.0, amount: 4 },
    Quantity { name: "threads", of: |it| it.threads, share: 0.0, amount: 1 },
    Quantity { name: "files", of: |it| it.files, share: 0.1, amount: 2 },
    Quantity { name: "bytes on disk", of: |it| it.disk, share: 0.1, amount: 64 * MB },
    Quantity { name: "consumers", of: |it| it.consumers, share: 0.2, amount: 8 },
];

impl Samples {
    pub(crate) fn new(server: &Process, directory: &Path, duration: Duration) -> Self {
        let admin = server.first_lines.iter().find_map(|line| line.split_once("http://"));
        let (_, admin) = admin.expect("it says where its dashboard is");
        let admin = admin.split(|it: char| it != ':' && it != '.' && !it.is_ascii_digit()).next();
        Self {
            process: server.child.id(),
            address: server.address.clone(),
            admin: admin.expect("an address").to_owned(),
            directory: directory.to_owned(),
            begun: Instant::now(),
            every: duration / COUNT,
            duration,
            all: Vec::new(),
        }
    }

    /// Waits for the next one; `false`: that was the last.
    pub(crate) fn take(&mut self, ledger: &Ledger) -> bool {
        let next = self.every * (self.all.len() as u32 + 1);
        thread::sleep(next.saturating_sub(self.begun.elapsed()));
        let mut waits = ledger.take_waits();
        waits.sort_unstable();
        let proc = PathBuf::from(format!("/proc/{}", self.process));
        let entries = |what: &str| fs::read_dir(proc.join(what)).expect("it runs").count() as u64;
        let (files, disk) = usage(&self.directory);
        let mut client = Raw::connect(&self.address);
        let sample = Sample {
            at: self.begun.elapsed(),
            added: ledger.added(),
            under_way: ledger.added().saturating_sub(ledger.handled_by_all()),
            resident: resident_bytes(self.process),
            descriptors: entries("fd"),
            threads: entries("task"),
            files,
            disk,
            consumers: consumers(&mut client),
            checkpoints: client.number("millstream_checkpoints"),
            p99: waits.get(waits.len() * 99 / 100).copied().unwrap_or_default(),
            longest: waits.last().copied().unwrap_or_default(),
        };
        scrape(&self.admin);
        self.all.push(sample);
        if self.all.len().is_multiple_of(10) {
            println!("{}", row(&sample));
        }
        self.begun.elapsed() < self.duration
    }

    /// The half before the last and the last quarter, by their medians.
    pub(crate) fn print(&self) {
        let waits: Vec<Duration> = self.all.iter().map(|it| it.p99).collect();
        let longest = self.all.iter().map(|it| it.longest).max().expect("there are samples");
        let checkpoints = self.all.last().expect("there are samples").checkpoints;
        println!(
            "soak: p99 of a batch of 64 in the median {:.1} ms, the longest {:.0} ms; \
             {checkpoints} checkpoints",
            median(waits).as_secs_f64() * 1000.0,
            longest.as_secs_f64() * 1000.0
        );
        for quantity in &JUDGED {
            let (before, last) = self.quarters(quantity);
            println!("soak: {}: second quarter {before}, last quarter {last}", quantity.name);
        }
    }

    /// # Panics
    /// If something grew from the second quarter of the run to the last.
    pub(crate) fn judge(&self) {
        for quantity in &JUDGED {
            let (before, last) = self.quarters(quantity);
            let most = before + (before as f64 * quantity.share) as u64 + quantity.amount;
            assert!(last <= most, "{} grew from {before} to {last}", quantity.name);
        }
    }

    fn quarters(&self, quantity: &Quantity) -> (u64, u64) {
        let quarter = self.all.len() / 4;
        let of = |samples: &[Sample]| median(samples.iter().map(quantity.of).collect());
        (of(&self.all[quarter..quarter * 2]), of(&self.all[quarter * 3..]))
    }
}

fn row(sample: &Sample) -> String {
    format!(
        "soak: {:>4.0} s: {} added, {} under way, {} MB resident, {} open, {} threads, {} files, \
         {} MB on disk, {} consumers, {} checkpoints, p99 {:.1} ms, longest {:.0} ms",
        sample.at.as_secs_f64(),
        sample.added,
        sample.under_way,
        sample.resident / MB,
        sample.descriptors,
        sample.threads,
        sample.files,
        sample.disk / MB,
        sample.consumers,
        sample.checkpoints,
        sample.p99.as_secs_f64() * 1000.0,
        sample.longest.as_secs_f64() * 1000.0
    )
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Files of a directory and those below it, and the bytes that they take.
fn usage(directory: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(directory).expect("the directory of the server").flatten() {
        // A file may be gone by now.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            let (more_files, more_bytes) = usage(&entry.path());
            (files, bytes) = (files + more_files, bytes + more_bytes);
        } else {
            (files, bytes) = (files + 1, bytes + metadata.blocks() * 512);
        }
    }
    (files, bytes)
}

fn consumers(client: &mut Raw) -> u64 {
    let mut count = 0;
    for stream in 0..STREAMS {
        for group in GROUPS {
            let list = client.call(&["XINFO", "CONSUMERS", &work_stream(stream), group]);
            count += list.matches("\r\nname\r\n").count() as u64;
        }
    }
    count
}

/// As Prometheus does it.
fn scrape(admin: &str) {
    let mut stream = TcpStream::connect(admin).expect("the admin port");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
