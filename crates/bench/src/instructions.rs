//! What a command costs in instructions: the same on a busy machine as on a quiet one.
//!
//! The server runs under callgrind and one client sends it a fixed script, twice in two runs: once
//! so many steps, once twice as many. The difference is what the steps cost, without the start, the
//! warm-up and the end. It is compared with what was noted down before, so that a change which
//! makes a command dearer is seen with the change, not months later.
//!
//! Other compilers make other code, so a note says which one it is of, and counts for no other.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use clap::Args;

use crate::connection::Connection;
use crate::request::{append_argument, append_header, encode};
use crate::server::listening_address;

/// A command may become dearer by this part of what was noted.
const GROWTH_MAX: f64 = 0.05;
/// Steps before those that are measured: tables and buffers have their sizes then.
const WARM_UP: u64 = 50;

/// Arguments of `instructions`.
#[derive(Args, Clone, Debug)]
pub struct InstructionsArguments {
    /// Server to measure
    #[arg(long, value_name = "PATH")]
    pub ours: PathBuf,
    /// Where the figures are noted
    #[arg(long, value_name = "FILE")]
    pub notes: PathBuf,
    /// Name and version of the compiler that made the server
    #[arg(long, value_name = "TEXT")]
    pub compiler: String,
    /// Note what was measured instead of comparing it
    #[arg(long)]
    pub accept: bool,
}

/// What a client does over and over, and how many messages a step is.
struct Script {
    name: &'static str,
    /// Further arguments of the server.
    server: &'static [&'static str],
    steps: u64,
    messages: u64,
    step: fn(&mut Connection, u64) -> anyhow::Result<()>,
}

const IN_MEMORY: &[&str] = &["--memory", "--threads", "1"];
const SYNCED: &[&str] = &["--sync", "always", "--threads", "1"];

const SCRIPTS: [Script; 7] = [
    Script { name: "xadd-1", server: IN_MEMORY, steps: 2000, messages: 1, step: |c, _| add(c, 1) },
    Script {
        name: "xadd-100",
        server: IN_MEMORY,
        steps: 100,
        messages: 100,
        step: |c, _| add(c, 100),
    },
    Script { name: "xadd-synced", server: SYNCED, steps: 500, messages: 1, step: |c, _| add(c, 1) },
    Script {
        name: "cycle-1",
        server: IN_MEMORY,
        steps: 1000,
        messages: 1,
        step: |c, _| cycle(c, 1),
    },
    Script {
        name: "cycle-10",
        server: IN_MEMORY,
        steps: 200,
        messages: 10,
        step: |c, _| cycle(c, 10),
    },
    Script {
        name: "cycle-100",
        server: IN_MEMORY,
        steps: 50,
        messages: 100,
        step: |c, _| cycle(c, 100),
    },
    Script { name: "claim-100", server: IN_MEMORY, steps: 200, messages: 100, step: claim },
];

/// Three fields with values of 8 bytes.
fn add_request() -> Vec<u8> {
    encode(&["XADD", "s", "*", "a", "value-01", "b", "value-02", "c", "value-03"])
}

fn add(connection: &mut Connection, count: usize) -> anyhow::Result<()> {
    connection.send(&add_request().repeat(count))?;
    (0..count).try_for_each(|_| connection.entry_id())
}

/// Adds, reads and acknowledges, in three round trips.
fn cycle(connection: &mut Connection, count: usize) -> anyhow::Result<()> {
    add(connection, count)?;
    let number = count.to_string();
    let read = ["XREADGROUP", "GROUP", "g", "c", "COUNT", &number, "STREAMS", "s", ">"];
    connection.send(&encode(&read))?;
    let mut request = Vec::new();
    append_header(&mut request, 3 + count);
    ["XACK", "s", "g"].iter().for_each(|word| append_argument(&mut request, word.as_bytes()));
    let read = connection.stream_entries(&mut request)?;
    ensure!(read == count, "read {read} entries instead of {count}");
    connection.send(&request)?;
    let acknowledged = connection.integer()?;
    ensure!(acknowledged == count as i64, "acknowledged {acknowledged} of {count}");
    Ok(())
}

/// Two consumers take 100 pending entries from each other.
fn claim(connection: &mut Connection, step: u64) -> anyhow::Result<()> {
    if step == 0 {
        add(connection, 100)?;
        let read = ["XREADGROUP", "GROUP", "g", "c0", "COUNT", "100", "STREAMS", "s", ">"];
        connection.send(&encode(&read))?;
        connection.stream_entries(&mut Vec::new())?;
    }
    let consumer = if step.is_multiple_of(2) { "c1" } else { "c0" };
    let claim = ["XAUTOCLAIM", "s", "g", consumer, "0", "0-0", "COUNT", "100"];
    connection.send(&encode(&claim))?;
    let claimed = connection.claimed(&mut Vec::new(), &mut Vec::new())?;
    ensure!(claimed == 100, "claimed {claimed} entries instead of 100");
    Ok(())
}

