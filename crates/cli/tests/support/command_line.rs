//! Running commands of the binary that end by themselves, and looking at data directories.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Its output, if it succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// What it complained of, if it failed with this code.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }
}

/// Runs the binary of this package.
pub(crate) fn millstream<I, A>(arguments: I) -> Outcome
where
    I: IntoIterator<Item = A>,
    A: AsRef<std::ffi::OsStr>,
{
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(arguments)
        .env_remove("REDIS_URL")
        .env_remove("REDISCLI_AUTH")
        .output()
        .expect("the binary of this package starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Outcome { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// A connection to a server on this machine.
pub(crate) fn connect(address: &str) -> redis::Connection {
    let client = redis::Client::open(format!("redis://{address}/")).expect("a well-formed URL");
    let connection = client.get_connection_with_timeout(REPLY_LIMIT).expect("the server accepts");
    connection.set_read_timeout(Some(REPLY_LIMIT)).expect("a limit above zero");
    connection
}

/// Names and bytes of all files of a store, without the lock.
pub(crate) fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in ["log", "checkpoints", "blocks"] {
        let Ok(entries) = fs::read_dir(directory.join(folder)) else { continue };
        for entry in entries {
            let name = Path::new(folder).join(entry.expect("an entry").file_name());
            let bytes = fs::read(directory.join(&name)).expect("a file of the store");
            found.insert(name, bytes);
        }
    }
    found
}

/// Files of a folder whose names end so, in order.
pub(crate) fn files(directory: &Path, folder: &str, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join(folder)).expect("a folder of the store");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| path.to_string_lossy().ends_with(suffix)).collect();
    paths.sort();
    paths
}

/// Flips a bit of a file.
pub(crate) fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).expect("a file of the store");
    bytes[offset] ^= 0x10;
    fs::write(path, bytes).expect("it can be written");
}
