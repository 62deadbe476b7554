//! A data directory, the servers that run on it, and what can be seen of both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Client, Connection, InfoDict, cmd};
use tempfile::TempDir;

use crate::process::Process;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);
const LOOK_PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Store {
    pub(crate) path: PathBuf,
    _directory: Option<TempDir>,
}

/// A server and a connection to it. Killed with signal 9 when it goes out of scope.
pub(crate) struct Running {
    pub(crate) connection: Connection,
    pub(crate) process: Process,
    path: PathBuf,
}

impl Store {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self { path: directory.path().join("store"), _directory: Some(directory) }
    }

    /// In a folder that its owner removes.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), _directory: None }
    }

    /// Starts a server on it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let process = Process::start(|command| {
            command.args(["--threads", "2"]).args(arguments).arg("--dir").arg(&self.path);
        });
        Running { connection: connect(&process.address), process, path: self.path.clone() }
    }

    /// What a server that does not start on it says.
    pub(crate) fn refused(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.args(["serve", "--port", "0", "--admin-port", "off", "--dir"]).arg(&self.path);
        // It would run for ever if it did start.
        let mut limited = Command::new("timeout");
        limited.args(["--signal=KILL", "30"]).arg(command.get_program()).args(command.get_args());
        let Output { status, stderr, .. } = limited.output().expect("timeout starts it");
        let said = String::from_utf8_lossy(&stderr).into_owned();
        assert_eq!(status.code(), Some(1), "{said}");
        said
    }

    /// Files of a folder in it, by name.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let list = fs::read_dir(self.path.join(folder)).expect("list a folder of the store");
        let mut paths: Vec<_> = list.map(|entry| entry.expect("list").path()).collect();
        paths.sort();
        paths
    }

    /// Bytes that a folder takes on disk.
    pub(crate) fn disk_bytes(&self, folder: &str) -> u64 {
        use std::os::unix::fs::MetadataExt as _;
        // What goes away meanwhile takes nothing.
        let blocks = |path: PathBuf| fs::metadata(path).map_or(0, |data| data.blocks() * 512);
        self.files(folder).into_iter().map(blocks).sum()
    }
}

impl Running {
    pub(crate) fn info(&mut self) -> InfoDict {
        cmd("INFO").query(&mut self.connection).expect("INFO")
    }

    /// A number in INFO, by its name without `millstream_`.
    pub(crate) fn number(&mut self, name: &str) -> u64 {
        let name = format!("millstream_{name}");
        self.info().get(&name).unwrap_or_else(|| panic!("{name} is in INFO"))
    }

    /// What INFO says of storage, for messages.
    fn storage_facts(&mut self) -> Vec<String> {
        let info: String = cmd("INFO").arg("persistence").query(&mut self.connection).expect("");
        info.lines()
            .filter_map(|line| line.strip_prefix("millstream_"))
            .map(str::to_owned)
            .collect()
    }

    /// Its files, with the bytes that each takes on disk.
    fn files_on_disk(&self) -> String {
        let listed = Command::new("du").args(["--all", "--block-size=1"]).arg(&self.path).output();
        String::from_utf8_lossy(&listed.expect("du starts").stdout).into_owned()
    }

    /// Waits until a number in INFO is as wanted.
    pub(crate) fn wait(&mut self, name: &str, is_reached: impl Fn(u64) -> bool) {
        let mut last = 0;
        let is_reached = poll(|| {
            last = self.number(name);
            is_reached(last)
        });
        if !is_reached {
            let said = self.process.said();
            let facts = self.storage_facts();
            let files = self.files_on_disk();
            panic!("{name} stays {last}: {facts:?}\n{said:#?}\n{files}");
        }
    }

    /// Waits until a checkpoint covers everything logged so far; with writes that change nothing
    /// that counts, since it takes a certain amount of log.
    pub(crate) fn wait_for_checkpoint(&mut self) {
        let logged = self.number("log_end");
        let is_covered = poll(|| {
            if self.number("checkpointed") >= logged {
                return true;
            }
            let filler = vec![b'x'; 16 << 10];
            cmd("SET").arg("filler").arg(filler).exec(&mut self.connection).expect("SET");
            false
        });
        assert!(is_covered, "no checkpoint covers position {logged}");
    }

    /// Peak of the process's memory, in MiB.
    pub(crate) fn peak_mb(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.child.id());
        let status = fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.trim().strip_suffix("kB")).expect("a peak in kB");
        kb.trim().parse::<u64>().expect("a number") >> 10
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        self.process.stop();
    }

    /// Kills it with signal 9.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.child.try_wait().expect("look after the server").is_none()
    }
}

fn connect(address: &str) -> Connection {
    let client = Client::open(format!("redis://{address}/")).expect("a well-formed URL");
    let connection = client.get_connection_with_timeout(LIMIT).expect("the server accepts");
    connection.set_read_timeout(Some(LIMIT)).expect("a limit above zero");
    connection
}

/// Looks again and again; false if it does not become true in time.
pub(crate) fn poll(mut is_reached: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if is_reached() {
            return true;
        }
        thread::sleep(LOOK_PAUSE);
    }
    false
}

/// Turns one bit of a file over; twice, and it is as it was.
pub(crate) fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).expect("read the file to damage");
    bytes[offset] ^= 0x10;
    fs::write(path, bytes).expect("damage the file");
}

/// Where a file holds some bytes.
pub(crate) fn offset_of(path: &Path, wanted: &[u8]) -> Option<usize> {
    let bytes = fs::read(path).expect("read a file");
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
