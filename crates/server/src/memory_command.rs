//! MEMORY STATS, DOCTOR, MALLOC-STATS.

use std::fmt::Write as _;

use millstream_command::Reply;
use millstream_engine::{DATABASE_COUNT, TableBytes};

use crate::info::{MemoryFacts, human};
use crate::session::{Data, Session};

/// What is measured, and how many keys there are.
fn gather(session: &Session, data: &mut Data<'_, '_>) -> (MemoryFacts, usize) {
    let (engine, keys) = data.with(|txn| {
        let keys = (0..DATABASE_COUNT).map(|db| txn.key_counts(db).keys).sum::<usize>();
        (txn.statistics(), keys)
    });
    (MemoryFacts::gather(&session.shared, &engine), keys)
}

/// The tables of each database that has keys.
fn tables(data: &mut Data<'_, '_>) -> Vec<(Reply, Reply)> {
    let table = |(db, TableBytes { keys, expiries }): (u8, TableBytes)| {
        let sizes = [("overhead.hashtable.main", keys), ("overhead.hashtable.expires", expiries)];
        let sizes = sizes.map(|(name, bytes)| (Reply::Text(name), Reply::count(bytes)));
        (Reply::bulk(format!("db.{db}")), Reply::Map(sizes.into()))
    };
    let bytes = data.with(|txn| {
        let used = (0..DATABASE_COUNT).filter(|db| txn.key_counts(*db).keys > 0);
        let used: Vec<u8> = used.collect();
        used.into_iter().map(|db| (db, txn.table_bytes(db))).collect::<Vec<_>>()
    });
    bytes.into_iter().map(table).collect()
}

/// MEMORY STATS: of Redis' names those that mean something here.
pub(crate) fn stats(session: &Session, data: &mut Data<'_, '_>) -> Reply {
    let (facts, keys) = gather(session, data);
    let data_bytes = facts.dataset();
    let per_key = data_bytes.checked_div(keys as u64).unwrap_or(0);
    let number = Reply::number;
    let none = || Reply::Int(0);
    let before = [
        ("peak.allocated", number(facts.peak)),
        ("total.allocated", number(facts.used)),
        ("startup.allocated", number(facts.startup)),
        ("replication.backlog", none()),
        ("replica.fullsync.buffer", none()),
        ("clients.slaves", none()),
        ("clients.normal", number(facts.clients)),
        ("cluster.links", none()),
        ("aof.buffer", number(facts.log_buffer)),
        ("lua.caches", none()),
        ("functions.caches", none()),
        ("script.VMs", none()),
    ];
    let after = [
        ("overhead.total", number(facts.overhead())),
        ("keys.count", Reply::count(keys)),
        ("keys.bytes-per-key", number(per_key)),
        ("dataset.bytes", number(data_bytes)),
        ("dataset.percentage", Reply::Double(facts.dataset_percent())),
        ("peak.percentage", Reply::Double(facts.peak_percent())),
        ("fragmentation", Reply::Double(1.0)),
        ("fragmentation.bytes", none()),
    ];
    let named = |(name, value)| (Reply::Text(name), value);
    let mut all: Vec<_> = before.into_iter().map(named).collect();
    all.extend(tables(data));
    all.extend(after.into_iter().map(named));
    Reply::Map(all)
}

/// MEMORY DOCTOR
pub(crate) fn doctor(session: &Session, data: &mut Data<'_, '_>) -> Reply {
    /// Less than this is not worth advice; Redis draws the same line.
    const LITTLE_BYTES: u64 = 5 << 20;
    const PEAK_FACTOR: u64 = 150;
    const CLIENT_BYTES_MAX: u64 = 200 << 10;
    let (facts, _) = gather(session, data);
    let mut found = Vec::new();
    if facts.dataset() < LITTLE_BYTES {
        found.push(format!("Data takes {}, which is too little to judge.", human(facts.dataset())));
    } else if facts.peak * 100 > facts.used * PEAK_FACTOR {
        found.push(format!(
            "There was a time when {} were used, now it is {}. The allocator gives memory back by \
             and by, and some of it stays with the process.",
            human(facts.peak),
            human(facts.used)
        ));
    }
    let clients = session.shared.clients.len() as u64;
    if facts.clients > clients * CLIENT_BYTES_MAX {
        found.push(format!(
            "Buffers of {clients} clients hold {}: some send faster than they read their replies. \
             CLIENT LIST shows them (omem).",
            human(facts.clients)
        ));
    }
    if found.is_empty() {
        found.push("Nothing to complain about.".to_owned());
    }
    Reply::Verbatim(found.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    }))
}

/// MEMORY MALLOC-STATS
pub(crate) fn allocator(session: &Session, data: &mut Data<'_, '_>) -> Reply {
    let (facts, _) = gather(session, data);
    Reply::Verbatim(format!(
        "Allocator: {}. It is not asked for statistics; the operating system says that {} bytes \
         are resident, and {} were at most.\n",
        session.shared.config.allocator, facts.used, facts.peak
    ))
}
