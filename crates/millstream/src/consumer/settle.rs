//! Telling the server what became of messages, many in one round trip.

use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use super::handler_error::{HandlerError, Verdict};
use super::health::add;
use super::in_hand::MessageKey;
use super::method::Method;
use super::worker::Worker;
use crate::dead_letters::{Reason, bury};
use crate::monitor::milliseconds;
use crate::{Backoff, EntryId, Error, Message, reply};

/// Settlements of one round trip.
const AT_ONCE: usize = 256;
/// What the server keeps of an error.
const ERROR_BYTES_MAX: usize = 4096;
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(50),
    factor: 2.0,
    max: Duration::from_secs(2),
    jitter: 0.5,
};
/// At the end the server has so many chances to be there.
const TRIES_AT_THE_END: u64 = 3;

/// What became of a message. Its place is free once the server knows.
pub(super) struct Settlement {
    key: MessageKey,
    what: What,
    _place: Option<OwnedSemaphorePermit>,
}

enum What {
    Acknowledge,
    HandBack,
    Failed { message: Message, failure: HandlerError, is_last: bool },
}

impl Settlement {
    pub(super) fn acknowledge(key: MessageKey, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { key, what: What::Acknowledge, _place: place }
    }

    /// It was not begun.
    pub(super) fn hand_back(key: MessageKey, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { key, what: What::HandBack, _place: place }
    }

    /// With no other try by this worker itself.
    pub(super) fn failed(
        key: MessageKey,
        place: Option<OwnedSemaphorePermit>,
        message: Message,
        failure: HandlerError,
        is_last: bool,
    ) -> Self {
        let what = What::Failed { message, failure, is_last };
        Self { key, what, _place: place }
    }
}

pub(super) struct Settling {
    worker: Arc<Worker>,
}

impl Settling {
    pub(super) fn new(worker: Arc<Worker>) -> Self {
        Self { worker }
    }

    /// Until nobody settles any more.
    pub(super) async fn run(self, mut settlements: UnboundedReceiver<Settlement>) {
        let mut some = Vec::new();
        while settlements.recv_many(&mut some, AT_ONCE).await > 0 {
            if !self.worker.settings.is_no_ack {
                self.settle(&mut some).await;
            }
            for settlement in some.drain(..) {
                self.worker.in_hand.end(settlement.key);
            }
        }
    }

    async fn settle(&self, some: &mut Vec<Settlement>) {
        let worker = &*self.worker;
        let before = some.len();
        // Somebody else has these.
        some.retain(|settlement| {
            let is_lost = worker.in_hand.is_lost(settlement.key);
            if is_lost {
                worker.in_hand.end(settlement.key);
            }
            !is_lost
        });
        worker.note_late(before - some.len());
        for stream in 0..worker.origins.len() {
            let ids = |is_meant: fn(&What) -> bool| -> Vec<EntryId> {
                let of_stream = some.iter().filter(|settlement| settlement.key.0 == stream);
                of_stream.filter(|it| is_meant(&it.what)).map(|it| it.key.1).collect()
            };
            let done = ids(|what| matches!(what, What::Acknowledge));
            if !done.is_empty() {
                insist(worker, || worker.acknowledge(stream, &done)).await;
            }
            let unbegun = ids(|what| matches!(what, What::HandBack));
            if !unbegun.is_empty() {
                insist(worker, || worker.hand_back(stream, &unbegun)).await;
            }
        }
        for settlement in some.iter() {
            let What::Failed { message, failure, is_last } = &settlement.what else { continue };
            let key = settlement.key;
            insist(worker, || worker.settle_failed(key, message, failure, *is_last)).await;
        }
    }
}

/// Tries until the server did it, or refuses it for good.
async fn insist<F>(worker: &Worker, work: impl Fn() -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    for failures in 1.. {
        let error = match work().await {
            Ok(()) => return,
            Err(error) => error,
        };
        let is_over = worker.stop.is_cancelled() && failures >= TRIES_AT_THE_END;
        if !error.is_temporary() || is_over {
            // It is pending, and will be handled again.
            tracing::error!("messages cannot be settled: {error}");
            return;
        }
        sleep(RETRY.after_at_random(failures)).await;
    }
}

