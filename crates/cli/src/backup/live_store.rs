//! The store of a running server: the server keeps its files still while they are copied.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use millstream_engine::StoredFile;
use redis::{Connection, ConnectionLike as _, Value};

/// How long connecting may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// A server that keeps the files of a copy on disk until this is finished or dropped.
pub(crate) struct LiveStore {
    connection: Connection,
    pub(crate) directory: PathBuf,
    pub(crate) position: u64,
    pub(crate) files: Vec<StoredFile>,
}

/// How BACKUP PIN lists a file: name, bytes, length, whether it never changes any more.
type ListedFile = (String, u64, u64, bool);
/// Its whole reply.
type Pinned = (String, Vec<u8>, String, u64, String, Vec<ListedFile>);

impl LiveStore {
    /// Has the server bring everything to disk, and keep it there.
    pub(crate) fn pin(url: &str) -> anyhow::Result<Self> {
        let client = redis::Client::open(url).with_context(|| format!("understand {url:?}"))?;
        let mut connection = client
            .get_connection_with_timeout(CONNECT_PATIENCE)
            .context("connect to the server")?;
        redis::cmd("SAVE").query::<()>(&mut connection).context("have everything synced")?;
        let pinned: Value = redis::cmd("BACKUP")
            .arg("PIN")
            .query(&mut connection)
            .context("ask for the files (BACKUP PIN): is the server a Millstream server?")?;
        let (_, directory, _, position, _, files): Pinned =
            redis::from_redis_value(pinned).context("understand the list of files")?;
        let directory = PathBuf::from(std::ffi::OsString::from_vec(directory));
        let listed =
            |(name, bytes, file_bytes, is_final)| StoredFile { name, bytes, file_bytes, is_final };
        let files = files.into_iter().map(listed).collect();
        let mut store = Self { connection, directory, position, files };
        store.refuse_other_machine()?;
        Ok(store)
    }

    /// The directory must be that of the server, not one of the same name on this machine.
    fn refuse_other_machine(&mut self) -> anyhow::Result<()> {
        let info: String =
            redis::cmd("INFO").arg("server").query(&mut self.connection).context("INFO server")?;
        let server = info.lines().find_map(|line| line.trim().strip_prefix("process_id:"));
        let lock = self.directory.join("LOCK");
        let owner = fs::read_to_string(&lock);
        let is_here = owner.as_ref().is_ok_and(|owner| Some(owner.trim()) == server);
        if !is_here {
            bail!(
                "the server's directory {} is not on this machine (or cannot be read by this \
                 user): run the backup where the server runs",
                self.directory.display()
            );
        }
        Ok(())
    }

    /// Keeps the connection from being taken for an idle one.
    pub(crate) fn keep_alive(&mut self) -> anyhow::Result<()> {
        if self.connection.check_connection() {
            return Ok(());
        }
        bail!("the server is gone, and so may be files that were to be copied: try again")
    }

    /// Lets the files go. An error means that they were not kept all the while.
    pub(crate) fn unpin(mut self) -> anyhow::Result<()> {
        let was_kept: bool = redis::cmd("BACKUP")
            .arg("UNPIN")
            .query(&mut self.connection)
            .context("end the backup at the server")?;
        if was_kept { Ok(()) } else { bail!("the server let the files go too early: try again") }
    }
}
