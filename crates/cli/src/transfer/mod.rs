//! `millstream import` and `millstream export`: streams copied between two servers.
//!
//! Both are the same with the servers changed round. What is copied, and how, is the toolkit's
//! business ([`millstream::StreamCopy`]); here it is chosen which streams, and said what became of
//! them.

mod export;
mod import;
mod outcome;
mod plan;
mod progress;
mod run;

use std::ffi::OsString;

pub(crate) use export::{ExportOptions, run_export};
pub(crate) use import::{ImportOptions, run_import};

pub(crate) const IMPORT_EXAMPLES: &str = "\
Examples:
  millstream import --from redis://old:6379 orders
  millstream import --from redis://old:6379 --all --dry-run
  millstream import --from redis+cluster://a,b,c --match 'orders:*' --skip-existing
  millstream import --from redis://old:6379 orders --replace --yes --json

What a copy has, and what it cannot have, is in docs/command-line.md, section import and export.";

pub(crate) const EXPORT_EXAMPLES: &str = "\
Examples:
  millstream export --to redis://new:6379 orders
  millstream export --to redis://new:6379 --all --dry-run
  millstream export --to redis://new:6379 orders --as orders-copy

What a copy has, and what it cannot have, is in docs/command-line.md, section import and export.";

/// Which streams, and what may become of those that are there already.
#[derive(Debug, clap::Args)]
pub(crate) struct TransferOptions {
    /// Keys of the streams
    #[arg(value_name = "STREAM")]
    streams: Vec<OsString>,
    /// All streams whose keys match, as KEYS understands it: orders:*
    #[arg(long = "match", value_name = "PATTERN", conflicts_with = "streams")]
    pattern: Option<OsString>,
    /// All streams
    #[arg(long, conflicts_with_all = ["streams", "pattern"])]
    all: bool,
    /// Key that the copy gets; for one stream. Default: the same as at the source
    #[arg(long = "as", value_name = "KEY")]
    to_key: Option<OsString>,
    /// Replace what the target has under the keys, whatever that is; wants --yes
    #[arg(long)]
    replace: bool,
    /// Leave out the streams that the target has, as after an interruption. Without this or
    /// --replace nothing is copied if it has one of them
    #[arg(long, conflicts_with = "replace")]
    skip_existing: bool,
    /// Do it, although something is replaced. Without this the command says what, and ends with
    /// exit code 2
    #[arg(long, short = 'y')]
    yes: bool,
    /// Only say what would be copied
    #[arg(long)]
    dry_run: bool,
    /// Do not read both sides again to compare them
    #[arg(long)]
    no_verify: bool,
    /// Keep a copy that differs, as where the target cannot hold a counter. Without this it goes,
    /// and the exit code is 1
    #[arg(long, conflicts_with = "no_verify")]
    accept_differences: bool,
}
