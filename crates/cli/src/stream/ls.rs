//! `millstream stream ls`: which streams there are.
//!
//! Keys come by SCAN, some at a time, and what is asked about them goes out together. Up to
//! [`SORTED_MAX`] streams are kept and sorted; with a higher limit, or none, they are printed as
//! the server names them, so that a million of them take no memory here.

use std::collections::BTreeMap;
use std::ffi::OsString;

use bytes::Bytes;
use millstream::{Error, StreamInfo, StreamManager, StreamScan};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::name::Name;
use crate::or_refused::not_for_this_user;
use crate::output::{Column, JsonBytes, List, age_of, notice, or_dash, short_or_dash};
use crate::server::{Server, ServerOptions};

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream stream ls
  millstream stream ls 'orders:*' --limit 50
  millstream stream ls --limit 0 --json";

/// With a limit above this, streams are printed as they come.
const SORTED_MAX: u64 = 10_000;
/// So many streams are asked about at the same time: each answer has two entries in it.
const ASKED_AT_ONCE: usize = 100;

const COLUMNS: &[Column] = &[
    Column::text("STREAM"),
    Column::number("LENGTH"),
    Column::number("GROUPS"),
    Column::text("FIRST"),
    Column::text("LAST"),
    Column::number("AGE"),
    Column::number("MEMORY"),
];

#[derive(Debug, clap::Args)]
pub(crate) struct LsOptions {
    /// Only streams whose keys match, as KEYS understands it: orders:*. Without it: all
    pattern: Option<OsString>,
    /// Most streams to list; 0: no limit. Up to 10000 are listed in the order of their keys, more
    /// as the server names them
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: u64,
}

/// A stream in the list. The age is that of its oldest entry.
#[derive(Serialize)]
struct Row {
    stream: JsonBytes,
    length: u64,
    groups: u64,
    first_id: Option<String>,
    last_id: Option<String>,
    age_ms: Option<u64>,
    memory_bytes: Option<u64>,
}

pub(super) async fn ls(server: &ServerOptions, options: &LsOptions) -> anyhow::Result<()> {
    let pattern = options.pattern.as_deref().map(|pattern| server.name(pattern)).transpose()?;
    let is_json = server.json;
    let server = server.connect().await?;
    let mut scan = StreamScan::new(&server.millstream);
    if let Some(pattern) = &pattern {
        scan = scan.pattern(pattern);
    }
    let limit = if options.limit == 0 { u64::MAX } else { options.limit };
    let mut list = List::new(is_json, "streams", COLUMNS);
    let mut listed = 0;
    // By key; what SCAN names twice is one.
    let mut kept = BTreeMap::new();
    let (mut is_limited, mut not_permitted) = (false, 0);
    'scan: while let Some(keys) = scan.next().await.map_err(server.cannot("list streams"))? {
        for some in keys.chunks(ASKED_AT_ONCE) {
            let found = look_at(&server, some).await?;
            not_permitted += found.not_permitted;
            for (key, about) in found.streams {
                if listed >= limit && !kept.contains_key(&key) {
                    is_limited = true;
                    break 'scan;
                }
                if limit > SORTED_MAX {
                    print(&mut list, &key, &about)?;
                    listed += 1;
                } else if kept.insert(key, about).is_none() {
                    listed += 1;
                }
            }
        }
    }
    for (key, about) in &kept {
        print(&mut list, key, about)?;
    }
    let more = [("is_limited", is_limited.into()), ("not_permitted", not_permitted.into())];
    let count = list.end(&more)?;
    if is_json {
        return Ok(());
    }
    if is_limited {
        notice(&format!("there are more than {count} streams: see --limit"));
    }
    match not_permitted {
        0 if count == 0 => notice(&format!("no streams at {}", server.address)),
        0 => {}
        _ => notice(&not_for_this_user(not_permitted, &server.address)),
    }
    Ok(())
}

/// What is shown beside the key.
#[derive(Debug)]
struct About {
    info: StreamInfo,
    memory_bytes: Option<u64>,
}

/// What came of some keys.
#[derive(Debug, Default)]
struct Found {
    /// In the order of the keys; without those that are gone, or no streams any more.
    streams: Vec<(Bytes, About)>,
    /// So many the user may not look at.
    not_permitted: u64,
}

async fn look_at(server: &Server, keys: &[Bytes]) -> anyhow::Result<Found> {
    let mut asked = JoinSet::new();
    for key in keys {
        let (key, stream) = (key.clone(), StreamManager::new(&server.millstream, key));
        asked.spawn(async move {
            let about = async {
                let Some(info) = stream.info().await? else { return Ok(None) };
                Ok(Some(About { info, memory_bytes: stream.memory_bytes().await? }))
            };
            (key, about.await)
        });
    }
    let mut found = Found::default();
    while let Some(answer) = asked.join_next().await {
        match answer? {
            (key, Ok(Some(about))) => found.streams.push((key, about)),
            (_, Ok(None)) => {}
            (_, Err(Error::Refused { code, .. })) if code == "WRONGTYPE" => {}
            (_, Err(error)) if error.is_forbidden_key() => found.not_permitted += 1,
            (key, Err(error)) => {
                let key = Name::from(key);
                return Err(server.cannot(format!("look at stream {key}"))(error));
            }
        }
    }
    found.streams.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

fn print(list: &mut List, key: &Bytes, about: &About) -> std::io::Result<()> {
    let About { info, memory_bytes } = about;
    let age = info.first.map(age_of);
    let row = Row {
        stream: JsonBytes(key.clone()),
        length: info.length,
        groups: info.groups,
        first_id: info.first.map(|id| id.to_string()),
        last_id: info.last.map(|id| id.to_string()),
        age_ms: age.map(crate::duration::milliseconds),
        memory_bytes: *memory_bytes,
    };
    list.row(&row, || {
        vec![
            Name::from(key.clone()).to_string(),
            info.length.to_string(),
            info.groups.to_string(),
            or_dash(info.first),
            or_dash(info.last),
            short_or_dash(age),
            crate::byte_size::show(*memory_bytes),
        ]
    })
}
