//! What a session has logged without waking the commit thread, which its worker writes then; see
//! `inline_write.rs` of the runtime.

use millstream_engine::{Engine, LogPosition, Now, Transaction};

use super::Session;

impl Session {
    /// Takes the engine. Where the worker writes, it is told afterwards by [`Self::ask_for_write`].
    pub(super) fn lock_engine<'e>(&mut self, engine: &'e Engine, now: Now) -> Transaction<'e> {
        let mut txn = engine.lock(now);
        if self.shared.store.writes_inline() {
            txn.leave_commit();
            self.owes_write = true;
        }
        txn
    }

    /// With the engine free again: what was logged is written as soon as no session of the worker
    /// can run.
    pub(super) fn ask_for_write(&mut self) {
        if std::mem::take(&mut self.owes_write) && self.batch_end > self.shared.store.committed() {
            self.worker.want_write();
        }
    }

    /// The same for what this session was given by one of another worker, which may have much to do
    /// before its own write.
    pub(super) fn ask_for_write_of_others(&self, until: LogPosition) {
        if self.shared.store.writes_inline() && until > self.shared.store.committed() {
            self.worker.want_write();
        }
    }
}
