//! The threads that write, sync and prepare the log.

use std::io::ErrorKind;

use millstream_engine::AppendError;
use millstream_log::PrepareError;

use crate::dice::Dice;
use crate::failure::{Checked, Failure, ensure};
use crate::simulation::Simulation;

impl Simulation {
    pub(crate) fn write(&mut self, _: &mut Dice) -> Checked {
        let durable_before = self.store.durable();
        match self.store.commit.write_step() {
            Ok(false) => Ok(()),
            Ok(true) => {
                let written = self.store.written();
                self.history.wrote(written, durable_before);
                self.note(&format!("written up to {written}"));
                ensure(written == self.history.end(), || "not all was written".into())
            }
            Err(error) => self.append_failed(&error),
        }
    }

    /// What a thread that serves does at `everysec`: all that there is, or a part, or nothing.
    pub(crate) fn write_small(&mut self, _: &mut Dice) -> Checked {
        let (written_before, durable_before) = (self.store.written(), self.store.durable());
        match self.store.commit.small_write_step() {
            Ok(is_all) => {
                let written = self.store.written();
                if written > written_before {
                    self.history.wrote(written, durable_before);
                }
                self.note(&format!("small write up to {written}, all: {is_all}"));
                let is_left = self.store.engine.has_records();
                ensure(is_all != is_left, || format!("something is left: {is_left}"))
            }
            Err(error) => self.append_failed(&error),
        }
    }

    pub(crate) fn sync(&mut self, _: &mut Dice) -> Checked {
        match self.store.commit.sync_step() {
            Ok(durable) => {
                ensure(durable.get() == self.store.written(), || "not all was synced".into())?;
                self.synced()
            }
            Err(error) => self.append_failed(&error),
        }
    }

    pub(crate) fn begin_sync(&mut self, _: &mut Dice) -> Checked {
        if self.store.syncing.is_none() && self.store.synced.is_none() {
            self.store.syncing = self.store.commit.begin_sync();
        }
        Ok(())
    }

    pub(crate) fn run_sync(&mut self, _: &mut Dice) -> Checked {
        let Some(sync) = self.store.syncing.take() else { return Ok(()) };
        self.note("a sync runs beside the writes");
        match sync.run() {
            Ok(synced) => self.store.synced = Some(synced),
            Err(error) => return self.append_failed(&error),
        }
        Ok(())
    }

    pub(crate) fn end_sync(&mut self, _: &mut Dice) -> Checked {
        let Some(synced) = self.store.synced.take() else { return Ok(()) };
        self.store.commit.end_sync(synced);
        self.synced()
    }

    fn synced(&mut self) -> Checked {
        let durable = self.store.durable();
        self.note(&format!("durable up to {durable}"));
        self.history.forget(durable);
        Ok(())
    }

    /// What happens after an idle second.
    pub(crate) fn close_batch(&mut self, _: &mut Dice) -> Checked {
        match self.store.commit.idle_step() {
            Ok(false) => Ok(()),
            Ok(true) => {
                let durable = self.store.durable();
                self.history.closed(durable);
                self.note("the last batch is closed");
                self.synced()
            }
            Err(error) => self.append_failed(&error),
        }
    }

    pub(crate) fn prepare(&mut self, dice: &mut Dice) -> Checked {
        for _ in 0..1 + dice.roll(4) {
            match self.store.preparer.step() {
                Ok(prepared) => self.note(&format!("{prepared:?}")),
                Err(PrepareError::Io { action, source, .. }) => {
                    return self.disk_failed(action, source.kind());
                }
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn append_failed(&mut self, error: &AppendError) -> Checked {
        ensure(self.store.poison().is_some(), || format!("{error}, and no poison"))?;
        // Each attempt takes a batch, also when it is too late.
        let txn = self.store.engine.lock(self.clock.now());
        let unwritten = txn.statistics().unwritten_bytes as u64;
        drop(txn);
        self.store.failed_at = Some((self.history.end(), unwritten));
        match error {
            AppendError::Io { action, source, .. } => {
                self.counters.poisons += 1;
                self.disk_failed(action, source.kind())
            }
            _ => Ok(()),
        }
    }

    /// The disk fails when it was told to, and nobody writes more than there was room for.
    pub(crate) fn disk_failed(&mut self, action: &str, kind: ErrorKind) -> Checked {
        self.note(&format!("cannot {action}: {kind}"));
        if self.has_faults {
            return Ok(());
        }
        Failure::broken(format!("cannot {action}, and the disk is well: {kind}"))
    }
}
