//! Where things are, and whether a missing one is an error.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root")
}

/// `$MILLSTREAM_PEERS` or `.peers`.
pub(crate) fn peers_dir() -> PathBuf {
    env::var_os("MILLSTREAM_PEERS").map_or_else(|| root().join(".peers"), PathBuf::from)
}

/// The target directory.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Whether a missing peer fails the run: in CI, or where `MILLSTREAM_REQUIRE_PEERS` is `1`.
pub(crate) fn peers_required() -> bool {
    env::var("CI").is_ok_and(|v| v == "true")
        || env::var("MILLSTREAM_REQUIRE_PEERS").is_ok_and(|v| v == "1")
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    as_by_hand(command.current_dir(root()));
    command
}

/// Takes away what `cargo run` says of xtask to what xtask runs.
///
/// The build script of ring asks for these names, so that ring, and all that uses it, would be
/// built anew each time that a build by hand followed one by xtask, and the other way round.
pub(crate) fn as_by_hand(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started or does not end with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = as_by_hand(command).status().with_context(|| format!("run {name}"))?;
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}
