//! A server whose wall clock the test moves, by libfaketime. Its monotonic clock is the real one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::command_line::connect;
use crate::process::Process;

/// How far the wall clock is from the real one, in seconds.
pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;
/// Behind 2100, and before 1970, as long as this test may be run.
pub(crate) const TO_2100: i64 = 75 * 366 * DAY;
pub(crate) const BEFORE_1970: i64 = -100 * 366 * DAY;

/// What the clocks of server and test may differ by: the time that a busy machine takes to look.
const NEAR_MS: u64 = 60_000;

pub(crate) struct MovedClock {
    // Dropped in this order.
    pub(crate) process: Process,
    _leftovers: Leftovers,
    library: PathBuf,
    arguments: Vec<String>,
    folder: TempDir,
}

impl MovedClock {
    /// Starts a server so far from the real time. `None`, visibly: there is no libfaketime here.
    pub(crate) fn start(offset_s: i64, arguments: &[&str]) -> Option<Self> {
        let library = library()?;
        let folder = tempfile::tempdir().expect("a temporary directory");
        set(folder.path(), offset_s);
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let process = serve(&library, folder.path(), &arguments);
        let _leftovers = Leftovers(process.child.id());
        let moved = Self { process, _leftovers, library, arguments, folder };
        moved.assert_moved(offset_s);
        Some(moved)
    }

    /// The same store by a new process, after the first one has ended.
    pub(crate) fn restart(&mut self, offset_s: i64) {
        let ended = self.process.child.try_wait().expect("look after the server");
        assert!(ended.is_some(), "it runs");
        set(self.folder.path(), offset_s);
        self.process = serve(&self.library, self.folder.path(), &self.arguments);
        self._leftovers = Leftovers(self.process.child.id());
        self.assert_moved(offset_s);
    }

    pub(crate) fn address(&self) -> &str {
        &self.process.address
    }

    /// Sets the wall clock of the running server; it shows the new time when this returns.
    pub(crate) fn jump(&self, offset_s: i64) {
        set(self.folder.path(), offset_s);
        self.assert_moved(offset_s);
    }

    /// TIME, in milliseconds.
    pub(crate) fn wall_ms(&self) -> u64 {
        let mut client = connect(self.address());
        let time: (u64, u64) = redis::cmd("TIME").query(&mut client).expect("it answers");
        time.0 * 1000 + time.1 / 1000
    }

    fn assert_moved(&self, offset_s: i64) {
        let (shown, expected) = (self.wall_ms(), moved_ms(offset_s));
        assert!(shown.abs_diff(expected) < NEAR_MS, "TIME is {shown}, not {expected}");
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        self.process.stop();
    }

    pub(crate) fn kill(&mut self) {
        self.process.child.kill().expect("it runs");
        self.process.child.wait().expect("it ends");
    }
}

/// What such a clock shows now; 0 before 1970.
pub(crate) fn moved_ms(offset_s: i64) -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("this machine is behind 1970");
    let real_ms = u64::try_from(since.as_millis()).expect("and not far");
    real_ms.saturating_add_signed(offset_s * 1000)
}

fn serve(library: &Path, folder: &Path, arguments: &Vec<String>) -> Process {
    Process::start(|command: &mut Command| {
        command.args(["--threads", "2", "--dir"]).arg(folder.join("data")).args(arguments);
        command.env("LD_PRELOAD", library);
        command.env("FAKETIME_TIMESTAMP_FILE", folder.join("offset"));
        command.env("FAKETIME_NO_CACHE", "1");
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    })
}

/// In one step: the server reads it each time it looks at its wall clock.
fn set(folder: &Path, offset_s: i64) {
    let (next, file) = (folder.join("offset.next"), folder.join("offset"));
    fs::write(&next, format!("{offset_s:+}\n")).expect("write the offset");
    fs::rename(next, file).expect("put it in place");
}

/// The variant for programs with threads.
fn library() -> Option<PathBuf> {
    let mut folders: Vec<_> =
        ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from).into();
    let below = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.extend(below.map(|entry| entry.path()));
    let mut libraries = folders.iter().map(|it| it.join("faketime/libfaketimeMT.so.1"));
    let found = libraries.find(|library| library.is_file());
    if found.is_none() {
        let is_required = std::env::var("MILLSTREAM_REQUIRE_PEERS").is_ok_and(|it| it == "1");
        assert!(!is_required, "no libfaketime: Debian has it in a package of that name");
        println!("SKIP: no libfaketime to move the clock of a server with");
    }
    found
}

/// What libfaketime leaves in memory that is shared when its process is killed.
struct Leftovers(u32);

impl Drop for Leftovers {
    fn drop(&mut self) {
        for name in [format!("faketime_shm_{}", self.0), format!("sem.faketime_sem_{}", self.0)] {
            let _ = fs::remove_file(Path::new("/dev/shm").join(name));
        }
    }
}
