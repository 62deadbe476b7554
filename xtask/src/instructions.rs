//! `cargo xtask instructions [--accept]`: whether a command became dearer.
//!
//! Builds the server as it is released and counts what a fixed script costs it; more than 5 % above
//! what was noted is a failure. `--accept` notes what it costs now: commit that with the change
//! that is the reason, and say so.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::checkout;

const NOTES: &str = "crates/bench/instructions.txt";

/// # Errors
/// A command became dearer, or something could not be built or run.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    if !matches!(arguments, [] | ["--accept"]) {
        bail!("usage: cargo xtask instructions [--accept]");
    }
    let mut build = checkout::cargo();
    build.args(["build", "--release", "--package", "millstream-cli"]);
    checkout::run(build.args(["--package", "millstream-bench"]))?;
    let compiler = Command::new("rustc").arg("--version").output().context("ask the compiler")?;
    let compiler = String::from_utf8_lossy(&compiler.stdout).trim().to_owned();
    let release = checkout::target_dir().join("release");
    let mut count = Command::new(release.join("millstream-bench"));
    count.arg("instructions").arg("--ours").arg(release.join("millstream"));
    count.arg("--notes").arg(checkout::root().join(NOTES));
    checkout::run(count.args(["--compiler", &compiler]).args(arguments))
}

/// Whether there is what it takes.
pub(crate) fn has_valgrind() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}
