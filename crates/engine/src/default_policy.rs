//! What a new group does by itself, where its maker does not say.

use std::fmt;
use std::sync::Arc;

use millstream_model::GroupPolicy;

/// From the key of a stream and the name of a new group to its policy. It is asked once, and what
/// it says is logged: another answer later changes no group that is there.
#[derive(Clone)]
pub struct DefaultPolicy(Arc<Ask>);

type Ask = dyn Fn(&[u8], &[u8]) -> GroupPolicy + Send + Sync;

impl DefaultPolicy {
    /// One that asks a function. It is called with the engine held: quick, and never waiting.
    pub fn new(ask: impl Fn(&[u8], &[u8]) -> GroupPolicy + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    pub(crate) fn ask(&self, key: &[u8], group: &[u8]) -> GroupPolicy {
        (self.0)(key, group)
    }
}

impl Default for DefaultPolicy {
    /// New groups are not managed.
    fn default() -> Self {
        Self::new(|_, _| GroupPolicy::default())
    }
}

impl fmt::Debug for DefaultPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DefaultPolicy")
    }
}
