//! The connections of one section: those of its clients, and one that watches.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{str, thread};

use anyhow::{Context, Result, bail, ensure};

use crate::{Client, Server, Value};

/// How long a command may take until the server lists its client as blocked.
const PARK_LIMIT: Duration = Duration::from_secs(60);

/// Connections that are opened when they are first used.
pub(super) struct Connections<'a> {
    server: &'a Server,
    resp3: bool,
    /// Always RESP2, never blocked.
    watcher: Client,
    clients: BTreeMap<u8, Connection>,
}

/// A client of the section.
pub(super) struct Connection {
    pub(super) client: Client,
    /// Its number in CLIENT LIST.
    id: i64,
    /// When its last command was sent.
    pub(super) sent_at: Instant,
}

impl<'a> Connections<'a> {
    /// Empties the database.
    pub(super) fn open(server: &'a Server, resp3: bool) -> Result<Self> {
        let mut watcher = server.connect()?;
        let flushed = watcher.call(&["FLUSHALL"])?;
        ensure!(!flushed.is_error(), "FLUSHALL: {flushed}");
        Ok(Self { server, resp3, watcher, clients: BTreeMap::new() })
    }

    /// The connection with this number.
    pub(super) fn get(&mut self, number: u8) -> Result<&mut Connection> {
        if !self.clients.contains_key(&number) {
            let mut client = self.server.connect()?;
            if self.resp3 {
                let hello = client.call(&["HELLO", "3"])?;
                ensure!(matches!(hello, Value::Map(_)), "HELLO 3: {hello}");
            }
            let Value::Int(id) = client.call(&["CLIENT", "ID"])? else { bail!("no CLIENT ID") };
            self.clients.insert(number, Connection { client, id, sent_at: Instant::now() });
        }
        Ok(self.clients.get_mut(&number).expect("inserted above"))
    }

    /// Forgets a connection that has ended, so that its number may be used again.
    pub(super) fn forget(&mut self, number: u8) {
        self.clients.remove(&number);
    }

    /// Waits until the server lists the client as blocked.
    pub(super) fn await_parked(&mut self, number: u8) -> Result<()> {
        let deadline = Instant::now() + PARK_LIMIT;
        loop {
            let parked = self.is_parked(number)?;
            let connection = self.get(number)?;
            if connection.client.has_reply()? {
                let reply = connection.client.receive(PARK_LIMIT)?;
                bail!("should block, but answers {reply}");
            }
            if parked {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "neither answered nor parked");
            // The server sends no event when a client is parked.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Fails if the client was answered or is not parked now.
    pub(super) fn check_still_parked(&mut self, number: u8) -> Result<()> {
        let parked = self.is_parked(number)?;
        let connection = self.get(number)?;
        if connection.client.has_reply()? {
            bail!("should still block, but answers {}", connection.client.receive(PARK_LIMIT)?);
        }
        ensure!(parked, "should still block, but the server does not list it as blocked");
        Ok(())
    }

    /// Sets a parameter and says what it was before.
    pub(super) fn configure(&mut self, name: &str, value: &str) -> Result<String> {
        let before = self.watcher.call(&["CONFIG", "GET", name])?;
        let Value::Array(items) = &before else { bail!("CONFIG GET {name}: {before}") };
        let old = items.get(1).and_then(Value::bytes).context("no such parameter")?;
        let old = String::from_utf8_lossy(old).into_owned();
        let set = self.watcher.call(&["CONFIG", "SET", name, value])?;
        ensure!(!set.is_error(), "CONFIG SET {name} {value}: {set}");
        Ok(old)
    }

    fn is_parked(&mut self, number: u8) -> Result<bool> {
        let id = self.get(number)?.id;
        let list = self.watcher.call(&["CLIENT", "LIST"])?;
        let list = str::from_utf8(list.bytes().context("CLIENT LIST is no text")?)?;
        let start = format!("id={id} ");
        let line = list.lines().find(|line| line.starts_with(&start));
        let flags = line
            .context("the client is not in CLIENT LIST")?
            .split(' ')
            .find_map(|word| word.strip_prefix("flags="));
        Ok(flags.context("no flags in CLIENT LIST")?.contains('b'))
    }
}
