//! Opening the store, with words for the people who watch the server start.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_command::DefaultPolicies;
use millstream_engine::{
    Checkpointer, Commit, DefaultPolicy, Engine, Opened, Options, OsStorage, Preparer, Progress,
    RecoveryReport,
};

use crate::clock::Clock;
use crate::{Config, StartError, SyncMode};

/// Nothing is said about progress before.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Store {
    pub(crate) engine: Engine,
    /// `None` in memory.
    pub(crate) durable: Option<DurableParts>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) report: RecoveryReport,
}

/// What threads of their own drive.
pub(crate) struct DurableParts {
    pub(crate) commit: Commit,
    pub(crate) preparer: Preparer,
    pub(crate) checkpointer: Checkpointer,
}

fn default_policy(config: &Config) -> Result<DefaultPolicy, StartError> {
    let mut policies = DefaultPolicies::default();
    for rule in &config.group_policies {
        let items: Vec<&str> = rule.items.iter().map(String::as_str).collect();
        policies.add(&rule.stream, &rule.group, &items).map_err(|why| StartError::Setting {
            name: format!("group-policy of stream '{}', group '{}'", rule.stream, rule.group),
            why,
        })?;
    }
    Ok(DefaultPolicy::new(move |key, group| policies.find(key, group)))
}

pub(crate) fn open(config: &Config, clock: Clock) -> Result<Store, StartError> {
    let mut options = Options {
        hash_seed: random(),
        abort_on_panic: config.abort_on_panic,
        log: config.log.clone(),
        blocks: config.blocks.clone(),
        default_policy: default_policy(config)?,
        ..Options::default()
    };
    options.blocks.cache_bytes =
        usize::try_from(config.cache_mb).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    options.log.salt = random();
    options.log.is_zero_filled = config.sync == SyncMode::Always;
    if config.memory {
        tracing::warn!("nothing is stored: all data is gone when this process ends");
        let engine = Engine::in_memory(&options, clock.now());
        let report = RecoveryReport::default();
        return Ok(Store { engine, durable: None, path: None, report });
    }
    let storage = match &config.storage {
        Some(storage) => Arc::clone(storage),
        None => Arc::new(OsStorage::open(&config.directory)?),
    };
    let path = storage.path("");
    tracing::info!("data is in {}", path.display());
    let started = Instant::now();
    let mut progress = ProgressLines { started, said: started };
    let opened = Engine::open(storage, options, clock.now(), &mut |now| progress.at(now))?;
    let report = opened.report;
    if report.created_new {
        tracing::warn!("there was no store in {}: a new, empty one was created", path.display());
    } else {
        tracing::info!(
            "replayed {} records ({} bytes) in {} ms; {} torn bytes were cut off",
            report.records,
            report.bytes,
            started.elapsed().as_millis(),
            report.torn_bytes_cut
        );
    }
    let Opened { engine, commit, preparer, checkpointer, .. } = opened;
    let durable = Some(DurableParts { commit, preparer, checkpointer });
    Ok(Store { engine, durable, path: Some(path), report })
}

/// Unknown to clients: the standard library's hash keys come from the operating system.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

struct ProgressLines {
    started: Instant,
    said: Instant,
}

impl ProgressLines {
    fn at(&mut self, progress: Progress) {
        if self.said.elapsed() < PATIENCE {
            return;
        }
        self.said = Instant::now();
        tracing::info!(
            "replaying: {} of {} MiB, {} records, {} s",
            progress.bytes_done >> 20,
            progress.bytes_total >> 20,
            progress.records,
            self.started.elapsed().as_secs()
        );
    }
}
