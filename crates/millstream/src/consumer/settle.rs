//! Telling the server what became of messages, many in one round trip.

use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use super::done::Done;
use super::handler_error::{HandlerError, Verdict};
use super::in_hand::MessageKey;
use super::method::Method;
use super::outcome::Outcome;
use super::room::Place;
use super::worker::{Taken, Worker};
use crate::dead_letters::{Reason, bury};
use crate::milliseconds::milliseconds;
use crate::{Backoff, Error, Message};

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

/// What is to become of a message. Its place is free once the server knows.
pub(super) struct Settlement {
    stream: usize,
    message: Message,
    what: What,
    _place: Option<Place>,
}

enum What {
    Acknowledge,
    /// With entries that are added in the same step.
    Produce(Done),
    HandBack,
    Failed {
        failure: HandlerError,
        is_last: bool,
    },
}

impl What {
    fn is_done(&self) -> bool {
        matches!(self, Self::Acknowledge | Self::Produce(_))
    }
}

impl Settlement {
    pub(super) fn done(taken: Taken, done: Done) -> Self {
        let is_all = done.entries.is_empty();
        Self::new(taken, if is_all { What::Acknowledge } else { What::Produce(done) })
    }

    /// It was not begun.
    pub(super) fn hand_back(taken: Taken) -> Self {
        Self::new(taken, What::HandBack)
    }

    /// With no other try by this worker itself.
    pub(super) fn failed(taken: Taken, failure: HandlerError, is_last: bool) -> Self {
        Self::new(taken, What::Failed { failure, is_last })
    }

    fn new(taken: Taken, what: What) -> Self {
        let Taken { stream, message, place, .. } = taken;
        Self { stream, message, what, _place: place }
    }

    fn key(&self) -> MessageKey {
        (self.stream, self.message.id)
    }
}

/// Until nobody settles any more.
pub(super) async fn settle_all(
    worker: Arc<Worker>,
    mut settlements: UnboundedReceiver<Settlement>,
) {
    let mut some = Vec::new();
    while settlements.recv_many(&mut some, AT_ONCE).await > 0 {
        // Handlers that are done as well go with them.
        tokio::task::yield_now().await;
        while some.len() < AT_ONCE
            && let Ok(settlement) = settlements.try_recv()
        {
            some.push(settlement);
        }
        if worker.settings.is_no_ack {
            worker.produce_only(&some).await;
        } else {
            worker.settle(&some).await;
        }
        for settlement in some.drain(..) {
            worker.in_hand.end(settlement.key());
        }
    }
}

impl Worker {
    async fn settle(&self, all: &[Settlement]) {
        // What is lost somebody else has.
        let (lost, ours): (Vec<_>, Vec<_>) =
            all.iter().partition(|settlement| self.in_hand.is_lost(settlement.key()));
        self.note_late(lost.len());
        for Settlement { message, .. } in lost.iter().filter(|it| it.what.is_done()) {
            self.settings.hook.tell(message, Outcome::Late);
        }
        for stream in 0..self.origins.len() {
            let of_stream = |is_meant: fn(&What) -> bool| -> Vec<&Message> {
                let found = ours.iter().filter(|it| it.stream == stream && is_meant(&it.what));
                found.map(|it| &it.message).collect()
            };
            let done = of_stream(|what| matches!(what, What::Acknowledge));
            if !done.is_empty() {
                _ = self.insist(|is_again| self.acknowledge(stream, &done, is_again)).await;
            }
            let unbegun = of_stream(|what| matches!(what, What::HandBack));
            if !unbegun.is_empty() {
                _ = self.insist(|_| self.hand_back(stream, &unbegun)).await;
            }
        }
        for Settlement { stream, message, what, .. } in ours {
            let settled = match what {
                What::Produce(done) => self.settle_produced(*stream, message, done).await,
                What::Failed { failure, is_last } => {
                    let work = |_| self.settle_failed(*stream, message, failure, *is_last);
                    self.insist(work).await
                }
                What::Acknowledge | What::HandBack => continue,
            };
            // It is pending, and will be handled again.
            _ = settled;
        }
    }

    /// Entries that messages made which need no acknowledgement.
    async fn produce_only(&self, all: &[Settlement]) {
        for Settlement { what, .. } in all {
            let What::Produce(done) = what else { continue };
            _ = self.insist(|_| self.produce(done)).await;
        }
    }

