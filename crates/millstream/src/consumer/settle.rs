//! Telling the server what became of messages, many in one round trip.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, cmd, pipe};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use super::handler_error::{HandlerError, Verdict};
use super::health::add;
use super::in_hand::MessageKey;
use super::method::Method;
use super::outcome::Outcome;
use super::worker::{Taken, Worker};
use crate::dead_letters::{Reason, bury};
use crate::milliseconds::milliseconds;
use crate::{Backoff, Error, Message, reply};

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
    _place: Option<OwnedSemaphorePermit>,
}

enum What {
    Acknowledge,
    HandBack,
    Failed { failure: HandlerError, is_last: bool },
}

impl What {
    fn is_done(&self) -> bool {
        matches!(self, Self::Acknowledge)
    }
}

impl Settlement {
    pub(super) fn acknowledge(taken: Taken) -> Self {
        Self::new(taken, What::Acknowledge)
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
        let Taken { stream, message, place } = taken;
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
        if !worker.settings.is_no_ack {
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
            let done = of_stream(What::is_done);
            if !done.is_empty() {
                self.insist(|is_again| self.acknowledge(stream, &done, is_again)).await;
            }
            let unbegun = of_stream(|what| matches!(what, What::HandBack));
            if !unbegun.is_empty() {
                self.insist(|_| self.hand_back(stream, &unbegun)).await;
            }
        }
        for Settlement { stream, message, what, .. } in ours {
            let What::Failed { failure, is_last } = what else { continue };
            self.insist(|_| self.settle_failed(*stream, message, failure, *is_last)).await;
        }
    }

    /// Tries until the server did it, or refuses it for good. The work is told whether an earlier
    /// try may have done it already.
    async fn insist<F>(&self, work: impl Fn(bool) -> F)
    where
        F: Future<Output = Result<(), Error>>,
    {
        for tries in 1.. {
            let error = match work(tries > 1).await {
                Ok(()) => return,
                Err(error) => error,
            };
            let is_over = self.stop.is_cancelled() && tries >= TRIES_AT_THE_END;
            if !error.is_temporary() || is_over {
                // It is pending, and will be handled again.
                tracing::error!("messages cannot be settled: {error}");
                return;
            }
            sleep(RETRY.after_at_random(tries)).await;
        }
    }

    fn note_late(&self, count: usize) {
        if count > 0 {
            add(&self.counters.late, count as u64);
            tracing::warn!(count, "messages were done too late: others have them, or had");
        }
    }

    async fn acknowledge(
        &self,
        stream: usize,
        done: &[&Message],
        is_again: bool,
    ) -> Result<(), Error> {
        let counts = if self.settings.hook.is_set() {
            let mut each = pipe();
            done.iter().for_each(|it| _ = each.add_command(self.acknowledgement(stream, &[it])));
            self.millstream.backend().run_all(&each).await?
        } else {
            vec![self.millstream.run(&self.acknowledgement(stream, done)).await?]
        };
        let counts: Result<Vec<u64>, _> = counts.iter().map(reply::count).collect();
        let counts = counts.map_err(reply::NotUnderstood::of("XACK"))?;
        if self.settings.hook.is_set() {
            for (message, count) in done.iter().zip(&counts) {
                let is_done = *count > 0 || is_again;
                let outcome = if is_done { Outcome::Acknowledged } else { Outcome::Late };
                self.settings.hook.tell(message, outcome);
            }
        }
        let acknowledged = if is_again { done.len() } else { counts.iter().sum::<u64>() as usize };
        add(&self.counters.acknowledged, acknowledged as u64);
        self.note_late(done.len().saturating_sub(acknowledged));
        Ok(())
    }

    fn acknowledgement(&self, stream: usize, done: &[&Message]) -> Cmd {
        let origin = &self.origins[stream];
        let mut command = cmd("XACK");
        command.arg(&[&*origin.stream, &*origin.group]);
        if self.method == Method::Policy {
            command.arg("FENCE").arg(&origin.consumer);
        }
        done.iter().for_each(|message| _ = command.arg(message.id.to_string()));
        command
    }

    /// Makes them available to others at once.
    async fn hand_back(&self, stream: usize, unbegun: &[&Message]) -> Result<(), Error> {
        // Who has the stream next takes all that is pending.
        if self.order.is_none() {
            self.make_available(stream, unbegun).await?;
        }
        add(&self.counters.handed_back, unbegun.len() as u64);
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
            let reason = if is_last { Reason::MaxDeliveries } else { Reason::Fatal };
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
        add(&self.counters.dead_lettered, 1);
        self.settings.hook.tell(message, Outcome::DeadLettered);
    }
}
