//! What became of a message, for whoever keeps account.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::Message;

/// What became of a message that a consumer had. Each call of a handler that returns comes to one
/// of `Acknowledged`, `Late` and `Failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done and acknowledged.
    Acknowledged,
    /// It was done, but somebody else has it or had settled it before: it was or will be handled
    /// once more.
    Late,
    /// This try failed. Another one follows, or it becomes a dead letter.
    Failed,
    /// It is a dead letter, or the server was told to make it one.
    DeadLettered,
    /// It was given back unhandled at the end.
    HandedBack,
}

type Hook = dyn Fn(&Message, Outcome) + Send + Sync;

/// Who wants to know, if anybody does.
#[derive(Clone, Default)]
pub(super) struct OutcomeHook(Option<Arc<Hook>>);

impl OutcomeHook {
    pub(super) fn new(hook: impl Fn(&Message, Outcome) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Who panics is not told more, and nothing else comes of it: the task that settles would die
    /// of it, and with it all acknowledgements to come.
    pub(super) fn tell(&self, message: &Message, outcome: Outcome) {
        let Some(hook) = &self.0 else { return };
        if catch_unwind(AssertUnwindSafe(|| hook(message, outcome))).is_err() {
            tracing::error!(id = %message.id, "the hook for outcomes panicked");
        }
    }
}

impl fmt::Debug for OutcomeHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "OutcomeHook" } else { "None" })
    }
}
