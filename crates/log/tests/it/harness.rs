//! Small logs for tests, and what they must give back.

use std::sync::Arc;

use bytes::Bytes;
use millstream_log::{
    LogOptions, LogPosition, MemoryStorage, OpenError, Opened, Prepared, RecoveryReport, Storage,
    open,
};

/// First segment of every log in these tests.
pub(crate) const FIRST: &str = "log/00000000000000000000.log";

/// Sizes that make rotation and recycling common.
pub(crate) fn small() -> LogOptions {
    let mut options = LogOptions::default();
    options.segment_bytes = 12 << 10;
    options.batch_bytes = 1 << 10;
    options.head_bytes = 512;
    options.zero_ahead_bytes = 4 << 10;
    options.zero_step_bytes = 4 << 10;
    options.reserve_bytes = 512;
    options.salt = 0x5eed;
    options
}

/// A recovered log: each record with its end.
pub(crate) type Records = Vec<(LogPosition, Vec<u8>)>;

pub(crate) fn recover(
    storage: &MemoryStorage,
    options: LogOptions,
    from: LogPosition,
) -> Result<(Opened, Records), OpenError> {
    recover_on(Arc::new(storage.clone()), options, from)
}

pub(crate) fn recover_on(
    storage: Arc<dyn Storage>,
    options: LogOptions,
    from: LogPosition,
) -> Result<(Opened, Records), OpenError> {
    let mut records = Records::new();
    let mut last = None;
    let opened = open(
        storage,
        options,
        from,
        &mut |record| {
            records.push((record.position_end, record.bytes.to_vec()));
            Ok(())
        },
        &mut |progress| {
            assert!(progress.bytes_done <= progress.bytes_total);
            last = Some(progress);
        },
    )?;
    if let Some(last) = last {
        assert_eq!((last.bytes_done, last.records), (last.bytes_total, opened.report.records));
    }
    Ok((opened, records))
}

/// An open log and everything logged in it since position 0.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) storage: MemoryStorage,
    pub(crate) opened: Opened,
    pub(crate) records: Records,
    /// Checkpoint: recovery starts here.
    pub(crate) from: LogPosition,
}

impl Log {
    pub(crate) fn new(storage: &MemoryStorage, options: LogOptions) -> Self {
        let opened = recover(storage, options, LogPosition::ZERO).expect("opens").0;
        let records = Records::new();
        Self { storage: storage.clone(), opened, records, from: LogPosition::ZERO }
    }

    /// A new log with these records, each in a batch of its own, all synced.
    pub(crate) fn with(records: &[&[u8]]) -> Self {
        let mut log = Self::new(&MemoryStorage::new(), small());
        for record in records {
            log.append(record);
            log.write();
        }
        log.sync();
        log
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> LogPosition {
        let mut record = self.opened.buffer.record();
        record.put_slice(bytes);
        let end = record.finish();
        self.records.push((end, bytes.to_vec()));
        end
    }

    /// Appends one value by reference; the record holds its length too.
    pub(crate) fn append_shared(&mut self, value: Vec<u8>) {
        let mut record = self.opened.buffer.record();
        record.put_shared(Bytes::from(value.clone()));
        let end = record.finish();
        let mut length = value.len() as u64;
        let mut bytes = Vec::new();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(value);
        self.records.push((end, bytes));
    }

    pub(crate) fn write(&mut self) {
        while let Some(mut batch) = self.opened.buffer.take() {
            self.opened.committer.write(&mut batch).expect("writes");
            self.opened.buffer.give_back(batch);
        }
    }

    pub(crate) fn sync(&mut self) -> LogPosition {
        self.write();
        let durable = self.opened.committer.sync().expect("syncs");
        assert_eq!(durable, self.opened.buffer.end());
        durable
    }

    /// Steps until there is enough room; returns the number of steps.
    pub(crate) fn prepare(&mut self) -> usize {
        for step in 0..10_000 {
            match self.opened.preparer.step().expect("prepares") {
                Prepared::Grew => {}
                Prepared::Enough => return step,
                Prepared::DiskFull => panic!("disk full"),
            }
        }
        panic!("the preparer never has enough");
    }

    pub(crate) fn checkpoint(&mut self, position: LogPosition) {
        self.from = position;
        self.opened.preparer.remove_before(position).expect("removes");
    }

    /// Records that a recovery from `from` on must return if nothing is lost.
    pub(crate) fn expected(&self) -> Records {
        self.records.iter().filter(|(end, _)| *end > self.from).cloned().collect()
    }

    /// Starts over on what a crash or a restart left, and returns the report.
    pub(crate) fn reopen(&mut self, storage: MemoryStorage) -> RecoveryReport {
        let (opened, records) = recover(&storage, small(), self.from).expect("reopens");
        assert_prefix(&records, &self.expected(), 0);
        self.records.retain(|(end, _)| *end <= self.from);
        self.records.extend(records);
        self.storage = storage;
        let report = opened.report;
        self.opened = opened;
        report
    }
}

/// `found` is what was logged, from the first record on, at least `at_least` records of it.
pub(crate) fn assert_prefix(found: &Records, logged: &Records, at_least: usize) {
    assert!(found.len() <= logged.len(), "{} records out of {}", found.len(), logged.len());
    assert!(found[..] == logged[..found.len()], "a record was altered or moved");
    assert!(found.len() >= at_least, "{} records, {at_least} were acknowledged", found.len());
}
