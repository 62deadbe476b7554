//! A thousand readers wait on one group, and one entry at a time arrives.
//!
//! Every reader is a thread with a connection of its own, so no order among them is assumed. A
//! reader acknowledges its entry together with its next read.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::connection::{ANSWER_TIMEOUT, Connection};
use crate::entry_batch::EntryBatch;
use crate::goal::Goal;
use crate::latency::Latencies;
use crate::request::{append_argument, append_header, encode};
use crate::workload::{Client, Finished, Prepared, Round, Workload};

const READERS: usize = 1000;
/// A reader's thread holds a few calls and no buffers.
const STACK_BYTES: usize = 128 << 10;
/// All readers must be waiting by then.
const PARK_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a waiting reader looks whether the round is over. Deleting the key wakes it earlier.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "blocked-fanout",
    summary: "1,000 readers blocked on one group, one XADD at a time; read, XACK, block again",
    message: "entry",
    synced: false,
    messages: 4_000,
    round_trip: Some("XADD until a reader has the entry"),
    goals: &[Goal::cpu(0.1)],
    prepare,
}];

fn prepare(round: &Round) -> anyhow::Result<Prepared> {
    let mut control = round.create_group()?;
    let (delivered, deliveries) = mpsc::channel();
    // Dropped at the end of the round, which tells the readers to leave.
    let mut leave = Vec::new();
    for number in 0..READERS {
        let (stay, left) = mpsc::channel::<()>();
        leave.push(stay);
        let reader = Reader {
            address: round.address,
            key: round.key.clone(),
            consumer: format!("c{number}"),
            delivered: delivered.clone(),
            left,
        };
        thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn(move || reader.run())
            .context("start a reader")?;
    }
    wait_until_parked(&mut control, &round.key)?;
    let mut entry = EntryBatch::new(&round.key, 1, 1);
    let messages = round.messages.max(1);
    let client: Client = Box::new(move || {
        let _leave = leave;
        let mut latencies = Latencies::default();
        for _ in 0..messages {
            let sent_at = Instant::now();
            control.send(entry.fresh())?;
            control.entry_id()?;
            match deliveries.recv_timeout(ANSWER_TIMEOUT) {
                Ok(Ok(received_at)) => latencies.record(received_at - sent_at),
                Ok(Err(error)) => return Err(error),
                Err(_) => bail!("no reader was given the entry"),
            }
        }
        Ok(Finished::now(latencies))
    });
    let check = |_: &mut Connection| Ok(());
    Ok(Prepared { messages, clients: vec![client], check: Box::new(check) })
}

/// A blocking read creates its consumer, so all readers wait once there are as many consumers.
fn wait_until_parked(control: &mut Connection, key: &str) -> anyhow::Result<()> {
    let request = encode(&["XINFO", "CONSUMERS", key, "g"]);
    let started_at = Instant::now();
    loop {
        control.send(&request)?;
        let count = control.array()?.context("list the consumers")?;
        for _ in 0..count {
            control.skip_reply()?;
        }
        if count == READERS {
            return Ok(());
        }
        ensure!(started_at.elapsed() < PARK_TIMEOUT, "{count} of {READERS} readers are waiting");
        thread::sleep(Duration::from_millis(20));
    }
}

struct Reader {
    address: SocketAddr,
    key: String,
    consumer: String,
    delivered: Sender<anyhow::Result<Instant>>,
    /// Hangs up when the round is over.
    left: Receiver<()>,
}

impl Reader {
    fn run(self) {
        if let Err(error) = self.read_until_told_to_leave() {
            // Nobody listens any more once the round is over, and the error is of no interest then.
            let _ = self.delivered.send(Err(error));
        }
    }

    fn read_until_told_to_leave(&self) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address)?;
        let read = encode(&[
            "XREADGROUP",
            "GROUP",
            "g",
            &self.consumer,
            "COUNT",
            "1",
            "BLOCK",
            "0",
            "STREAMS",
            &self.key,
            ">",
        ]);
        let mut request = read.clone();
        loop {
            connection.send(&request)?;
            let acknowledges = request.len() > read.len();
            if acknowledges {
                ensure!(connection.integer()? == 1, "the entry was pending");
            }
            while !connection.has_answer_within(LOOK_INTERVAL)? {
                if matches!(self.left.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                    return Ok(());
                }
            }
            request.clear();
            append_header(&mut request, 4);
            ["XACK", &self.key, "g"]
                .iter()
                .for_each(|word| append_argument(&mut request, word.as_bytes()));
            let count = connection.stream_entries(&mut request)?;
            ensure!(count == 1, "a reader was given {count} entries instead of 1");
            self.delivered.send(Ok(Instant::now())).context("report the delivery")?;
            request.extend_from_slice(&read);
        }
    }
}