    async fn settle_produced(
        &self,
        stream: usize,
        message: &Message,
        done: &Done,
    ) -> Result<(), Error> {
        let work = |is_again| self.acknowledge_and_produce(stream, message, done, is_again);
        let Err(error) = self.insist(work).await else { return Ok(()) };
        if error.is_temporary() {
            return Err(error);
        }
        // What the server does not take, it will not take the next time either, or it will: the
        // message failed.
        let failure = self.note_failure(message, Ok(HandlerError::retry(error)));
        self.settings.hook.tell(message, Outcome::Failed);
        let is_last = message.deliveries >= u64::from(self.settings.max_retries);
        if is_last || self.method == Method::Policy {
            return self.insist(|_| self.settle_failed(stream, message, &failure, is_last)).await;
        }
        Ok(())
    }

    /// Tries until the server did it, or refuses it for good: then what it said is logged and
    /// returned. The work is told whether an earlier try may have done it already.
    async fn insist<F>(&self, work: impl Fn(bool) -> F) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        for tries in 1.. {
            let error = match work(tries > 1).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let is_over = self.stop.is_cancelled() && tries >= TRIES_AT_THE_END;
            if !error.is_temporary() || is_over {
                tracing::error!("messages cannot be settled: {error}");
                return Err(error);
            }
            sleep(RETRY.after_at_random(tries)).await;
        }
        unreachable!("there is always another try")
    }

    pub(super) fn note_late(&self, count: usize) {
        if count > 0 {
            self.counters.late.add(count as u64);
            tracing::warn!(count, "messages were done too late: others have them, or had");
        }
    }

    /// Makes them available to others at once.
    async fn hand_back(&self, stream: usize, unbegun: &[&Message]) -> Result<(), Error> {
        // Who has the stream next takes all that is pending.
        if self.order.is_none() {
            self.make_available(stream, unbegun).await?;
        }
        self.counters.handed_back.add(unbegun.len() as u64);
        unbegun.iter().for_each(|message| self.settings.hook.tell(message, Outcome::HandedBack));
        Ok(())
    }

    async fn make_available(&self, stream: usize, unbegun: &[&Message]) -> Result<(), Error> {
        let mut command;
        if self.millstream.abilities().has_nack {
            let origin = &self.origins[stream];
            command = cmd("XNACK");
            command
                .arg(&[&*origin.stream, &*origin.group])
                .arg("SILENT")
                .arg("IDS")
                .arg(unbegun.len());
            unbegun.iter().for_each(|message| _ = command.arg(message.id.to_string()));
        } else {
            // As if they had been idle for long enough.
            let ids = unbegun.iter().map(|message| message.id);
            command = self.claim_command(stream, Duration::ZERO, ids);
            command.arg("IDLE").arg(milliseconds(self.settings.claim_min_idle)).arg("JUSTID");
        }
        self.millstream.run(&command).await.map(drop)
    }

    async fn settle_failed(
        &self,
        stream: usize,
        message: &Message,
        failure: &HandlerError,
        is_last: bool,
    ) -> Result<(), Error> {
        let error = failure.to_string();
        let error = &error[..error.floor_char_boundary(ERROR_BYTES_MAX)];
        if self.method != Method::Policy {
            let is_rejected = failure.verdict == Verdict::Reject;
            let reason = if is_rejected { Reason::Fatal } else { Reason::MaxDeliveries };
            return self.bury(message, reason, error).await;
        }
        let origin = &self.origins[stream];
        let is_rejected = failure.verdict == Verdict::Reject;
        let mut command = cmd("XNACK");
        command.arg(&[&*origin.stream, &*origin.group]);
        command.arg(if is_rejected { "FATAL" } else { "FAIL" });
        command.arg("IDS").arg(1).arg(message.id.to_string());
        match failure.verdict {
            // Nothing is to be waited for: it becomes a dead letter.
            Verdict::Retry(_) if is_last => _ = command.arg("DELAY").arg(0),
            Verdict::Retry(Some(delay)) => _ = command.arg("DELAY").arg(milliseconds(delay)),
            Verdict::Retry(None) | Verdict::Reject => {}
        }
        if !error.is_empty() {
            command.arg("ERROR").arg(error);
        }
        self.millstream.run(&command).await?;
        if is_rejected || is_last {
            self.note_dead_letter(message);
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
        let letters = self.settings.dead_letters_of(&self.millstream, message.stream());
        if bury(&self.millstream, &letters, message, reason, error).await? {
            self.note_dead_letter(message);
        } else {
            self.note_late(1);
        }
        Ok(())
    }

    fn note_dead_letter(&self, message: &Message) {
        self.counters.dead_lettered.add(1);
        self.settings.hook.tell(message, Outcome::DeadLettered);
    }
}
