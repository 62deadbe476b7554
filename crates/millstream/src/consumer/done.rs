//! What a handler returns when it did its work.

use std::fmt;

use crate::producer::entry_fields;
use crate::{Error, Fields, ToFields, trace_context};

/// A message was done; it may have made others. `()` says the same of one that made none.
///
/// The entries are added in one step with the acknowledgement, both or none, so that a step of a
/// pipeline neither loses a message nor makes its successors without being done. If the message is
/// not this consumer's any more nothing is added: who has it now will do that.
///
/// One step means: a script on Redis and Valkey, `MULTI` with `XFENCE` on Millstream. With neither
/// (a server whose scripts are forbidden) it is `MULTI` after a look: suspended between the two for
/// longer than the lease, this process adds the entries although another consumer does, too. On a
/// Cluster all streams must be in the slot of the message's stream.
#[derive(Clone, Default)]
pub struct Done {
    pub(super) entries: Vec<(String, Fields)>,
}

impl Done {
    /// Done, with nothing else to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And this is to be added to that stream. Entries are added in the order in which they are
    /// named.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the payload is no entry.
    pub fn produce(
        mut self,
        stream: impl Into<String>,
        payload: &impl ToFields,
    ) -> Result<Self, Error> {
        let stream = stream.into();
        let span = trace_context::sending(&stream);
        let fields = trace_context::with_span(entry_fields(payload)?, &span);
        self.entries.push((stream, fields));
        Ok(self)
    }
}

impl From<()> for Done {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(stream, _)| stream)).finish()
    }
}
