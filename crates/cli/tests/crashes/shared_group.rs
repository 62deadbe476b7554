//! A stream and a group that several clients use at the same time, and a ledger of what the server
//! has confirmed about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread::Scope;
use std::time::Duration;

use redis::{Connection, RedisResult, cmd};

const STREAM: &str = "shared";
const PRODUCERS: usize = 2;
const CONSUMERS: usize = 3;

type Entries = Vec<(String, Vec<String>)>;

/// What was confirmed, by id.
#[derive(Debug, Default)]
struct Ledger {
    added: BTreeSet<String>,
    /// To whom a reply delivered it.
    delivered: BTreeMap<String, usize>,
    ack_sent: BTreeSet<String>,
    acked: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(crate) struct SharedGroup {
    ledger: Mutex<Ledger>,
}

impl SharedGroup {
    /// Clients that run until the server is gone.
    pub(crate) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, address: &str) {
        for index in 0..PRODUCERS + CONSUMERS {
            let url = format!("redis://{address}/");
            scope.spawn(move || {
                let Ok(client) = redis::Client::open(url) else { return };
                let Ok(mut connection) = client.get_connection() else { return };
                let _ = connection.set_read_timeout(Some(Duration::from_secs(60)));
                let _ended = if index < PRODUCERS {
                    self.produce(&mut connection)
                } else {
                    self.consume(&mut connection, index)
                };
            });
        }
    }

    fn produce(&self, connection: &mut Connection) -> RedisResult<()> {
        for n in 0_u64.. {
            let id: String =
                cmd("XADD").arg(&[STREAM, "*", "n", &n.to_string()]).query(connection)?;
            self.ledger.lock().expect("no holder panics").added.insert(id);
        }
        Ok(())
    }

    fn consume(&self, connection: &mut Connection, index: usize) -> RedisResult<()> {
        let _: RedisResult<()> =
            cmd("XGROUP").arg(&["CREATE", STREAM, "g", "0", "MKSTREAM"]).query(connection);
        let name = format!("c{index}");
        loop {
            let reply: Option<Vec<(String, Entries)>> = cmd("XREADGROUP")
                .arg(&["GROUP", "g", &name, "COUNT", "7", "BLOCK", "100", "STREAMS", STREAM, ">"])
                .query(connection)?;
            let Some(mut streams) = reply else { continue };
            let (_, entries) = streams.pop().expect("one stream was asked for");
            let ids: Vec<String> = entries.into_iter().map(|(id, _)| id).collect();
            {
                let mut ledger = self.ledger.lock().expect("no holder panics");
                for id in &ids {
                    let before = ledger.delivered.insert(id.clone(), index);
                    assert_eq!(before, None, "{id} was delivered as new twice");
                }
                ledger.ack_sent.extend(ids.iter().cloned());
            }
            let _: u64 = cmd("XACK").arg(STREAM).arg("g").arg(&ids).query(connection)?;
            self.ledger.lock().expect("no holder panics").acked.extend(ids);
        }
    }

    /// Holds a restarted server to the ledger.
    pub(crate) fn verify(&mut self, connection: &mut Connection) {
        let ledger = self.ledger.get_mut().expect("no holder panics");
        let entries: Entries =
            cmd("XRANGE").arg(&[STREAM, "-", "+"]).query(connection).expect("XRANGE");
        let there: BTreeSet<String> = entries.into_iter().map(|(id, _)| id).collect();
        let lost: Vec<_> = ledger.added.difference(&there).collect();
        assert!(lost.is_empty(), "confirmed and gone: {lost:?}");
        let pending: RedisResult<Vec<(String, String, u64, u64)>> =
            cmd("XPENDING").arg(&[STREAM, "g", "-", "+", "1000000"]).query(connection);
        let Ok(pending) = pending else { return };
        let pending: BTreeMap<String, String> =
            pending.into_iter().map(|(id, owner, ..)| (id, owner)).collect();
        let back: Vec<_> = ledger.acked.iter().filter(|id| pending.contains_key(*id)).collect();
        assert!(back.is_empty(), "acknowledged and pending again: {back:?}");
        for (id, consumer) in &ledger.delivered {
            match pending.get(id) {
                Some(owner) => assert_eq!(*owner, format!("c{consumer}"), "{id}"),
                None => assert!(ledger.ack_sent.contains(id), "{id} was delivered and is gone"),
            }
        }
    }

    /// Everything confirmed was delivered, or is there to be delivered.
    pub(crate) fn finish(&mut self, connection: &mut Connection) {
        let mut left: BTreeSet<String> = BTreeSet::new();
        let pending: Vec<(String, String, u64, u64)> = cmd("XPENDING")
            .arg(&[STREAM, "g", "-", "+", "1000000"])
            .query(connection)
            .expect("XPENDING");
        left.extend(pending.into_iter().map(|(id, ..)| id));
        let reply: Option<Vec<(String, Entries)>> = cmd("XREADGROUP")
            .arg(&["GROUP", "g", "last", "STREAMS", STREAM, ">"])
            .query(connection)
            .expect("XREADGROUP");
        for (_, entries) in reply.into_iter().flatten() {
            left.extend(entries.into_iter().map(|(id, _)| id));
        }
        let ledger = self.ledger.get_mut().expect("no holder panics");
        let is_known = |id: &&String| left.contains(*id) || ledger.ack_sent.contains(*id);
        let forgotten: Vec<_> = ledger.added.iter().filter(|id| !is_known(id)).collect();
        assert!(forgotten.is_empty(), "never to be delivered: {forgotten:?}");
    }
}
