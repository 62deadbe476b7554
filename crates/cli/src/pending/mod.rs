//! `millstream pending`: what a group was given and has not acknowledged, on Millstream, Redis or
//! Valkey.

mod ack;
mod claim;
mod filter;
mod ls;
mod nack;
mod pending_row;
mod selection;
mod settle;

use clap::Subcommand;

use crate::client_command::{self, OnInterrupt};
use crate::server::ServerOptions;

/// What to do with pending entries, and where they are.
#[derive(Debug, clap::Args)]
pub(crate) struct PendingOptions {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    verb: PendingVerb,
}

#[derive(Debug, Subcommand)]
enum PendingVerb {
    /// Lists the pending entries of a group.
    #[command(visible_alias = "list", after_help = ls::EXAMPLES)]
    Ls(ls::LsOptions),
    /// Hands pending entries to a consumer. By a filter it says how many, and wants --yes.
    #[command(after_help = claim::EXAMPLES)]
    Claim(claim::ClaimOptions),
    /// Acknowledges pending entries, so that nobody gets them again. By a filter it says how many,
    /// and wants --yes.
    #[command(after_help = ack::EXAMPLES)]
    Ack(ack::AckOptions),
    /// Gives pending entries back to their group, so that others get them. By a filter it says how
    /// many, and wants --yes.
    #[command(after_help = nack::EXAMPLES)]
    Nack(nack::NackOptions),
}

pub(crate) fn run_pending(options: PendingOptions) -> anyhow::Result<()> {
    let PendingOptions { server, verb } = options;
    client_command::run(OnInterrupt::Fail, async {
        match verb {
            PendingVerb::Ls(options) => ls::ls(&server, &options).await,
            PendingVerb::Claim(options) => claim::claim(&server, &options).await,
            PendingVerb::Ack(options) => ack::ack(&server, &options).await,
            PendingVerb::Nack(options) => nack::nack(&server, &options).await,
        }
    })
}