/// Measures, and compares with what was noted, or notes it. Returns a table.
///
/// # Errors
/// A command became dearer than it may; no valgrind; a wrong answer.
pub fn instructions(arguments: &InstructionsArguments) -> anyhow::Result<String> {
    let mut measured = BTreeMap::new();
    for script in &SCRIPTS {
        let count = |factor| {
            total(&arguments.ours, script, factor)
                .with_context(|| format!("count the instructions of {}", script.name))
        };
        let difference = count(2)?.saturating_sub(count(1)?);
        measured.insert(script.name.to_owned(), difference / (script.steps * script.messages));
        eprintln!("{}: {} instructions a message", script.name, measured[script.name]);
    }
    if arguments.accept {
        let text = note(&arguments.compiler, &measured);
        fs::write(&arguments.notes, text).context("write the notes")?;
    }
    let notes = fs::read_to_string(&arguments.notes).context("read the notes")?;
    let Some(noted) = noted(&notes, &arguments.compiler)? else {
        return Ok("SKIP: the notes are of another compiler, nothing was compared".to_owned());
    };
    let mut table = String::from("| script | noted | now | change |\n|---|---:|---:|---:|\n");
    let mut dearer = Vec::new();
    for (name, now) in &measured {
        let before = noted.get(name).with_context(|| format!("{name} was never noted"))?;
        let growth = *now as f64 / *before as f64 - 1.0;
        let _ = writeln!(table, "| {name} | {before} | {now} | {:+.1} % |", 100.0 * growth);
        if growth > GROWTH_MAX {
            dearer.push(format!("{name}: {before} instructions were noted, {now} are needed now"));
        }
    }
    ensure!(
        dearer.is_empty(),
        "{}\nIf that is what it must cost: cargo xtask instructions --accept",
        dearer.join("\n")
    );
    Ok(table)
}

fn note(compiler: &str, measured: &BTreeMap<String, u64>) -> String {
    let mut text =
        format!("# Instructions a message, by `cargo xtask instructions --accept`.\n{compiler}\n");
    for (name, count) in measured {
        let _ = writeln!(text, "{name} {count}");
    }
    text
}

/// `None`: they are of another compiler.
fn noted(text: &str, compiler: &str) -> anyhow::Result<Option<BTreeMap<String, u64>>> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    if lines.next() != Some(compiler) {
        return Ok(None);
    }
    let mut noted = BTreeMap::new();
    for line in lines {
        let (name, count) = line.split_once(' ').context("a line of the notes is cut")?;
        noted.insert(name.to_owned(), count.parse().context("read a note")?);
    }
    Ok(Some(noted))
}

/// All instructions of a server that runs a script, from its start to its end.
fn total(program: &Path, script: &Script, factor: u64) -> anyhow::Result<u64> {
    let dir = tempfile::tempdir().context("make a directory for the server")?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(program).args(["serve", "--port", "0", "--dir"]).arg(dir.path().join("data"));
    let child = command
        // It looks at the server by the clock, which no script has.
        .env("MILLSTREAM_ADMIN_PORT", "off")
        .args(script.server)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("start valgrind, which must be installed")?;
    let mut server = Counted(child);
    let stderr = server.0.stderr.take().expect("it was asked to be a pipe");
    let mut lines = BufReader::new(stderr).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| listening_address(&line))
        .context("the server did not say where it listens")?;
    run(address, script, factor)?;
    server.stop()?;
    let collected = lines.map_while(Result::ok).find_map(|line| {
        line.split_once("Collected : ").and_then(|(_, count)| count.trim().parse().ok())
    });
    collected.context("valgrind said nothing of instructions")
}

fn run(address: SocketAddr, script: &Script, factor: u64) -> anyhow::Result<()> {
    let mut connection = Connection::open(address)?;
    connection.call(&["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"])?;
    (0..WARM_UP + factor * script.steps).try_for_each(|step| (script.step)(&mut connection, step))
}

/// A server that is ended on every way out.
struct Counted(Child);

impl Counted {
    fn stop(&mut self) -> anyhow::Result<()> {
        let pid = self.0.id().to_string();
        let told = Command::new("kill").arg(&pid).status().context("end the server")?;
        ensure!(told.success(), "the server could not be told to end");
        let status = self.0.wait().context("wait for the server")?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written_and_of_one_compiler_only() {
        let measured = BTreeMap::from([("a".to_owned(), 7), ("b-1".to_owned(), 8)]);
        let text = note("rustc 1.0", &measured);
        assert_eq!(noted(&text, "rustc 1.0").expect("they are whole"), Some(measured));
        assert_eq!(noted(&text, "rustc 1.1").expect("they are whole"), None);
        assert!(noted(&text.replace("b-1 8", "b-1"), "rustc 1.0").is_err());
    }
}