impl Worker {
    fn note_late(&self, count: usize) {
        if count > 0 {
            add(&self.counters.late, count as u64);
            tracing::warn!(count, "messages were done too late: others have them, or had");
        }
    }

    async fn acknowledge(&self, stream: usize, ids: &[EntryId]) -> Result<(), Error> {
        let origin = &self.origins[stream];
        let mut command = cmd("XACK");
        command.arg(&[&*origin.stream, &*origin.group]);
        if self.method == Method::Policy {
            command.arg("FENCE").arg(&origin.consumer);
        }
        for id in ids {
            command.arg(id.to_string());
        }
        let answer = self.millstream.run(&command).await?;
        let count = reply::count(&answer).map_err(reply::NotUnderstood::of("XACK"))? as usize;
        add(&self.counters.acknowledged, count as u64);
        self.note_late(ids.len().saturating_sub(count));
        Ok(())
    }

    /// Makes them available to others at once.
    async fn hand_back(&self, stream: usize, ids: &[EntryId]) -> Result<(), Error> {
        let origin = &self.origins[stream];
        let names = [&*origin.stream, &*origin.group];
        let mut command;
        if self.millstream.abilities().has_nack {
            command = cmd("XNACK");
            command.arg(&names).arg("SILENT").arg("IDS").arg(ids.len());
            ids.iter().for_each(|id| _ = command.arg(id.to_string()));
        } else {
            // As if they had been idle for long enough.
            command = cmd("XCLAIM");
            command.arg(&names).arg(&*origin.consumer).arg(0);
            ids.iter().for_each(|id| _ = command.arg(id.to_string()));
            command.arg("IDLE").arg(milliseconds(self.settings.claim_min_idle)).arg("JUSTID");
        }
        self.millstream.run(&command).await?;
        add(&self.counters.handed_back, ids.len() as u64);
        Ok(())
    }

    async fn settle_failed(
        &self,
        key: MessageKey,
        message: &Message,
        failure: &HandlerError,
        is_last: bool,
    ) -> Result<(), Error> {
        let error = failure.to_string();
        let error = &error[..error.floor_char_boundary(ERROR_BYTES_MAX)];
        if self.method != Method::Policy {
            let reason = if is_last { Reason::MaxDeliveries } else { Reason::Fatal };
            return self.bury(message, reason, error).await;
        }
        let origin = &self.origins[key.0];
        let is_rejected = failure.verdict == Verdict::Reject;
        let mut command = cmd("XNACK");
        command.arg(&[&*origin.stream, &*origin.group]);
        command.arg(if is_rejected { "FATAL" } else { "FAIL" });
        command.arg("IDS").arg(1).arg(key.1.to_string());
        if let Verdict::Retry(Some(delay)) = failure.verdict {
            command.arg("DELAY").arg(milliseconds(delay));
        }
        if !error.is_empty() {
            command.arg("ERROR").arg(error);
        }
        self.millstream.run(&command).await?;
        if is_rejected || is_last {
            add(&self.counters.dead_lettered, 1);
        }
        Ok(())
    }

    /// A message that was taken and has no try left.
    pub(super) async fn bury_at_last(
        &self,
        key: MessageKey,
        message: &Message,
    ) -> Result<(), Error> {
        let buried = self.bury(message, Reason::MaxDeliveries, "").await;
        self.in_hand.end(key);
        buried
    }

    async fn bury(&self, message: &Message, reason: Reason, error: &str) -> Result<(), Error> {
        let letters = self.settings.dead_letters_of(message.stream());
        if bury(&self.millstream, &letters, message, reason, error).await? {
            add(&self.counters.dead_lettered, 1);
        } else {
            self.note_late(1);
        }
        Ok(())
    }
}
