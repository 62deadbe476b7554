//! The store of a running server: the server keeps its files still while they are copied.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use millstream::Error;
use millstream_engine::StoredFile;
use redis::{FromRedisValue, cmd, from_redis_value};

use crate::server::{Server, ServerOptions};

/// How long SAVE may take, which waits for the disk.
const SAVE_PATIENCE: Duration = Duration::from_mins(10);

/// A server that keeps the files of a copy on disk until this is finished or dropped.
pub(crate) struct LiveStore {
    server: Server,
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
    pub(crate) async fn pin(options: &ServerOptions) -> anyhow::Result<Self> {
        let server = options.connect().await?;
        // Before SAVE, which others have, too, and may be busy with for long.
        refuse_other_program(&server).await?;
        let patient = options.connect_for(SAVE_PATIENCE).await?;
        let saved = patient.millstream.query(&cmd("SAVE")).await;
        saved.map_err(server.cannot("bring everything to disk"))?;
        let pinned: Result<Pinned, Error> = ask(&server, &["BACKUP", "PIN"]).await;
        let pinned = pinned.map_err(server.cannot("have the files kept still"))?;
        let (_, directory, _, position, _, files) = pinned;
        let directory = PathBuf::from(std::ffi::OsString::from_vec(directory));
        let listed =
            |(name, bytes, file_bytes, is_final)| StoredFile { name, bytes, file_bytes, is_final };
        let files = files.into_iter().map(listed).collect();
        let store = Self { server, directory, position, files };
        store.refuse_other_machine().await?;
        Ok(store)
    }

    /// The directory must be that of the server, not one of the same name on this machine.
    async fn refuse_other_machine(&self) -> anyhow::Result<()> {
        let Self { server, directory, .. } = self;
        let info: Result<String, Error> = ask(server, &["INFO", "server"]).await;
        let info = info.map_err(server.cannot("ask who has the files"))?;
        let process = info.lines().find_map(|line| line.trim().strip_prefix("process_id:"));
        let owner = fs::read_to_string(directory.join("LOCK"));
        let is_here = owner.as_ref().is_ok_and(|owner| Some(owner.trim()) == process);
        if !is_here {
            bail!(
                "the directory {} of the server at {} is not on this machine, or cannot be read by \
                 this user\n  next: run the backup where the server runs, as the user that it has",
                directory.display(),
                server.address
            );
        }
        Ok(())
    }

    /// Keeps the connection from being taken for an idle one.
    pub(crate) async fn keep_alive(&self) -> anyhow::Result<()> {
        match self.server.millstream.query(&cmd("PING")).await {
            Err(error @ Error::Connection(_)) => Err(anyhow!(
                "the server at {} is gone, and so may be files that were to be copied: {error}\n  \
                 next: run the backup again once it is back",
                self.server.address
            )),
            _ => Ok(()),
        }
    }

    /// Lets the files go. An error means that they were not kept all the while.
    pub(crate) async fn unpin(self) -> anyhow::Result<()> {
        let was_kept: Result<bool, Error> = ask(&self.server, &["BACKUP", "UNPIN"]).await;
        // Not so where the connection is another one by now.
        if was_kept.map_err(self.server.cannot("end the backup"))? {
            return Ok(());
        }
        Err(anyhow!(
            "the server at {} let the files go too early\n  next: run the backup again",
            self.server.address
        ))
    }
}

/// Asks in words, and takes the answer apart.
async fn ask<T: FromRedisValue>(server: &Server, words: &[&'static str]) -> Result<T, Error> {
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    let answer = server.millstream.query(&command).await?;
    from_redis_value(answer).map_err(|_| Error::Answer(words[0]))
}

/// By what does no harm on any server.
async fn refuse_other_program(server: &Server) -> anyhow::Result<()> {
    match server.millstream.query(cmd("BACKUP").arg("HELP")).await {
        Err(Error::Refused { code, text })
            if code == "ERR" && text.starts_with("unknown command") =>
        {
            Err(anyhow!(
                "cannot copy the store at {}: {} has no command BACKUP\n  next: name a Millstream \
                 server with --url or REDIS_URL; others are copied by tools of their own",
                server.address,
                server.is_called()
            ))
        }
        // Whatever else there is comes again.
        _ => Ok(()),
    }
}
