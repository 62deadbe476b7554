//! `cargo xtask sim`: the simulator, built for speed.

use anyhow::Result;

use crate::checkout;

/// Runs it with these arguments, which are its own.
///
/// # Errors
/// When a seed fails.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let mut cargo = checkout::cargo();
    cargo.args(["run", "--release", "--quiet", "--package", "millstream-sim", "--"]);
    checkout::run(cargo.args(arguments))
}
