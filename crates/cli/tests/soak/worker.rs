//! Who reads, handles and acknowledges, until it dies of one of several causes and another one
//! comes in its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;
use redis::{Cmd, Connection, Value, cmd};

use crate::consumed::{Consumed, claimed, read};
use crate::ledger::{GROUPS, GroupAccount, Ledger, STREAMS, work_stream};

const BATCH: usize = 64;
/// When others may take over: VISIBILITY of the one group, what the other's workers claim.
const IDLE_MS: u64 = 5000;
/// How often a worker of a group as in Redis looks for what the dead have left.
const CLAIM_EVERY: Duration = Duration::from_millis(500);
/// A worker lives for so long, up to six times.
const SHORTEST_LIFE_MS: u64 = 2000;
/// In a short run.
const SHORT_LIFE_MS: u64 = 200;

/// How a worker ends, in the middle of its work.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// With messages in hand.
    Handling,
    /// Before the reply to its acknowledgement came.
    Acknowledging,
    /// With half a command sent.
    Sending,
    /// It hangs for so long that others take over, and goes on as if nothing were.
    Hanging,
}

const DEATHS: [Death; 4] = [Death::Handling, Death::Acknowledging, Death::Sending, Death::Hanging];

struct Worker<'a> {
    ledger: &'a Ledger,
    account: &'a GroupAccount,
    connection: Connection,
    key: String,
    group: usize,
    name: String,
}

/// The place of one worker after the other.
pub(crate) fn start(ledger: &Arc<Ledger>, group: usize, number: usize) -> JoinHandle<()> {
    let ledger = Arc::clone(ledger);
    thread::spawn(move || {
        let mut dice = Rng::with_seed((group * 100 + number) as u64);
        let shortest_ms = if ledger.is_long { SHORTEST_LIFE_MS } else { SHORT_LIFE_MS };
        for life in 0_u64.. {
            if !ledger.is_working() {
                break;
            }
            let lives = Duration::from_millis(dice.u64(shortest_ms..shortest_ms * 6));
            let death = dice.choice(DEATHS).expect("there are some");
            let name = format!("w{number}-{life}");
            ledger.born(&name);
            let mut worker = Worker {
                account: &ledger.groups[group],
                connection: ledger.connect(),
                key: work_stream(number % STREAMS),
                group,
                name: name.clone(),
                ledger: &ledger,
            };
            worker.live(Instant::now() + lives, death);
            drop(worker);
            ledger.died(&name);
        }
    })
}

impl Worker<'_> {
    fn call(&mut self, command: &Cmd) -> Value {
        command.query(&mut self.connection).expect("no command of a worker fails")
    }

    fn live(&mut self, until: Instant, death: Death) {
        let mut claim_next = Instant::now();
        while self.ledger.is_working() {
            let mut reading = cmd("XREADGROUP");
            reading.arg("GROUP").arg(GROUPS[self.group]).arg(&self.name);
            reading.arg("COUNT").arg(BATCH).arg("BLOCK").arg(200).arg("STREAMS").arg(&self.key);
            let mut batch = read(&self.call(reading.arg(">")));
            if self.group == 1 && claim_next <= Instant::now() {
                claim_next = Instant::now() + CLAIM_EVERY;
                let mut claiming = cmd("XAUTOCLAIM");
                claiming.arg(&self.key).arg(GROUPS[1]).arg(&self.name).arg(IDLE_MS).arg("0-0");
                batch.extend(claimed(&self.call(claiming.arg("COUNT").arg(BATCH * 4))));
            }
            if batch.is_empty() {
                continue;
            }
            // Nobody dies at the end, so that it comes.
            if until <= Instant::now() && self.ledger.is_producing() {
                add(&self.account.deaths, 1);
                return self.die(&batch, death);
            }
            self.handle(&batch);
            self.settle(&batch);
        }
    }

    fn handle(&self, batch: &[Consumed]) {
        batch.iter().for_each(|message| self.account.see(message.number));
    }

    fn fails(&self, message: &Consumed) -> bool {
        self.group == 0 && Ledger::is_poison(message.number)
    }

    fn settle(&mut self, batch: &[Consumed]) {
        let (failed, done): (Vec<_>, Vec<_>) = batch.iter().partition(|it| self.fails(it));
        if !done.is_empty() {
            let acknowledged = count(&self.call(&self.acknowledgement(&done)));
            add(&self.account.acknowledged, acknowledged);
        }
        if !failed.is_empty() {
            let mut nack = cmd("XNACK");
            nack.arg(&self.key).arg(GROUPS[self.group]).arg("FAIL").arg("IDS").arg(failed.len());
            failed.iter().for_each(|it| _ = nack.arg(&it.id));
            let failures = count(&self.call(nack.arg("ERROR").arg("it never works")));
            add(&self.account.failures, failures);
        }
    }

    fn acknowledgement(&self, done: &[&Consumed]) -> Cmd {
        let mut ack = cmd("XACK");
        ack.arg(&self.key).arg(GROUPS[self.group]);
        done.iter().for_each(|it| _ = ack.arg(&it.id));
        ack
    }

    /// Its connection ends with it.
    fn die(&mut self, batch: &[Consumed], death: Death) {
        let done: Vec<&Consumed> = batch.iter().filter(|it| !self.fails(it)).collect();
        match death {
            Death::Handling => self.handle(&batch[..batch.len() / 2]),
            Death::Acknowledging if !done.is_empty() => {
                self.handle(batch);
                let bytes = self.acknowledgement(&done).get_packed_command();
                self.connection.send_packed_command(&bytes).expect("it is sent");
                add(&self.account.unknown, done.len() as u64);
            }
            Death::Sending | Death::Acknowledging => {
                self.handle(batch);
                let bytes = self.acknowledgement(&done).get_packed_command();
                let half = &bytes[..bytes.len() / 2];
                self.connection.send_packed_command(half).expect("it is sent");
            }
            Death::Hanging => {
                self.handle(batch);
                thread::sleep(Duration::from_millis(IDLE_MS + 2000));
                let mut ack = cmd("XACK");
                ack.arg(&self.key).arg(GROUPS[self.group]).arg("FENCE").arg(&self.name);
                done.iter().for_each(|it| _ = ack.arg(&it.id));
                if !done.is_empty() {
                    let acknowledged = count(&self.call(&ack));
                    add(&self.account.acknowledged, acknowledged);
                    add(&self.account.fenced, done.len() as u64 - acknowledged);
                }
            }
        }
    }
}

fn add(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

fn count(reply: &Value) -> u64 {
    match reply {
        Value::Int(count) => u64::try_from(*count).expect("a count"),
        other => panic!("no count: {other:?}"),
    }
}
