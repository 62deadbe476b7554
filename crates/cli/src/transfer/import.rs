//! `millstream import`: streams of another server are copied to this one.

use super::TransferOptions;
use super::run::transfer;
use crate::client_command::{self, OnInterrupt};
use crate::server::{Server, ServerOptions};

const PASSWORD_VARIABLE: &str = "MILLSTREAM_FROM_AUTH";

/// From where, what, and to where.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportOptions {
    /// The server to copy from, in any form that --url takes. It is only read. A password that is
    /// not in it is taken from the variable MILLSTREAM_FROM_AUTH
    #[arg(long, env = "MILLSTREAM_FROM", hide_env_values = true, value_name = "URL")]
    from: String,
    #[command(flatten)]
    transfer: TransferOptions,
    #[command(flatten)]
    server: ServerOptions,
}

pub(crate) fn run_import(options: &ImportOptions) -> anyhow::Result<()> {
    let ImportOptions { from, transfer: what, server } = options;
    let connect = async {
        let source = Server::connect(&server.way_to(from, PASSWORD_VARIABLE)?).await?;
        Ok((source, Server::connect(&server.way()?).await?))
    };
    client_command::run(OnInterrupt::Itself, transfer(server, what, connect))
}
