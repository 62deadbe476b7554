//! Who has which slot, as far as we know. Servers tell; what they say later counts.
//!
//! Asked again whenever there is doubt, several at a time, so that one which is dead or hangs does
//! not hold up the rest. The first answer is taken: should it be old, a redirection or the next
//! doubt puts it right.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{Value, cmd};
use tokio::task::JoinSet;

use super::super::address::{Access, HostPort};
use super::super::link::Link;
use crate::Error;
use crate::hash_slot::SLOTS;
use crate::reply::{self, NotUnderstood};

/// So many are asked at the same time.
const ASKED_AT_ONCE: usize = 3;
/// Who does not answer within this is left out.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Not asked more often than that.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// A server.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: HostPort,
    pub(super) link: Arc<Link>,
}

#[derive(Debug)]
pub(super) struct Topology {
    access: Access,
    seeds: Vec<HostPort>,
    map: Mutex<Map>,
    /// One asks for all; when it was done last.
    asking: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Map {
    nodes: BTreeMap<HostPort, Arc<Node>>,
    /// By slot.
    owners: Vec<Option<Arc<Node>>>,
    is_doubtful: bool,
}

impl fmt::Debug for Map {
    /// Without a line for each slot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("nodes", &self.nodes.keys())
            .field("is_doubtful", &self.is_doubtful)
            .finish_non_exhaustive()
    }
}

/// One row of CLUSTER SLOTS: from, to (both included), primary.
type Range = (u16, u16, HostPort);

impl Topology {
    /// # Errors
    /// None of these answers, or none is of a Cluster.
    pub(super) async fn find_out(access: Access, seeds: Vec<HostPort>) -> Result<Self, Error> {
        let map = Map { is_doubtful: true, ..Map::default() };
        let (map, asking) = (Mutex::new(map), tokio::sync::Mutex::default());
        let topology = Self { access, seeds, map, asking };
        topology.refresh().await?;
        Ok(topology)
    }

    /// What we know may be wrong.
    pub(super) fn doubt(&self) {
        self.map.lock().is_doubtful = true;
    }

    /// A server said who has this slot.
    pub(super) fn note(&self, slot: u16, address: &HostPort) -> Result<(), Error> {
        let node = self.node(address)?;
        let mut map = self.map.lock();
        // Others have moved, too, most of the time.
        map.is_doubtful = true;
        if let Some(owner) = map.owners.get_mut(usize::from(slot)) {
            *owner = Some(node);
        }
        Ok(())
    }

    /// The server at this address.
    pub(super) fn node(&self, address: &HostPort) -> Result<Arc<Node>, Error> {
        let mut map = self.map.lock();
        if let Some(node) = map.nodes.get(address) {
            return Ok(Arc::clone(node));
        }
        let link = Arc::new(self.access.link_of(address)?);
        let node = Arc::new(Node { address: address.clone(), link });
        map.nodes.insert(address.clone(), Arc::clone(&node));
        Ok(node)
    }

    /// Who has this slot, or, without one, anybody who has some.
    ///
    /// # Errors
    /// `CLUSTERDOWN`, as a server would say it: nobody has. [`Error::Connection`]: nobody knows.
    pub(super) async fn owner(&self, slot: Option<u16>) -> Result<Arc<Node>, Error> {
        let known = |is_certain: bool| {
            let map = self.map.lock();
            if map.is_doubtful && is_certain {
                return None;
            }
            match slot {
                Some(slot) => map.owners.get(usize::from(slot)).cloned().flatten(),
                None => {
                    let mut owners: Vec<_> = map.owners.iter().flatten().collect();
                    owners.dedup_by(|a, b| Arc::ptr_eq(a, b));
                    let any = fastrand::usize(..owners.len().max(1));
                    owners.get(any).map(|node| Arc::clone(node))
                }
            }
        };
        if let Some(node) = known(true) {
            return Ok(node);
        }
        let asked = self.refresh().await;
        // Old knowledge is better than none.
        if let Some(node) = known(false) {
            return Ok(node);
        }
        asked?;
        let text = format!("nobody has slot {}", slot.unwrap_or_default());
        Err(Error::Refused { code: "CLUSTERDOWN".to_owned(), text })
    }

    /// A slot of each server that has some.
    ///
    /// # Errors
    /// As [`Self::owner`].
    pub(super) async fn places(&self) -> Result<Vec<u16>, Error> {
        // Asks anew if there is doubt.
        self.owner(None).await?;
        let map = self.map.lock();
        let mut places: Vec<(&Arc<Node>, u16)> = Vec::new();
        for (slot, owner) in (0..).zip(&map.owners) {
            let Some(owner) = owner else { continue };
            if !places.iter().any(|(known, _)| Arc::ptr_eq(known, owner)) {
                places.push((owner, slot));
            }
        }
        Ok(places.into_iter().map(|(_, slot)| slot).collect())
    }

