//! Both servers in turns, workload by workload.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;

use crate::alternate::{Length, Programs};
use crate::machine;
use crate::pairing::Pairing;
use crate::report::{self, Comparison, Report};
use crate::server::{ServerKind, ServerProgram, SyncMode};
use crate::workload::Workload;
use crate::workloads;

/// Arguments of `compare`.
#[derive(Args, Clone, Debug)]
pub struct CompareArguments {
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
    /// A further argument for the second server; may be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub peer_arg: Vec<String>,
    /// Workload, or the part of its name before a dash; may be repeated; all by default
    #[arg(long, value_name = "NAME")]
    pub workload: Vec<String>,
    /// Modes for workloads that do not sync before the reply
    #[arg(long, value_enum, value_delimiter = ',', default_value = "no,everysec")]
    pub sync: Vec<SyncMode>,
    /// Rounds counted, after a warm-up; the report has their medians
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Messages in a round, instead of each workload's own number
    #[arg(long, conflicts_with = "scale")]
    pub messages: Option<u64>,
    /// Factor for each workload's own number of messages
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// JSON instead of Markdown
    #[arg(long)]
    pub json: bool,
}

impl CompareArguments {
    fn messages(&self, workload: &Workload) -> u64 {
        self.messages.unwrap_or((workload.messages as f64 * self.scale) as u64).max(1)
    }

    /// The modes that `workload` is run in.
    fn modes(&self, workload: &Workload) -> Vec<SyncMode> {
        if workload.synced { vec![SyncMode::Always] } else { self.sync.clone() }
    }

    /// The command that repeats this run, without the folders of this machine.
    fn command_line(&self) -> String {
        let name = |path: &Path| {
            path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        };
        let mut words = vec!["millstream-bench compare".to_owned()];
        words.push(format!("--ours {} --peer {}", name(&self.ours), name(&self.peer)));
        if self.ours_kind == ServerKind::Redis {
            words.push("--ours-kind redis".to_owned());
        }
        if self.peer_kind == ServerKind::Millstream {
            words.push("--peer-kind millstream".to_owned());
        }
        words.extend(self.workload.iter().map(|name| format!("--workload {name}")));
        let modes: Vec<String> = self.sync.iter().map(SyncMode::to_string).collect();
        words.push(format!("--sync {} --rounds {}", modes.join(","), self.rounds));
        match self.messages {
            Some(messages) => words.push(format!("--messages {messages}")),
            None if self.scale == 1.0 => {}
            None => words.push(format!("--scale {}", self.scale)),
        }
        words.extend(self.ours_arg.iter().map(|word| format!("--ours-arg={word}")));
        words.extend(self.peer_arg.iter().map(|word| format!("--peer-arg={word}")));
        words.join(" ")
    }
}

/// Runs what `arguments` say and returns the report as text; tells on stderr how far it is.
///
/// # Errors
/// An unknown workload, a server that does not start, a wrong answer.
pub fn compare(arguments: &CompareArguments) -> anyhow::Result<String> {
    ensure!(arguments.rounds > 0, "at least one round is needed");
    ensure!(arguments.scale > 0.0, "the scale must be above 0");
    let mut report = Report {
        ours: String::new(),
        peer: String::new(),
        machine: machine::describe(),
        command: arguments.command_line(),
        comparisons: Vec::new(),
    };
    for workload in workloads::named(&arguments.workload)? {
        for sync in arguments.modes(&workload) {
            let comparison = compare_one(arguments, &workload, sync, &mut report)
                .with_context(|| format!("run {} with sync {sync}", workload.name))?;
            report.comparisons.push(comparison);
        }
    }
    Ok(if arguments.json { report::json(&report) } else { report::markdown(&report) })
}

fn compare_one(
    arguments: &CompareArguments,
    workload: &Workload,
    sync: SyncMode,
    report: &mut Report,
) -> anyhow::Result<Comparison> {
    let program = |path, kind, extra| ServerProgram { path, kind, extra };
    let programs = Programs {
        ours: program(&arguments.ours, arguments.ours_kind, &arguments.ours_arg),
        peer: program(&arguments.peer, arguments.peer_kind, &arguments.peer_arg),
    };
    let length = Length { messages: arguments.messages(workload), rounds: arguments.rounds };
    let (comparison, labels) = programs.compare(workload, Pairing::alike(sync), length)?;
    [report.ours, report.peer] = labels;
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: CompareArguments,
    }

    #[test]
    fn the_command_line_repeats_the_run_without_folders() {
        let line = Line::parse_from([
            "x",
            "--ours",
            "/opt/builds/a",
            "--peer",
            "/tmp/b",
            "--ours-kind",
            "redis",
            "--workload",
            "cycle",
            "--sync",
            "no",
            "--rounds",
            "3",
            "--ours-arg",
            "--x",
        ]);
        assert_eq!(
            line.arguments.command_line(),
            "millstream-bench compare --ours a --peer b --ours-kind redis --workload cycle \
             --sync no --rounds 3 --ours-arg=--x"
        );
    }
}
