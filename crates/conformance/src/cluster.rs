//! A running Cluster of real servers, each with a replica, formed by commands alone.
//!
//! 1. Handed out only when all nodes agree that it works and all replicas have what their
//!    primaries have.
//! 2. Waits ask for what they wait for, again and again; each has a limit.
//! 3. A node with a password (`--requirepass`) is asked with it.
//! 4. Nodes keep their data when they are killed: a primary that comes back empty would be the
//!    primary still.

mod state;

use anyhow::{Context, Result, bail, ensure};

use self::state::{Role, roles};
use crate::server::free_port;
use crate::waiting::wait_until;
use crate::{Client, Program, Server, Value};

/// How long nodes wait before they take another one for dead.
const NODE_TIMEOUT_MS: &str = "2000";
const SLOTS: u32 = 16_384;

/// Nodes in one Cluster; they end with it.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
    /// The ports that they say they have.
    announced: Vec<u16>,
    ids: Vec<String>,
}

impl Cluster {
    /// Starts so many primaries that share the slots, and a replica of each. The primaries are the
    /// first nodes, their replicas come in the same order.
    ///
    /// # Errors
    /// When a node cannot be started, or they do not come to terms within a minute.
    pub fn start(program: &Program, primaries: usize) -> Result<Self> {
        Self::start_with(program, primaries, &[])
    }