    async fn refresh(&self) -> Result<(), Error> {
        let mut last = self.asking.lock().await;
        if last.is_some_and(|last| last.elapsed() < ASK_INTERVAL) {
            return Ok(());
        }
        let mut all: Vec<HostPort> = self.map.lock().nodes.keys().cloned().collect();
        fastrand::shuffle(&mut all);
        all.extend(self.seeds.iter().cloned());
        let mut failed = Error::Connection("there is nobody to ask".into());
        for some in all.chunks(ASKED_AT_ONCE) {
            match self.ask(some).await {
                Ok(ranges) => {
                    let taken = self.take(ranges);
                    *last = Some(Instant::now());
                    return taken;
                }
                Err(error) => failed = error,
            }
        }
        *last = Some(Instant::now());
        Err(failed)
    }

    /// The first answer of any of these.
    async fn ask(&self, some: &[HostPort]) -> Result<Vec<Range>, Error> {
        let mut asking = JoinSet::new();
        for address in some {
            let node = self.node(address)?;
            asking.spawn(async move {
                let command = cmd("CLUSTER").arg("SLOTS").to_owned();
                let answer = node.link.run_within(ANSWER_LIMIT, &command).await?;
                ranges(answer, &node.address).map_err(NotUnderstood::of("CLUSTER SLOTS"))
            });
        }
        let mut failed = Error::Connection("there is nobody to ask".into());
        while let Some(answer) = asking.join_next().await {
            match answer {
                Ok(Ok(ranges)) if !ranges.is_empty() => return Ok(ranges),
                Ok(Ok(_)) => {
                    let text = "no server has a slot yet".to_owned();
                    failed = Error::Refused { code: "CLUSTERDOWN".to_owned(), text };
                }
                Ok(Err(error)) => failed = error,
                Err(_) => {}
            }
        }
        Err(failed)
    }

    fn take(&self, ranges: Vec<Range>) -> Result<(), Error> {
        let mut owners = vec![None; usize::from(SLOTS)];
        let mut nodes = BTreeMap::new();
        for (from, to, address) in ranges {
            let node = self.node(&address)?;
            for slot in from..=to.min(SLOTS - 1) {
                owners[usize::from(slot)] = Some(Arc::clone(&node));
            }
            nodes.insert(address, node);
        }
        // Those that are gone are forgotten; whoever still talks to one keeps it.
        *self.map.lock() = Map { nodes, owners, is_doubtful: false };
        Ok(())
    }
}

fn ranges(answer: Value, asked: &HostPort) -> Result<Vec<Range>, NotUnderstood> {
    let slot = |value: &Value| u16::try_from(reply::count(value)?).map_err(|_| NotUnderstood);
    let range = |row: Value| {
        let row = reply::array(row)?;
        let [from, to, primary, ..] = &row[..] else { return Err(NotUnderstood) };
        let primary = reply::array(primary.clone())?;
        let [host, port, ..] = &primary[..] else { return Err(NotUnderstood) };
        let host = match reply::lossy_text(host)? {
            // It does not know its own name: the one that it was called by.
            unknown if matches!(&*unknown, "" | "?") => asked.host.clone(),
            known => known,
        };
        Ok((slot(from)?, slot(to)?, HostPort { host, port: slot(port)? }))
    };
    reply::array(answer)?.into_iter().map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_the_primary_first_and_may_not_know_its_host() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host, port| Value::Array(vec![host, Value::Int(port), bulk("id")]);
        let row = |from, to, nodes: [Value; 2]| {
            let [primary, replica] = nodes;
            Value::Array(vec![Value::Int(from), Value::Int(to), primary, replica])
        };
        let answer = Value::Array(vec![
            row(0, 100, [node(bulk("a"), 1), node(bulk("b"), 2)]),
            row(101, 16_383, [node(Value::Nil, 3), node(bulk("d"), 4)]),
        ]);
        let host_port = |host: &str, port| HostPort { host: host.to_owned(), port };
        let found = ranges(answer, &host_port("c", 9)).expect("rows");
        assert_eq!(found, [(0, 100, host_port("a", 1)), (101, 16_383, host_port("c", 3))]);
        assert!(ranges(Value::Array(vec![Value::Int(1)]), &host_port("c", 9)).is_err());
    }
}
