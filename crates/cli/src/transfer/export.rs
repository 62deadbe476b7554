//! `millstream export`: streams of this server are copied to another one.

use super::TransferOptions;
use super::run::transfer;
use crate::client_command::{self, OnInterrupt};
use crate::server::{Server, ServerOptions};

const PASSWORD_VARIABLE: &str = "MILLSTREAM_TO_AUTH";

/// To where, what, and from where.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportOptions {
    /// The server to copy to, in any form that --url takes. A password that is not in it is taken
    /// from the variable MILLSTREAM_TO_AUTH
    #[arg(long, env = "MILLSTREAM_TO", hide_env_values = true, value_name = "URL")]
    to: String,
    #[command(flatten)]
    transfer: TransferOptions,
    #[command(flatten)]
    server: ServerOptions,
}

pub(crate) fn run_export(options: &ExportOptions) -> anyhow::Result<()> {
    let ExportOptions { to, transfer: what, server } = options;
    let connect = async {
        let source = Server::connect(&server.way()?).await?;
        Ok((source, Server::connect(&server.way_to(to, PASSWORD_VARIABLE)?).await?))
    };
    client_command::run(OnInterrupt::Itself, transfer(server, what, connect))
}
