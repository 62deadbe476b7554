//! What a build with a profile learns from: every workload, with and without syncs.
//!
//! The profile is of what servers do all day, not of one of the goals: each workload has as many
//! messages as the next one's share, and the server is ended in good order, for the counters of an
//! instrumented program are written when it ends.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::measure::measure;
use crate::server::{Server, ServerKind, ServerProgram, SyncMode};
use crate::workloads;

/// A visit has this part of a measured round's messages: counters need no long runs, and the
/// instrumented program is slow.
const PART: u64 = 10;
/// Where each message waits for a sync, fewer do.
const SYNCED_PART: u64 = 40;

/// Arguments of `train`.
#[derive(Args, Clone, Debug)]
pub struct TrainingArguments {
    /// Instrumented server to run
    #[arg(long, value_name = "PATH")]
    pub program: PathBuf,
}

/// Runs all workloads on the program; returns how many visits there were.
///
/// # Errors
/// A server does not start, answers wrongly or does not end.
pub fn train(arguments: &TrainingArguments) -> anyhow::Result<usize> {
    let program =
        ServerProgram { path: &arguments.program, kind: ServerKind::Millstream, extra: &[] };
    let mut visits = 0;
    for (sync, part) in [(SyncMode::No, PART), (SyncMode::Always, SYNCED_PART)] {
        let server = Server::start(&program, sync)?;
        for workload in workloads::all() {
            let messages = (workload.messages / part).max(1);
            measure(&server, &workload, messages, visits)
                .with_context(|| format!("run {} with sync {sync}", workload.name))?;
            visits += 1;
            eprintln!("{} sync={sync}", workload.name);
        }
        server.end()?;
    }
    Ok(visits)
}
