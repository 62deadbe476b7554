//! Which streams are to be copied, and which of them the target has already.

use std::collections::BTreeMap;

use anyhow::bail;
use bytes::Bytes;
use millstream::redis::{self, cmd};
use millstream::{Error, StreamManager, StreamScan, is_staging_key};
use tokio::task::JoinSet;

use super::TransferOptions;
use crate::name::Name;
use crate::output::{plural, print_line};
use crate::server::{Server, ServerOptions};
use crate::usage_error::usage;

/// So many streams are asked about at the same time.
const ASKED_AT_ONCE: usize = 100;
/// So many are named.
const NAMED_MAX: usize = 10;

/// A stream to be copied.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) from: Name,
    pub(super) to: Name,
    /// Whether the target has something under that key.
    pub(super) is_there: bool,
    /// Whether the user may not look at it at the source.
    pub(super) is_refused: bool,
}

/// What is under a key.
#[derive(Debug)]
enum Found {
    Nothing,
    Something,
    /// The user may not look.
    Refused(Error),
}

/// All that is to be copied, in the order of the keys.
///
/// # Errors
/// The command line names none, or what is not there.
pub(super) async fn plan(
    server: &ServerOptions,
    options: &TransferOptions,
    source: &Server,
    target: &Server,
) -> anyhow::Result<Vec<Planned>> {
    let to_key = options.to_key.as_deref().map(|key| server.name(key)).transpose()?;
    if to_key.is_some() && options.streams.len() != 1 {
        return Err(usage("--as is for one stream, named by its key"));
    }
    let keys = selected(server, options, source).await?;
    let is_renamed = to_key.as_ref().is_some_and(|to| keys.iter().all(|key| key != to.as_ref()));
    if !is_renamed && is_same(source, target).await? {
        return Err(usage("both are the same server: name another one, or another key with --as"));
    }
    let renamed = |key: &Bytes| match &to_key {
        Some(name) => Bytes::copy_from_slice(name.as_ref()),
        None => key.clone(),
    };
    // Streams that are named must be for the user, those that are found need not be.
    let is_found = options.streams.is_empty();
    let here = if is_found { look(source, keys.clone()).await? } else { BTreeMap::new() };
    let is_refused = |key: &Bytes| matches!(here.get(key), Some(Found::Refused(_)));
    let wanted = keys.iter().filter(|key| !is_refused(key)).map(&renamed).collect();
    let mut there = look(target, wanted).await?;
    let mut planned = Vec::with_capacity(keys.len());
    for key in keys {
        let (to, is_refused) = (renamed(&key), is_refused(&key));
        let is_there = match there.remove(&to) {
            Some(Found::Refused(error)) => {
                let key = Name::from(to);
                return Err(target.cannot(format!("look at key {key}"))(error));
            }
            found => matches!(found, Some(Found::Something)),
        };
        planned.push(Planned { from: Name::from(key), to: Name::from(to), is_there, is_refused });
    }
    Ok(planned)
}

/// Whether both are one database of one server, by whatever addresses. Of a Cluster any node may
/// answer, and only the addresses are compared.
async fn is_same(source: &Server, target: &Server) -> anyhow::Result<bool> {
    if source.address == target.address {
        return Ok(true);
    }
    let own = identity(source).await?;
    Ok(own.is_some() && own == identity(target).await?)
}

/// The run of the server, and the database; `None`: it does not say.
async fn identity(server: &Server) -> anyhow::Result<Option<[String; 2]>> {
    let ask =
        async |words: [&str; 2]| match server.millstream.query(cmd(words[0]).arg(words[1])).await {
            Ok(answer) => Ok(redis::from_redis_value::<String>(answer).unwrap_or_default()),
            Err(Error::Refused { .. }) => Ok(String::new()),
            Err(error) => Err(server.cannot("ask who it is")(error)),
        };
    let (info, client) = (ask(["INFO", "server"]).await?, ask(["CLIENT", "INFO"]).await?);
    let run = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    let database = client.split_whitespace().find_map(|word| word.strip_prefix("db="));
    Ok(run.zip(database).map(|(run, database)| [run.to_owned(), database.to_owned()]))
}

/// Those that the command line means; all of them are streams of the source.
async fn selected(
    server: &ServerOptions,
    options: &TransferOptions,
    source: &Server,
) -> anyhow::Result<Vec<Bytes>> {
    if !options.streams.is_empty() {
        let mut keys = Vec::new();
        for key in &options.streams {
            let key = server.name(key)?;
            let info = source.stream(&key).info().await;
            if info.map_err(source.cannot(format!("look at stream {key}")))?.is_none() {
                return Err(source.no_stream(&key));
            }
            keys.push(Bytes::copy_from_slice(key.as_ref()));
        }
        // One that is named twice is one.
        keys.sort();
        keys.dedup();
        return Ok(keys);
    }
    let mut scan = StreamScan::new(&source.millstream);
    match &options.pattern {
        Some(pattern) => scan = scan.pattern(server.name(pattern)?),
        None if options.all => {}
        None => return Err(usage("name streams by their keys or with --match, or say --all")),
    }
    let mut keys = Vec::new();
    while let Some(some) = scan.next().await.map_err(source.cannot("list streams"))? {
        // What an interrupted copy left is no stream of anybody.
        keys.extend(some.into_iter().filter(|key| !is_staging_key(key)));
    }
    // SCAN may name one twice.
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// What the server has under these keys.
async fn look(server: &Server, keys: Vec<Bytes>) -> anyhow::Result<BTreeMap<Bytes, Found>> {
    let mut there = BTreeMap::new();
    for some in keys.chunks(ASKED_AT_ONCE) {
        let mut asked = JoinSet::new();
        for key in some {
            let (key, stream) = (key.clone(), StreamManager::new(&server.millstream, key));
            asked.spawn(async move { (key, stream.info().await) });
        }
        while let Some(answer) = asked.join_next().await {
            let (key, info) = answer?;
            let found = match info {
                Ok(None) => Found::Nothing,
                Ok(Some(_)) => Found::Something,
                // Something else is under the key.
                Err(Error::Refused { code, .. }) if code == "WRONGTYPE" => Found::Something,
                Err(error) if error.is_forbidden_key() => Found::Refused(error),
                Err(error) => {
                    let key = Name::from(key);
                    return Err(server.cannot(format!("look at key {key}"))(error));
                }
            };
            there.insert(key, found);
        }
    }
    Ok(there)
}

/// Whether what the target has already is no obstacle.
///
/// # Errors
/// It is: nothing is to be copied then.
pub(super) fn check(
    planned: &[Planned],
    options: &TransferOptions,
    target: &Server,
) -> anyhow::Result<()> {
    let there: Vec<&Planned> = planned.iter().filter(|planned| planned.is_there).collect();
    if there.is_empty() || options.skip_existing || (options.replace && options.yes) {
        return Ok(());
    }
    let mut names: Vec<_> = there.iter().take(NAMED_MAX).map(|it| it.to.to_string()).collect();
    if there.len() > NAMED_MAX {
        names.push("...".to_owned());
    }
    let (names, count) = (names.join(", "), plural(there.len() as u64, "key"));
    let address = &target.address;
    if options.replace {
        print_line(&format!("{count} at {address} would be replaced: {names}"))?;
        return Err(usage("nothing was copied; --yes does it"));
    }
    bail!(
        "nothing was copied, {address} has {count} already: {names}\n  next: --skip-existing \
         leaves them as they are, --replace takes their place, --as gives a copy another key"
    )
}
