//! What was done, told on the page that comes after.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::random::secret;

/// More than people read at a time.
const KEPT: usize = 200;

/// Notices that wait for the page that shows them.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<VecDeque<(String, Notice)>>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) is_failure: bool,
}

impl Notices {
    /// Keeps it; returns what it is asked for by.
    pub(crate) fn add(&self, notice: Notice) -> String {
        let (key, mut all) = (secret(), self.0.lock());
        if all.len() >= KEPT {
            all.pop_front();
        }
        all.push_back((key.clone(), notice));
        key
    }

    /// Once.
    pub(crate) fn take(&self, key: &str) -> Option<Notice> {
        let mut all = self.0.lock();
        let at = all.iter().position(|(of, _)| of == key)?;
        all.remove(at).map(|(_, notice)| notice)
    }
}
