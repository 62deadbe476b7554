//! A master, its replica, and three Sentinels that watch them: all real.
//!
//! Sentinels are the same executable with another word before its arguments, so they are started
//! here; they know each other and both servers before any of this is handed out.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::waiting::wait_until;
use crate::{Program, Server, Value};

const SENTINELS: usize = 3;

/// What the Sentinels call what they watch.
pub const SERVICE: &str = "orders";

/// Servers and Sentinels; they end with it.
#[derive(Debug)]
pub struct Sentinels {
    servers: [Server; 2],
    /// The ports that they say they have.
    announced: [u16; 2],
    sentinels: Vec<Server>,
    /// Their configuration, which they write.
    _files: TempDir,
}

impl Sentinels {
    /// Starts all of them; servers and Sentinels want this password, if there is one.
    ///
    /// # Errors
    /// When one cannot be started, or they do not come to terms within a minute.
    pub fn start(program: &Program, password: Option<&str>) -> Result<Self> {
        Self::start_behind(program, password, |port| port)
    }

    /// The same with something before each server, made when its port is known: all, the Sentinels
    /// among them, are told that the server has the port that this returns. It must let plain
    /// connections through. A server that is killed does not know of it when it starts again.
    ///
    /// # Errors
    /// As [`Sentinels::start`].
    pub fn start_behind(
        program: &Program,
        password: Option<&str>,
        mut front: impl FnMut(u16) -> u16,
    ) -> Result<Self> {
        let mut arguments = vec!["--appendonly", "yes", "--appendfsync", "no"];
        arguments.extend(["--repl-diskless-sync-delay", "0"]);
        if let Some(password) = password {
            arguments.extend(["--requirepass", password, "--masterauth", password]);
        }
        let servers =
            [Server::start_with(program, &arguments)?, Server::start_with(program, &arguments)?];
        let announced = [front(servers[0].port()), front(servers[1].port())];
        for (server, port) in servers.iter().zip(announced) {
            let set = ["CONFIG", "SET", "replica-announce-port", &port.to_string()];
            ask(server, password, &set)?;
        }
        let master = announced[0];
        ask(&servers[1], password, &["REPLICAOF", "127.0.0.1", &master.to_string()])?;
        let files = TempDir::new().context("create a directory")?;
        let mut sentinels = Vec::new();
        for number in 0..SENTINELS {
            let file = files.path().join(format!("sentinel-{number}.conf"));
            fs::write(&file, configuration(master, password)).context("write it")?;
            sentinels.push(Server::start_sentinel(program, &file)?);
        }
        let all = Self { servers, announced, sentinels, _files: files };
        all.wait_until_all_are_known(password)?;
        Ok(all)
    }

    /// Waits until all Sentinels know each other, the master, and a replica that may take over.
    ///
    /// # Errors
    /// When it takes longer than a minute.
    pub fn wait_until_all_are_known(&self, password: Option<&str>) -> Result<()> {
        wait_until("the Sentinels know all", || self.know_all(password))
    }

    fn know_all(&self, password: Option<&str>) -> Result<bool> {
        for sentinel in &self.sentinels {
            let facts = ask(sentinel, password, &["SENTINEL", "MASTER", SERVICE])?;
            let is = |name: &str, wanted: &str| fact(&facts, name).as_deref() == Some(wanted);
            if !is("num-slaves", "1") || !is("num-other-sentinels", "2") || !is("flags", "master") {
                return Ok(false);
            }
            // Only a replica that is known to be well may take over.
            let Value::Array(replicas) =
                ask(sentinel, password, &["SENTINEL", "REPLICAS", SERVICE])?
            else {
                return Ok(false);
            };
            let is_well = |it: &Value| fact(it, "master-link-status").as_deref() == Some("ok");
            if !replicas.iter().all(is_well) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Both servers; which of them is the master changes.
    pub fn server_mut(&mut self, server: usize) -> &mut Server {
        &mut self.servers[server]
    }

    /// `host:port` of all Sentinels, with commas between.
    pub fn hosts(&self) -> String {
        let host = |port: u16| format!("127.0.0.1:{port}");
        self.ports().into_iter().map(host).collect::<Vec<_>>().join(",")
    }

    /// The ports of all Sentinels.
    pub fn ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(Server::port).collect()
    }

    /// Which server the first Sentinel takes for the master.
    ///
    /// # Errors
    /// When it does not answer, or names somebody else.
    pub fn master(&self, password: Option<&str>) -> Result<usize> {
        let ask_for = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE];
        let Value::Array(address) = ask(&self.sentinels[0], password, &ask_for)? else {
            bail!("there is no master");
        };
        let port = address.get(1).and_then(Value::bytes).context("a port")?;
        let is_it = |announced: &u16| announced.to_string().as_bytes() == port;
        self.announced.iter().position(is_it).context("the master is one of ours")
    }

    /// Waits until the Sentinels know that this one is the master and the other its replica.
    ///
    /// # Errors
    /// When it takes longer than a minute.
    pub fn wait_for_master(&self, server: usize, password: Option<&str>) -> Result<()> {
        wait_until("the replica is the master", || Ok(self.master(password)? == server))
    }
}

fn configuration(master: u16, password: Option<&str>) -> String {
    let mut lines = vec![
        format!("sentinel monitor {SERVICE} 127.0.0.1 {master} 2"),
        format!("sentinel down-after-milliseconds {SERVICE} 1000"),
        format!("sentinel failover-timeout {SERVICE} 5000"),
    ];
    if let Some(password) = password {
        lines.push(format!("sentinel auth-pass {SERVICE} {password}"));
        lines.push(format!("requirepass {password}"));
        lines.push(format!("sentinel sentinel-pass {password}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The value beside a name, in a list of both in turn.
fn fact(facts: &Value, name: &str) -> Option<String> {
    let Value::Array(items) = facts else { return None };
    let is_it = |pair: &&[Value]| pair[0].bytes() == Some(name.as_bytes());
    let found = items.chunks_exact(2).find(is_it)?;
    Some(String::from_utf8_lossy(found[1].bytes()?).into_owned())
}

fn ask(server: &Server, password: Option<&str>, command: &[&str]) -> Result<Value> {
    let mut client = server.connect()?;
    if let Some(password) = password {
        client.call(&["AUTH", password])?;
    }
    let answer = client.call(command)?;
    ensure!(!answer.is_error(), "{command:?} is answered by {answer:?}");
    Ok(answer)
}
