//! Which server: ours or one of the real ones, where its executable is and what it can do.
//!
//! A peer that is not there is a visible skip, or an error where [`peers_required`].

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Ours: held to everything in the corpus.
    Millstream,
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

/// An executable to test.
#[derive(Clone, Debug)]
pub struct Program {
    /// Whose it is.
    pub family: Family,
    /// Major and minor version; ours has the version of the Redis it is modelled on.
    pub version: (u32, u32),
    /// The executable.
    pub path: PathBuf,
}

/// File names of the peers in their directory, as `cargo xtask peers` lays them out.
const PEERS: [(&str, Family, (u32, u32)); 3] = [
    ("redis-8.6", Family::Redis, (8, 6)),
    ("redis-8.2", Family::Redis, (8, 2)),
    ("valkey-9.1", Family::Valkey, (9, 1)),
];

impl Program {
    /// The `millstream` binary: `$MILLSTREAM_BIN`, or the one beside the running test, which is
    /// built first.
    ///
    /// # Errors
    /// When it neither exists nor can be built.
    pub fn millstream() -> Result<Self> {
        let path = match env::var_os("MILLSTREAM_BIN") {
            Some(path) => PathBuf::from(path),
            None => built_binary()?,
        };
        ensure!(path.is_file(), "no millstream binary at {}", path.display());
        Ok(Self { family: Family::Millstream, version: (8, 10), path })
    }

    /// The peer of that file name, or `None` where it is not installed.
    ///
    /// # Errors
    /// When it is missing and [`peers_required`], or when the name is not one of ours.
    pub fn peer(name: &str) -> Result<Option<Self>> {
        let (_, family, version) = PEERS
            .into_iter()
            .find(|(known, ..)| *known == name)
            .with_context(|| format!("{name} is not a peer"))?;
        let path = peers_dir().join(name);
        if path.exists() {
            return Ok(Some(Self { family, version, path }));
        }
        ensure!(!peers_required(), "peer {name} is required and not at {}", path.display());
        eprintln!("SKIP: no {name} at {}; `cargo xtask peers` fetches it", path.display());
        Ok(None)
    }

    /// The program of that name, `millstream` or a peer; for the environment variables of tests.
    ///
    /// # Errors
    /// As [`Program::millstream`] and [`Program::peer`].
    pub fn named(name: &str) -> Result<Option<Self>> {
        if name == "millstream" { Self::millstream().map(Some) } else { Self::peer(name) }
    }

    /// Whether it is the first family's release `version` or a later one.
    pub fn is_redis_since(&self, version: (u32, u32)) -> bool {
        self.family != Family::Valkey && self.version >= version
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.version;
        match self.family {
            Family::Millstream => write!(f, "millstream"),
            Family::Redis => write!(f, "redis-{major}.{minor}"),
            Family::Valkey => write!(f, "valkey-{major}.{minor}"),
        }
    }
}

/// Whether a missing peer is an error: in CI, and where `MILLSTREAM_REQUIRE_PEERS` is `1`.
pub fn peers_required() -> bool {
    env::var("CI").is_ok_and(|v| v == "true")
        || env::var("MILLSTREAM_REQUIRE_PEERS").is_ok_and(|v| v == "1")
}

/// `$MILLSTREAM_PEERS`, or `.peers` at the root of the checkout.
fn peers_dir() -> PathBuf {
    env::var_os("MILLSTREAM_PEERS").map_or_else(|| checkout().join(".peers"), PathBuf::from)
}

/// The root of the checkout that this crate was built in.
fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the crate lies two folders below the checkout")
}

/// The binary in the target directory of the running test, built from the code as it is now.
fn built_binary() -> Result<PathBuf> {
    let test = env::current_exe().context("locate the running test")?;
    // target/debug/deps/scenarios-0123 or target/debug/record
    let profile = test
        .ancestors()
        .skip(1)
        .find(|dir| dir.file_name().is_some_and(|name| name != "deps"))
        .context("locate the target directory")?;
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(checkout()).args(["build", "--quiet", "--package", "millstream-cli"]);
    if profile.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    // Also where there is a binary already: it may be older than the code.
    build.env("CARGO_TARGET_DIR", profile.parent().context("locate the target directory")?);
    ensure!(build.status().context("run cargo build")?.success(), "millstream does not build");
    Ok(profile.join("millstream"))
}
