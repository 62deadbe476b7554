//! Kill -9 at random moments under load, over and over, on one store.
//!
//! After each restart every client's keys must show the outcome of all of its answered commands,
//! and of a prefix of those that were not answered; a group that all clients share must have lost
//! and forgotten nothing. Every second store makes checkpoints all the time and keeps next to
//! nothing in memory. `cargo xtask long crashes` sets `MILLSTREAM_CRASH_ROUNDS` (12);
//! `MILLSTREAM_CRASH_SEED` repeats the commands, though not the moments.

#[path = "crashes/model.rs"]
mod model;
#[path = "support/process.rs"]
mod process;
#[path = "crashes/shared_group.rs"]
mod shared_group;

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use model::{Dice, Model, Op, commands, dump};
use process::Process;
use shared_group::SharedGroup;

const CLIENTS: usize = 8;
/// Then a new one is begun: a start reads the whole log.
const ROUNDS_OF_A_STORE: usize = 20;
const REPLY_LIMIT: Duration = Duration::from_secs(60);
/// By then a server under load has made a checkpoint.
const STORAGE_PATIENCE: Duration = Duration::from_secs(10);

struct Client {
    index: usize,
    /// After all answered commands.
    model: Model,
    /// Sent, not answered.
    open: VecDeque<Op>,
    next_n: u64,
    dice: Dice,
}

impl Client {
    /// Sends batches until the server is gone.
    fn run(&mut self, address: &str) {
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        stream.set_read_timeout(Some(REPLY_LIMIT)).expect("a limit above zero");
        let mut parser = redis::Parser::new();
        let mut latest = self.model.clone();
        loop {
            let mut bytes = Vec::new();
            let mut replies = Vec::new();
            for _ in 0..1 + self.dice.below(40) {
                self.next_n += 1;
                let op = latest.next_op(self.next_n, &mut self.dice);
                latest.apply(&op);
                let commands = commands(self.index, &op);
                replies.push(commands.len());
                commands.iter().for_each(|c| bytes.extend(c.get_packed_command()));
                self.open.push_back(op);
            }
            if stream.write_all(&bytes).is_err() {
                return;
            }
            for count in replies {
                for _ in 0..count {
                    let Ok(reply) = parser.parse_value(&mut stream) else { return };
                    assert!(!matches!(reply, redis::Value::ServerError(_)), "{reply:?}");
                }
                let op = self.open.pop_front().expect("one for each step sent");
                self.model.apply(&op);
            }
        }
    }

    /// Finds how much of what was not answered is there.
    fn verify(&mut self, connection: &mut redis::Connection) -> usize {
        let found = dump(self.index, connection);
        let mut tried = vec![self.model.text()];
        let mut kept = 0;
        while *tried.last().expect("never empty") != found {
            let Some(op) = self.open.pop_front() else {
                panic!(
                    "client {}: what is there is no outcome of what was sent\nfound  {found}\nfirst  {}\nlast   {}",
                    self.index,
                    tried[0],
                    tried[tried.len() - 1]
                );
            };
            self.model.apply(&op);
            tried.push(self.model.text());
            kept += 1;
        }
        self.open.clear();
        kept
    }
}

/// How the servers of a store are run.
#[derive(Clone, Copy)]
struct Setup {
    sync: &'static str,
    /// Checkpoints all the time, and as good as no blocks in memory.
    is_tight: bool,
}

fn start(directory: &Path, setup: Setup) -> Process {
    Process::start(|command| configure(command, directory, setup))
}

fn configure(command: &mut Command, directory: &Path, setup: Setup) {
    command.args(["--sync", setup.sync, "--threads", "2", "--log-segment-kb", "256"]);
    if setup.is_tight {
        command.args(["--checkpoint-log-kb", "64", "--cache-mb", "1"]);
    }
    command.arg("--dir").arg(directory);
}

