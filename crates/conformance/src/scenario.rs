//! The corpus: commands and expected replies in text files, true of real servers and of ours.
//!
//! ```text
//! # A comment.
//! @only redis>=8.4             peers that have what the file is about; ours has everything
//! == a section, run on an empty database, once in RESP2 and once in RESP3
//! @config stream-node-max-entries 10      as CONFIG SET, undone at the end of the section
//! > XADD s 1-1 f v                        the first connection; arguments as in redis-cli
//! 1-1
//! c2> XREAD BLOCK 0 STREAMS s $           another connection
//! blocks                                  waits until the server says that it is parked
//! 3x> XADD s 2-{i} f v                    three times, {i} counts from 1, each has this reply
//! <id>
//! c2< 0..900ms                            the reply that was waited for, in that time
//! {s => [2-1{f v}]}
//! c2 still blocks                         parked, and nothing has arrived
//! wait 50ms                               only where time itself is the subject
//! ```
//!
//! Replies are [`Pattern`]s; an error may stand without quotes up to the end of its line (then
//! `<any>` at its end makes it a beginning), `closed` says that the server closes the connection,
//! `silence` that no reply is awaited here (`c2<` awaits it later; should there be none, the next
//! reply shows it), and a long reply goes on in indented lines. In arguments `{name}` is what
//! `<id:name>` matched, `{now}`, `{now-500}` Unix times in milliseconds and `{x*1000}` a thousand
//! times `x`.
//!
//! | directive | in front of the first section: for all; under a title: for that section |
//! | --- | --- |
//! | `@only redis>=8.4 valkey` | peers of which it is true |
//! | `@ours` | no peer has it: written from the specification |
//! | `@differs valkey: reason` | this peer answers otherwise; between steps: about the next reply |
//! | `@differs millstream: KEY` | we answer otherwise, as explained under KEY in `COMPAT.md` |
//! | `@resp 2` | one protocol only |
//! | `@debug` | on a server of its own, started with the command DEBUG enabled |
//!
//! `cargo run -p millstream-conformance --bin record -- redis-8.6 FILE` replaces each reply written
//! `?` by what that server answers, to be read and judged before it is kept.

mod arguments;
mod connections;
mod parse;
mod peers;
pub mod record;
mod run;

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub(crate) use peers::PeerRange;
pub use run::{Report, run};

use crate::Pattern;

/// One file of the corpus.
#[derive(Debug)]
pub struct Scenario {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its sections in order.
    pub(crate) sections: Vec<Section>,
}

/// Steps that start from an empty database.
#[derive(Debug)]
pub(crate) struct Section {
    /// What it shows.
    pub(crate) title: String,
    /// The line of the title.
    pub(crate) line: usize,
    /// Where it holds.
    pub(crate) rules: Rules,
    /// What happens.
    pub(crate) steps: Vec<Step>,
}

/// Where a section holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// Peers of which it is true; all if empty.
    pub(crate) only: Vec<PeerRange>,
    /// No peer has this.
    pub(crate) ours: bool,
    /// Who answers otherwise, and why.
    pub(crate) differs: Vec<(PeerRange, String)>,
    /// The only protocol, 2 or 3.
    pub(crate) protocol: Option<u8>,
    /// On a server that has DEBUG.
    pub(crate) debug: bool,
}

/// One line and what belongs to it.
#[derive(Debug)]
pub(crate) struct Step {
    /// The line it begins at.
    pub(crate) line: usize,
    /// What to do.
    pub(crate) action: Action,
    /// Who answers this one step otherwise, and why.
    pub(crate) differs: Vec<(PeerRange, String)>,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Send a command `repeat` times, each time expecting the same.
    Send { client: u8, repeat: u32, arguments: Vec<Vec<u8>>, expected: Expected },
    /// Await the reply of a parked client, `within` so many milliseconds since it was sent.
    Await { client: u8, within: RangeInclusive<u64>, expected: Expected },
    /// The client is parked and has no reply.
    StillBlocks { client: u8 },
    /// Let time pass.
    Wait { ms: u64 },
    /// Set a configuration parameter until the end of the section.
    Config { name: String, value: String },
}

/// What should come back.
#[derive(Debug)]
pub(crate) enum Expected {
    /// A reply.
    Reply(Pattern),
    /// None yet: the client is parked.
    Blocks,
    /// None: the server closes the connection.
    Closed,
    /// Nothing is awaited.
    Silence,
    /// To be recorded; where the `?` stands.
    Unknown { line: usize },
}

impl Scenario {
    /// Reads one file.
    ///
    /// # Errors
    /// When it cannot be read, or names the line that is malformed.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let sections =
            parse::sections(&text).with_context(|| format!("understand {}", path.display()))?;
        Ok(Self { path: path.to_owned(), sections })
    }

    /// Its file name, for messages.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// The keys under which `COMPAT.md` has to explain what we answer otherwise here.
    pub fn compat_keys(&self) -> Vec<&str> {
        let of_steps = self.sections.iter().flat_map(|section| &section.steps);
        let differs = self.sections.iter().flat_map(|section| &section.rules.differs);
        differs
            .chain(of_steps.flat_map(|step| &step.differs))
            .filter(|(who, _)| who.is_ours())
            .map(|(_, key)| key.as_str())
            .collect()
    }
}

/// The whole corpus, in order of file names; `$MILLSTREAM_SCENARIOS` keeps the files whose name
/// contains it.
///
/// # Errors
/// As [`Scenario::read`].
pub fn corpus() -> Result<Vec<Scenario>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let wanted = std::env::var("MILLSTREAM_SCENARIOS").unwrap_or_default();
    let mut paths: Vec<PathBuf> = fs::read_dir(&dir)
        .with_context(|| format!("list {}", dir.display()))?
        .map(|item| item.map(|item| item.path()))
        .collect::<Result<_, _>>()
        .context("list the scenarios")?;
    paths.retain(|path| {
        path.extension().is_some_and(|e| e == "txt")
            && path.file_name().is_some_and(|n| n.to_string_lossy().contains(&wanted))
    });
    paths.sort();
    paths.iter().map(|path| Scenario::read(path)).collect()
}
