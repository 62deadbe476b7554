//! Which delayed entries a command is to change: those that are named, or all.

use std::ffi::OsString;
use std::num::NonZeroU32;

use super::token::parse_token;
use crate::usage_error::usage;

#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Key of the stream
    pub(super) stream: OsString,
    /// Tokens, as `millstream schedule ls` shows them
    #[arg(
        value_name = "TOKEN",
        value_parser = parse_token,
        conflicts_with_all = ["due", "all", "limit", "yes"]
    )]
    pub(super) tokens: Vec<String>,
    /// All that are due when the command begins, by the clock of the server
    #[arg(long)]
    pub(super) due: bool,
    /// All of them
    #[arg(long, conflicts_with = "due")]
    all: bool,
    /// Most entries to change, those that are due first; 0: no limit
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(super) limit: u64,
    /// So many entries in a second at most [default: as fast as it goes]
    #[arg(long, value_name = "COUNT")]
    pub(super) rate: Option<NonZeroU32>,
    /// Do it. Without this, a command with --due or --all says how many entries it would change,
    /// and ends with exit code 2
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
}

impl Selection {
    /// # Errors
    /// Nothing says which entries are meant.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.tokens.is_empty() && !self.due && !self.all {
            return Err(usage("which delayed entries? name tokens, --due, or --all"));
        }
        Ok(())
    }
}
