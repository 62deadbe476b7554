//! Random command sequences on two servers: the replies and the states left behind must be equal.
//!
//! 1. A seed determines the whole sequence; a failure names it and shows the shortest sequence
//!    found that still fails.
//! 2. Keys, groups, consumers and IDs are few and small, so that commands meet; a share of the
//!    arguments is malformed.
//! 3. IDs that a server would draw from its clock occur only on a key whose last ID lies in the
//!    future, where `*` too is determined.
//! 4. Every second seed speaks RESP3; blocks hold from 1 to 100 entries, as approximate trimming
//!    shows. Every eighth seed is about strings and times to live.
//! 5. Minimal idle times and given ages are seconds apart, so that the few milliseconds between the
//!    two servers never decide. Times in replies are compared with a tolerance.
//!
//! A second connection takes a command now and then, above all between WATCH and EXEC; each waits
//! for the other's replies, so that the order is known. Reads that wait for each other are left to
//! the scenarios.

mod compare;
mod generate;
mod random;
mod shrink;
mod state;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

pub use generate::Features;

use crate::{Client, Server, Value};
use compare::{Comparison, difference_of};
use generate::{Command, SECOND};

/// How much to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The first seed; the following sequences take the following ones.
    pub first_seed: u64,
    /// Sequences.
    pub sequences: u64,
    /// Commands in each.
    pub commands: usize,
    /// Ends the run early, successfully.
    pub limit: Duration,
    /// Restart the subject after each so many sequences and compare again; 0 for never.
    pub restart_every: u64,
}

impl Plan {
    /// 200 sequences of 100 commands in at most 20 s, or what `MILLSTREAM_DIFF_SEED`,
    /// `MILLSTREAM_DIFF_SEQUENCES` and `MILLSTREAM_DIFF_SECONDS` say.
    ///
    /// # Errors
    /// When one of them is not a number.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            first_seed: number("MILLSTREAM_DIFF_SEED", 1)?,
            sequences: number("MILLSTREAM_DIFF_SEQUENCES", 200)?,
            commands: 100,
            limit: Duration::from_secs(number("MILLSTREAM_DIFF_SECONDS", 20)?),
            restart_every: 20,
        })
    }
}

fn number(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is not a number: {text}")),
        Err(_) => Ok(default),
    }
}

/// Compares the two servers; the number of sequences that ran.
///
/// # Errors
/// At the first sequence that they treat differently.
pub fn run(
    subject: &mut Server,
    reference: &Server,
    features: Features,
    plan: Plan,
) -> Result<u64> {
    let deadline = Instant::now() + plan.limit;
    for n in 0..plan.sequences {
        if Instant::now() >= deadline {
            return Ok(n);
        }
        let seed = plan.first_seed + n;
        let commands = generate::sequence(seed, plan.commands, features);
        let pair = Pair { subject, reference, features, seed };
        if let Err(error) = pair.compare(&commands) {
            let shortest = shrink::shortest(commands, |fewer| pair.compare(fewer).is_err());
            let (error, shown) = (pair.compare(&shortest).err().unwrap_or(error), show(&shortest));
            return Err(error.context(format!("seed {seed}, shortest sequence:\n{shown}")));
        }
        if plan.restart_every > 0 && n % plan.restart_every == plan.restart_every - 1 {
            let kill = (n / plan.restart_every).is_multiple_of(2);
            compare_after_restart(subject, features, kill).with_context(|| {
                format!("seed {seed}, after SIG{}", if kill { "KILL" } else { "TERM" })
            })?;
        }
    }
    Ok(plan.sequences)
}

/// Commands as lines of a scenario.
fn show(commands: &[Command]) -> String {
    let line = |command: &Command| {
        let words = command.iter().map(|word| if word.is_empty() { "\"\"" } else { word.as_str() });
        let text = words.collect::<Vec<_>>().join(" ");
        if is_second(command) { text } else { format!("> {text}") }
    };
    commands.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn is_second(command: &[String]) -> bool {
    command.first().is_some_and(|word| word == SECOND)
}

struct Pair<'a> {
    subject: &'a Server,
    reference: &'a Server,
    features: Features,
    seed: u64,
}