/// Starts servers that do not live to the end of their recovery.
fn kill_in_recovery(directory: &Path, setup: Setup, dice: &mut Dice) {
    for _ in 0..dice.below(3) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command
            .args(["serve", "--port", "0"])
            .env("MILLSTREAM_ADMIN_PORT", "off")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        configure(&mut command, directory, setup);
        let mut child = command.spawn().expect("the binary of this package starts");
        thread::sleep(Duration::from_millis(dice.below(40)));
        child.kill().expect("it runs");
        child.wait().expect("it was started here");
    }
}

fn connect(server: &Process) -> redis::Connection {
    let client = redis::Client::open(format!("redis://{}/", server.address)).expect("a URL");
    let connection = client.get_connection_with_timeout(REPLY_LIMIT).expect("it listens");
    connection.set_read_timeout(Some(REPLY_LIMIT)).expect("a limit above zero");
    connection
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Checkpoints made, and blocks read from disk, since the start.
fn storage_work(connection: &mut redis::Connection) -> [u64; 2] {
    let info: redis::InfoDict = redis::cmd("INFO").query(connection).expect("INFO");
    ["millstream_checkpoints", "millstream_blocks_read"].map(|name| info.get(name).expect(name))
}

fn soak(setup: Setup, rounds: u64, seed: u64) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut dice = Dice(seed);
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|index| Client {
            index,
            model: Model::default(),
            open: VecDeque::new(),
            next_n: 0,
            dice: Dice(seed ^ (index as u64 + 1) << 32),
        })
        .collect();
    let mut shared = SharedGroup::default();
    let mut kept = 0;
    let (mut checkpoints, mut blocks_read) = (0, 0);
    for round in 1..=rounds {
        let mut server = start(directory.path(), setup);
        let mut connection = connect(&server);
        for client in &mut clients {
            kept += client.verify(&mut connection);
        }
        shared.verify(&mut connection);
        let address = server.address.clone();
        thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| client.run(&address));
            }
            shared.start(scope, &address);
            thread::sleep(Duration::from_millis(20 + dice.below(300)));
            let [mut made, mut read] = storage_work(&mut connection);
            // Before the last kill there is one, however busy the machine is: the last start finds
            // blocks on disk.
            let begun = Instant::now();
            while setup.is_tight
                && round == rounds
                && made == 0
                && begun.elapsed() < STORAGE_PATIENCE
            {
                thread::sleep(Duration::from_millis(5));
                [made, read] = storage_work(&mut connection);
            }
            (checkpoints, blocks_read) = (checkpoints + made, blocks_read + read);
            server.child.kill().expect("it runs");
        });
        drop(server);
        kill_in_recovery(directory.path(), setup, &mut dice);
    }
    let server = start(directory.path(), setup);
    let mut connection = connect(&server);
    for client in &mut clients {
        kept += client.verify(&mut connection);
        assert!(client.next_n > 0, "the load never began");
    }
    shared.verify(&mut connection);
    shared.finish(&mut connection);
    blocks_read += storage_work(&mut connection)[1];
    let steps: u64 = clients.iter().map(|client| client.next_n).sum();
    println!(
        "{}: {rounds} kills, {steps} steps, {kept} unanswered ones were there, {checkpoints} \
         checkpoints, {blocks_read} blocks read, seed {seed}",
        setup.sync
    );
    if setup.is_tight {
        assert!(checkpoints > 0 && blocks_read > 0, "{checkpoints}, {blocks_read}");
    }
}

#[test]
fn nothing_answered_is_lost_when_the_server_is_killed() {
    let rounds = number("MILLSTREAM_CRASH_ROUNDS", 12);
    let seed = number("MILLSTREAM_CRASH_SEED", u64::from(std::process::id()));
    println!("seed {seed}");
    // `no` promises nothing about the last moments, so it has no ledger to be held to.
    for first in (0..rounds / 4).step_by(ROUNDS_OF_A_STORE) {
        let rounds = (rounds / 4 - first).min(ROUNDS_OF_A_STORE as u64);
        for sync in ["always", "everysec"] {
            for is_tight in [false, true] {
                soak(Setup { sync, is_tight }, rounds, seed.wrapping_add(first));
            }
        }
    }
}
