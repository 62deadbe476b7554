//! `goals`: measures what is promised beside the peer and says which promises hold.
//!
//! Four parts, each with a table and its missed goals: the loads (ratios of processor time or
//! throughput), memory, latency at a fixed rate, and how the cost of an operation grows.

mod flat_cost;
mod latency_at_rate;
mod loads;
mod memory;
mod section;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;

use crate::alternate::Programs;
use crate::machine;
use crate::server::{ServerKind, ServerProgram};
use crate::workload::Workload;
use crate::workloads;

use section::{Section, Size};

/// Rounds of a full run and of a quick one.
const ROUNDS: usize = 5;
const ROUNDS_QUICK: usize = 1;
/// A quick run has this share of the messages.
const QUICK_SHARE: f64 = 0.1;

/// Names of the parts, for `--only`.
const LOADS: &str = "loads";
const MEMORY: &str = "memory";
const LATENCY: &str = "latency";
const FLAT: &str = "flat";

/// Arguments of `goals`.
#[derive(Args, Clone, Debug)]
pub struct GoalsArguments {
    /// Server to judge
    #[arg(long, value_name = "PATH")]
    pub ours: PathBuf,
    /// Server to compare with
    #[arg(long, value_name = "PATH")]
    pub peer: PathBuf,
    /// How to start the first
    #[arg(long, value_enum, default_value = "millstream")]
    pub ours_kind: ServerKind,
    /// How to start the second
    #[arg(long, value_enum, default_value = "redis")]
    pub peer_kind: ServerKind,
    /// A further argument for the first server; may be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub ours_arg: Vec<String>,
    /// loads, memory, latency, flat, or a workload; may be repeated; all by default
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// A look that everything works: one round of a tenth, and no 10 million entries
    #[arg(long)]
    pub quick: bool,
    /// Rounds, whose medians count [default: 5, with --quick 1]
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Messages in a round, whatever the workload; for tests
    #[arg(long)]
    pub messages: Option<u64>,
    /// The command that the report says it was made with
    #[arg(long, default_value = "millstream-bench goals")]
    pub command: String,
}

impl GoalsArguments {
    fn size(&self) -> Size {
        let rounds = self.rounds.unwrap_or(if self.quick { ROUNDS_QUICK } else { ROUNDS });
        let share = if self.quick { QUICK_SHARE } else { 1.0 };
        Size { rounds, share, messages: self.messages, has_largest: !self.quick }
    }

    /// Whether the part is wanted as a whole.
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == part)
    }

    /// The workloads that are wanted and have goals.
    fn workloads(&self) -> anyhow::Result<Vec<Workload>> {
        let is_part = |name: &String| [LOADS, MEMORY, LATENCY, FLAT].contains(&name.as_str());
        let names: Vec<String> = self.only.iter().filter(|name| !is_part(name)).cloned().collect();
        let wanted = match (self.wants(LOADS), names.is_empty()) {
            (true, _) => workloads::all(),
            (false, true) => Vec::new(),
            (false, false) => workloads::named(&names)?,
        };
        let with_goals = wanted.into_iter().filter(|workload| !workload.goals.is_empty());
        let with_goals: Vec<_> = with_goals.collect();
        ensure!(names.is_empty() || !with_goals.is_empty(), "{} has no goals", names.join(", "));
        Ok(with_goals)
    }
}

/// Runs what `arguments` say and returns the report as Markdown; tells on stderr how far it is.
///
/// # Errors
/// An unknown name, a server that does not start, a wrong answer. A missed goal is none.
pub fn goals(arguments: &GoalsArguments) -> anyhow::Result<String> {
    let size = arguments.size();
    ensure!(size.rounds > 0, "at least one round is needed");
    let workloads = arguments.workloads()?;
    let ours = ServerProgram {
        path: &arguments.ours,
        kind: arguments.ours_kind,
        extra: &arguments.ours_arg,
    };
    let peer = ServerProgram { path: &arguments.peer, kind: arguments.peer_kind, extra: &[] };
    let programs = Programs { ours, peer };
    let sync_us = machine::sync_us().context("time a sync")?;
    let labels = programs.labels().context("ask both servers for their versions")?;

    let mut sections = Vec::new();
    if !workloads.is_empty() {
        sections.push(loads::run(&programs, &workloads, size)?);
    }
    if arguments.wants(MEMORY) {
        sections.push(memory::run(&programs, size).context("measure memory")?);
    }
    if arguments.wants(LATENCY) {
        sections.push(latency_at_rate::run(&programs, size).context("measure latency")?);
    }
    if arguments.wants(FLAT) {
        sections.push(flat_cost::run(&programs.ours, size).context("measure costs by size")?);
    }
    Ok(report(arguments, &labels, size, sync_us, &sections))
}

fn report(
    arguments: &GoalsArguments,
    [ours, peer]: &[String; 2],
    size: Size,
    sync_us: f64,
    sections: &[Section],
) -> String {
    let missed: Vec<&String> = sections.iter().flat_map(|section| &section.missed).collect();
    let mut text = format!(
        "{ours} beside {peer} on {}, {}:\n\n```sh\n{}\n```\n\n\
         Both servers run on this machine and are visited in turns by the same clients, which \
         share the cores; each figure is the median of {} rounds (or of one), a ratio that of \
         ours / theirs within a round. `no` is `--sync no` for ours and no persistence at all for \
         the peer, `always` is `--sync always` and `appendfsync always`. To append 4 KiB to a file \
         and to sync it takes {sync_us:.0} us here.\n\n",
        machine::describe(),
        machine::today(),
        arguments.command,
        size.rounds,
    );
    match missed.as_slice() {
        [] => text.push_str("All goals are met.\n"),
        missed => {
            text.push_str(&format!("**Missed: {} goals.**\n\n", missed.len()));
            missed.iter().for_each(|goal| text.push_str(&format!("- {goal}\n")));
        }
    }
    for section in sections {
        text.push_str(&format!("\n### {}\n\n{}", section.title, section.text));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: GoalsArguments,
    }

    fn parsed(words: &[&str]) -> GoalsArguments {
        Line::parse_from([&["x", "--ours", "a", "--peer", "b"], words].concat()).arguments
    }

    #[test]
    fn only_what_is_named_runs() {
        let names = |words: &[&str]| -> Vec<&str> {
            let workloads = parsed(words).workloads().expect("known names");
            workloads.iter().map(|workload| workload.name).collect()
        };
        assert!(names(&[]).len() > 10);
        assert_eq!(names(&["--only", "memory"]), [""; 0]);
        assert_eq!(names(&["--only", "scan", "--only", "flat"]), ["scan"]);
        assert_eq!(names(&["--only", "loads"]), names(&[]));
        assert!(parsed(&["--only", "nothing"]).workloads().is_err());
        assert!(parsed(&["--only", "steps"]).workloads().is_err(), "it has no goals");
        assert!(parsed(&["--only", "scan", "--only", "flat"]).wants(FLAT));
        assert!(!parsed(&["--only", "scan"]).wants(MEMORY));
    }

    #[test]
    fn missed_goals_come_first() {
        let [title, text, goal] = ["T", "x\n", "y"].map(str::to_owned);
        let section = Section { title, text, missed: vec![goal] };
        let labels = ["a 1".to_owned(), "b 2".to_owned()];
        let text = report(&parsed(&[]), &labels, parsed(&[]).size(), 90.0, &[section]);
        assert!(text.contains("**Missed: 1 goals.**\n\n- y\n\n### T\n\nx\n"), "{text}");
    }
}