    /// The same with more arguments for each node.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_with(program: &Program, primaries: usize, arguments: &[&str]) -> Result<Self> {
        Self::start_behind(program, primaries, arguments, |port| port)
    }

    /// The same with something before each node, made when its port is known: all, the nodes among
    /// them, are told that the node has the port that this returns. It must let plain connections
    /// through. A node that is killed does not know of it when it starts again.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_behind(
        program: &Program,
        primaries: usize,
        arguments: &[&str],
        mut front: impl FnMut(u16) -> u16,
    ) -> Result<Self> {
        let nodes: Result<Vec<_>> =
            (0..2 * primaries).map(|_| start_node(program, arguments)).collect();
        let nodes = nodes?;
        let (mut ids, mut announced) = (Vec::new(), Vec::new());
        for node in &nodes {
            let port = front(node.port());
            if port != node.port() {
                done(node, &["CONFIG", "SET", "cluster-announce-port", &port.to_string()])?;
            }
            announced.push(port);
            ids.push(text(&ask(node, &["CLUSTER", "MYID"])?)?);
        }
        let cluster = Self { nodes, announced, ids };
        cluster.form(primaries)?;
        Ok(cluster)
    }

    fn form(&self, primaries: usize) -> Result<()> {
        for (number, node) in self.nodes.iter().enumerate() {
            let epoch = (number + 1).to_string();
            done(node, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?;
            if number < primaries {
                let first = SLOTS * number as u32 / primaries as u32;
                let end = SLOTS * (number as u32 + 1) / primaries as u32;
                let (first, last) = (first.to_string(), (end - 1).to_string());
                done(node, &["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
            }
        }
        for (other, port) in self.nodes.iter().zip(&self.announced).skip(1) {
            let (port, bus) = (port.to_string(), bus_port(other)?);
            done(&self.nodes[0], &["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
        self.wait("all nodes know each other", |node| Ok(roles(node)?.len() == self.nodes.len()))?;
        for (replica, primary) in self.nodes[primaries..].iter().zip(&self.ids) {
            done(replica, &["CLUSTER", "REPLICATE", primary])?;
        }
        self.wait_until_whole()
    }

    /// The nodes, primaries and replicas as they were at first.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// One of them, to be killed and started again.
    pub fn node_mut(&mut self, node: usize) -> &mut Server {
        &mut self.nodes[node]
    }

    /// `host:port` of all nodes as they say them, with commas between.
    pub fn hosts(&self) -> String {
        let host = |port: &u16| format!("127.0.0.1:{port}");
        self.announced.iter().map(host).collect::<Vec<_>>().join(",")
    }

    /// The slot that a key is in.
    ///
    /// # Errors
    /// When the first node does not answer.
    pub fn slot_of(&self, key: &str) -> Result<u16> {
        match ask(&self.nodes[0], &["CLUSTER", "KEYSLOT", key])? {
            Value::Int(slot) => u16::try_from(slot).context("a slot"),
            other => bail!("CLUSTER KEYSLOT answers {other:?}"),
        }
    }

    /// The node that has a key now, by the word of the nodes themselves.
    ///
    /// # Errors
    /// When none says within a minute that it has.
    pub fn owner_of(&self, key: &str) -> Result<usize> {
        let mut owner = None;
        wait_until(&format!("a node has {key}"), || {
            let is_it = |node: &Server| {
                let answer = ask(node, &["EXISTS", key]);
                matches!(answer, Ok(Value::Int(_)))
            };
            owner = self.nodes.iter().position(is_it);
            Ok(owner.is_some())
        })?;
        owner.context("a node has it")
    }

    /// The primaries, as they are now; nodes that do not answer are left out.
    ///
    /// # Errors
    /// When what a node says is not understood.
    pub fn primaries(&self) -> Result<Vec<usize>> {
        let mut primaries = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let Ok(answer) = ask(node, &["INFO", "replication"]) else { continue };
            if text(&answer)?.contains("role:master") {
                primaries.push(number);
            }
        }
        Ok(primaries)
    }

    /// Waits until this node is a primary, by its own word.
    ///
    /// # Errors
    /// When it takes longer than a minute.
    pub fn wait_until_primary(&self, node: usize) -> Result<()> {
        wait_until("the replica is a primary", || {
            Ok(text(&ask(&self.nodes[node], &["INFO", "replication"])?)?.contains("role:master"))
        })
    }

    /// The replica of a primary, as they are now.
    ///
    /// # Errors
    /// When the primary does not answer, or has none.
    pub fn replica_of(&self, primary: usize) -> Result<usize> {
        let id = &self.ids[primary];
        let all = roles(&self.nodes[primary])?;
        let is_its = |role: &&Role| role.primary.as_ref() == Some(id);
        let replica = all.iter().find(is_its).context("the primary has no replica")?;
        self.ids.iter().position(|id| *id == replica.id).context("the replica is a node")
    }

    /// Waits until all nodes see all slots served, and all replicas have what their primaries have.
    ///
    /// # Errors
    /// When it takes longer than a minute.
    pub fn wait_until_whole(&self) -> Result<()> {
        self.wait("the Cluster is whole", |node| {
            let info = text(&ask(node, &["CLUSTER", "INFO"])?)?;
            let replication = text(&ask(node, &["INFO", "replication"])?)?;
            let has = |text: &str, line: &str| text.lines().any(|it| it == line);
            let all = roles(node)?;
            let is_primary = has(&replication, "role:master");
            let is_replicated =
                if is_primary { "connected_slaves:1" } else { "master_link_status:up" };
            Ok(has(&info, "cluster_state:ok")
                && has(&info, &format!("cluster_slots_ok:{SLOTS}"))
                && all.iter().all(|role| !role.is_failing)
                && has(&replication, is_replicated))
        })
    }

    /// Has a replica take over from its primary, without loss (CLUSTER FAILOVER), and waits for it.
    ///
    /// # Errors
    /// When it does not within a minute.
    pub fn fail_over_to(&self, replica: usize) -> Result<()> {
        wait_until("the replica takes over", || {
            let node = &self.nodes[replica];
            if text(&ask(node, &["INFO", "replication"])?)?.contains("role:master") {
                return Ok(true);
            }
            // Refused while the one before goes on; asked again, as it may have been given up.
            let _ = ask(node, &["CLUSTER", "FAILOVER"])?;
            Ok(false)
        })
    }

    /// Moves a slot with all its keys from one primary to another, key by key, as tools do: in
    /// between some keys are here and some there. `moved` is told after each step how many keys
    /// have gone.
    ///
    /// # Errors
    /// When a node refuses.
    pub fn move_slot(
        &self,
        slot: u16,
        from: usize,
        to: usize,
        mut moved: impl FnMut(usize),
    ) -> Result<()> {
        let slot = slot.to_string();
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (from_id, to_id) = (&*self.ids[from], &*self.ids[to]);
        done(target, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", from_id])?;
        done(source, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", to_id])?;
        moved(0);
        let mut count = 0;
        loop {
            let Value::Array(keys) = ask(source, &["CLUSTER", "GETKEYSINSLOT", &slot, "1"])? else {
                bail!("CLUSTER GETKEYSINSLOT answers no list");
            };
            let Some(key) = keys.first() else { break };
            let (key, port) = (text(key)?, target.port().to_string());
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, &key, "0", "10000"];
            migrate.extend(target.password().iter().flat_map(|password| ["AUTH", password]));
            let answer = ask(source, &migrate)?;
            ensure!(!answer.is_error(), "MIGRATE answers {answer:?}");
            count += 1;
            moved(count);
        }
        done(target, &["CLUSTER", "SETSLOT", &slot, "NODE", to_id])?;
        done(source, &["CLUSTER", "SETSLOT", &slot, "NODE", to_id])
    }

    /// Moves a slot with all its keys as Valkey 9 does it by itself: clients see it here, and then
    /// there.
    ///
    /// # Errors
    /// When it is not there within a minute.
    pub fn migrate_slot(&self, slot: u16, from: usize, to: usize) -> Result<()> {
        let (slot, target) = (slot.to_string(), &*self.ids[to]);
        let migrate = ["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", &slot, &slot, "NODE", target];
        let count_keys = ["CLUSTER", "GETSLOTMIGRATIONS"];
        wait_until("the slot has moved", || {
            let mine = text(&ask(&self.nodes[to], &["CLUSTER", "NODES"])?)?;
            if state::owns(&mine, &slot) {
                return Ok(true);
            }
            // Refused while the one before goes on; asked again, as that may have failed.
            let answer = ask(&self.nodes[from], &migrate)?;
            let is_going_on = ask(&self.nodes[from], &count_keys);
            ensure!(!answer.is_error(), "{answer:?}, {is_going_on:?}");
            Ok(false)
        })
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Server) -> Result<bool>) -> Result<()> {
        wait_until(what, || {
            for node in &self.nodes {
                if !is_so(node)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

fn start_node(program: &Program, arguments: &[&str]) -> Result<Server> {
    let mut last = None;
    // Somebody else may take the port in between.
    for _ in 0..5 {
        let bus = free_port()?.to_string();
        let mut all = vec!["--cluster-enabled", "yes", "--cluster-port", &bus];
        all.extend(["--cluster-node-timeout", NODE_TIMEOUT_MS]);
        all.extend(["--cluster-allow-replica-migration", "no"]);
        all.extend(["--appendonly", "yes", "--appendfsync", "no"]);
        all.extend(["--repl-diskless-sync-delay", "0"]);
        all.extend(arguments);
        match Server::start_with(program, &all) {
            Ok(server) => return Ok(server),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("start a node")?)
}

fn bus_port(node: &Server) -> Result<String> {
    match ask(node, &["CONFIG", "GET", "cluster-port"])? {
        Value::Array(pair) if pair.len() == 2 => text(&pair[1]),
        other => bail!("CONFIG GET cluster-port answers {other:?}"),
    }
}

fn ask(node: &Server, command: &[&str]) -> Result<Value> {
    let mut client: Client = node.connect()?;
    if let Some(password) = node.password() {
        client.call(&["AUTH", password])?;
    }
    client.call(command)
}

/// A command that is answered by OK.
fn done(node: &Server, command: &[&str]) -> Result<()> {
    let answer = ask(node, command)?;
    ensure!(answer == Value::Simple("OK".to_owned()), "{command:?} is answered by {answer:?}");
    Ok(())
}

fn text(value: &Value) -> Result<String> {
    let bytes = value.bytes().with_context(|| format!("a text is no {value:?}"))?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}
