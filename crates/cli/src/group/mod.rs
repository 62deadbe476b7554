//! `millstream group`: consumer groups, on Millstream, Redis or Valkey.

mod create;
mod destroy;
mod group_row;
mod info;
mod ls;
mod pause;
mod policy;
mod set_id;

use clap::Subcommand;

use crate::client_command::{self, OnInterrupt};
use crate::server::ServerOptions;

pub(crate) use create::parse_start;
pub(crate) use group_row::{COLUMNS, cells};
pub(crate) use info::find_group;

/// What to do with groups, and where they are.
#[derive(Debug, clap::Args)]
pub(crate) struct GroupOptions {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    verb: GroupVerb,
}

#[derive(Debug, Subcommand)]
enum GroupVerb {
    /// Lists the groups of a stream.
    #[command(visible_alias = "list", after_help = ls::EXAMPLES)]
    Ls(ls::LsOptions),
    /// Shows one group: what is pending, how far behind it is, its consumers and its policy.
    #[command(after_help = info::EXAMPLES)]
    Info(info::InfoOptions),
    /// Makes a group. One that is there stays as it is.
    #[command(after_help = create::EXAMPLES)]
    Create(create::CreateOptions),
    /// Moves a group, so that entries are delivered again or skipped. What is pending stays so.
    #[command(after_help = set_id::EXAMPLES)]
    SetId(set_id::SetIdOptions),
    /// Removes a group with its consumers and all that is pending. Says how much that is, and
    /// wants --yes.
    #[command(after_help = destroy::EXAMPLES)]
    Destroy(destroy::DestroyOptions),
    /// Shows or sets what a group does by itself. Only Millstream has that.
    #[command(after_help = policy::EXAMPLES)]
    Policy(policy::PolicyOptions),
    /// Makes a group hand out nothing until resume; what is in work goes on. Only on Millstream.
    Pause(pause::PauseOptions),
    /// Ends a pause. Only on Millstream.
    Resume(pause::PauseOptions),
}

pub(crate) fn run_group(options: GroupOptions) -> anyhow::Result<()> {
    let GroupOptions { server, verb } = options;
    client_command::run(OnInterrupt::Fail, async {
        match verb {
            GroupVerb::Ls(options) => ls::ls(&server, &options).await,
            GroupVerb::Info(options) => info::info(&server, &options).await,
            GroupVerb::Create(options) => create::create(&server, &options).await,
            GroupVerb::SetId(options) => set_id::set_id(&server, &options).await,
            GroupVerb::Destroy(options) => destroy::destroy(&server, &options).await,
            GroupVerb::Policy(options) => policy::policy(&server, &options).await,
            GroupVerb::Pause(options) => pause::set_paused(&server, &options, true).await,
            GroupVerb::Resume(options) => pause::set_paused(&server, &options, false).await,
        }
    })
}
