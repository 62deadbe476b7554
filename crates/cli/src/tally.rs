//! What became of many things that a command was to change one by one.

use std::fmt::Display;
use std::io;

use millstream::Error;
use serde::Serialize;

use crate::output::{notice, print_line, visible_message};

/// So many are told of those that were left alone, and of those that failed.
const TOLD_MAX: usize = 100;

/// What became of them, as it stands in JSON behind the number of those that were changed.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tally {
    #[serde(skip)]
    pub(crate) changed: u64,
    /// Those that are not there, and the first [`TOLD_MAX`] of them.
    left_alone: u64,
    left_alone_ids: Vec<String>,
    /// Those that stay as they were, the first [`TOLD_MAX`] with the reason.
    pub(crate) failed: u64,
    failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
struct Failure {
    id: String,
    error: String,
}

impl Tally {
    pub(crate) fn leave_alone(&mut self, id: impl Display) {
        self.left_alone += 1;
        if self.left_alone_ids.len() < TOLD_MAX {
            self.left_alone_ids.push(id.to_string());
        }
    }

    /// It stays as it was.
    ///
    /// # Errors
    /// Others would fail for the same reason.
    pub(crate) fn fail(&mut self, id: impl Display, error: Error) -> Result<(), Error> {
        if concerns_all(&error) {
            return Err(error);
        }
        self.failed += 1;
        if self.failures.len() < TOLD_MAX {
            self.failures.push(Failure { id: id.to_string(), error: error.to_string() });
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changed == 0 && self.left_alone == 0 && self.failed == 0
    }

    /// What there is to say beside how many were changed; `what` makes a number of them.
    pub(crate) fn print_others(&self, what: impl Fn(u64) -> String) -> io::Result<()> {
        if self.left_alone > 0 {
            let left = what(self.left_alone);
            let were = were(self.left_alone);
            let ids = self.left_alone_ids.join(" ");
            let more = if self.left_alone > TOLD_MAX as u64 { " ..." } else { "" };
            print_line(&format!("{left} {were} left alone, as not there: {ids}{more}"))?;
        }
        for Failure { id, error } in &self.failures {
            print_line(&format!("{id}: {}", visible_message(error)))?;
        }
        if self.failed > TOLD_MAX as u64 {
            notice(&format!("only the first {TOLD_MAX} failures are shown"));
        }
        Ok(())
    }
}

/// `was`, `were`.
pub(crate) fn were(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// Whether it says something of the server, and nothing of the one thing that was to be changed.
fn concerns_all(error: &Error) -> bool {
    match error {
        Error::Connection(_) | Error::Unsupported { .. } => true,
        Error::Refused { code, .. } => {
            matches!(&**code, "NOAUTH" | "OOM" | "MISCONF")
                || error.is_forbidden_command()
                || error.is_temporary()
        }
        _ => error.is_temporary(),
    }
}