impl Pair<'_> {
    /// Fails if replies or final states differ.
    fn compare(&self, commands: &[Command]) -> Result<()> {
        let now_ms = state::unix_ms();
        let mut first = self.connect()?;
        let mut second = self.connect()?;
        let filled: Vec<Command> = commands.iter().map(|c| state::fill_in(c, now_ms)).collect();
        for run in filled.chunk_by(|a, b| is_second(a) == is_second(b)) {
            let both = if is_second(&run[0]) { &mut second } else { &mut first };
            let bare: Vec<&[String]> =
                run.iter().map(|command| &command[usize::from(is_second(command))..]).collect();
            self.run(both, &bare)?;
        }
        let queries = state::queries();
        self.run(&mut first, &queries.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Connections to both servers, whose databases are emptied.
    fn connect(&self) -> Result<[Client; 2]> {
        Ok([self.connect_to(self.subject)?, self.connect_to(self.reference)?])
    }

    /// A connection in one of the protocols to a server with blocks of one of the sizes.
    fn connect_to(&self, server: &Server) -> Result<Client> {
        const BLOCK_ENTRIES: [&str; 5] = ["100", "1", "2", "3", "10"];
        let mut client = server.connect()?;
        if self.seed % 2 == 1 {
            client.call(&["HELLO", "3"])?;
        }
        let entries = BLOCK_ENTRIES[usize::try_from(self.seed / 2 % 5)?];
        let preparations: [&[&str]; 2] =
            [&["FLUSHALL"], &["CONFIG", "SET", "stream-node-max-entries", entries]];
        for command in preparations {
            let reply = client.call(command)?;
            ensure!(!reply.is_error(), "{}: {reply}", command[0]);
        }
        Ok(client)
    }

    /// Both have all commands before the first reply is read: they run at the same time.
    fn run(&self, [subject, reference]: &mut [Client; 2], commands: &[&[String]]) -> Result<()> {
        for command in commands {
            subject.send(command)?;
            reference.send(command)?;
        }
        for command in commands {
            let ours = subject.receive(REPLY_LIMIT)?;
            let theirs = reference.receive(REPLY_LIMIT)?;
            self.check(command, &ours, &theirs)?;
        }
        Ok(())
    }

    fn check(&self, command: &[String], ours: &Value, theirs: &Value) -> Result<()> {
        let comparison =
            Comparison { idmp: self.features.idmp, nacked: false, consumer_times: true };
        let found = difference_of(command, comparison, ours, theirs);
        ensure!(
            found.is_none(),
            "{}: {}\n  {}: {ours}\n  {}: {theirs}",
            show(&[command.to_vec()]),
            found.unwrap_or_default(),
            self.subject.program(),
            self.reference.program(),
        );
        Ok(())
    }
}

const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// What was there before a restart must be there after it. When consumers were last seen rides
/// along with other records and may be lost.
fn compare_after_restart(server: &mut Server, features: Features, kill: bool) -> Result<()> {
    let all = |server: &Server| -> Result<Vec<Value>> {
        let mut client = server.connect()?;
        state::queries().iter().map(|query| client.call(query)).collect()
    };
    let before = all(server)?;
    if kill { server.restart_after_kill() } else { server.restart_after_stop() }?;
    let after = all(server)?;
    let comparison = Comparison { idmp: features.idmp, nacked: true, consumer_times: false };
    for ((query, before), after) in state::queries().iter().zip(&before).zip(&after) {
        let found = difference_of(query, comparison, before, after);
        ensure!(
            found.is_none(),
            "{}: {}\n  before: {before}\n  after: {after}",
            show(std::slice::from_ref(query)),
            found.unwrap_or_default(),
        );
    }
    Ok(())
}
