//! Which streams are watched: those that were named, and those that fit a pattern.

use bytes::Bytes;
use millstream::{Error, Millstream, StreamScan};

use crate::name::Name;

/// SCAN steps of one look, each of which goes through some hundred keys.
const STEPS: usize = 10;

/// Names of streams, some at a time and again and again.
#[derive(Debug)]
pub(super) struct Source {
    millstream: Millstream,
    /// Named ones.
    exact: Vec<Bytes>,
    /// `None`: all.
    patterns: Vec<Option<Bytes>>,
    /// The pattern that is gone through now, and where.
    scan: Option<StreamScan>,
    at: usize,
}

/// What a step found.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) found: Vec<Bytes>,
    /// All have been gone through.
    pub(super) is_round: bool,
}

impl Source {
    pub(super) fn new(millstream: &Millstream, names: Vec<Name>) -> Self {
        let is_pattern = |name: &Name| name.as_ref().iter().any(|byte| b"*?[\\".contains(byte));
        let all = names.is_empty();
        let (patterns, exact): (Vec<_>, Vec<_>) = names.into_iter().partition(is_pattern);
        let bytes = |name: Name| Bytes::copy_from_slice(name.as_ref());
        let mut patterns: Vec<_> = patterns.into_iter().map(bytes).map(Some).collect();
        if all {
            patterns.push(None);
        }
        let exact = exact.into_iter().map(bytes).collect();
        Self { millstream: millstream.clone(), exact, patterns, scan: None, at: 0 }
    }

    /// Whether streams were named, and nothing else.
    pub(super) fn is_exact(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Goes on for some steps, or to the end of the round. After an error it goes on from there.
    ///
    /// # Errors
    /// Those of the server.
    pub(super) async fn next(&mut self) -> Result<Keys, Error> {
        let mut keys = Keys::default();
        if self.at == 0 && self.scan.is_none() {
            keys.found.clone_from(&self.exact);
        }
        for _ in 0..STEPS {
            let Some(pattern) = self.patterns.get(self.at) else {
                self.at = 0;
                keys.is_round = true;
                break;
            };
            let scan = self.scan.get_or_insert_with(|| {
                let scan = StreamScan::new(&self.millstream);
                match pattern {
                    Some(pattern) => scan.pattern(pattern),
                    None => scan,
                }
            });
            match scan.next().await? {
                Some(some) => keys.found.extend(some),
                None => {
                    self.scan = None;
                    self.at += 1;
                }
            }
        }
        Ok(keys)
    }
}
