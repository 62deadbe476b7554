//! Telling the server what became of messages, many in one round trip.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{cmd, pipe};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};

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
    place: Option<Place>,
}

enum What {
    Acknowledge,
    /// With entries that are added in the same step.
    Produce(Done),
    HandBack,
    /// It failed, and others may have it after so long.
    PutOff(Wait),
    Failed {
        failure: HandlerError,
        is_last: bool,
    },
}

/// Until the next try.
#[derive(Clone, Copy)]
struct Wait {
    time: Duration,
    /// Whether the delivery before it counts.
    is_counted: bool,
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

    /// It failed, and this worker ends before its next try.
    pub(super) fn put_off(taken: Taken, time: Duration) -> Self {
        let wait = Wait { time, is_counted: taken.is_counted };
        Self::new(taken, What::PutOff(wait))
    }

    /// With no other try by this worker itself.
    pub(super) fn failed(taken: Taken, failure: HandlerError, is_last: bool) -> Self {
        Self::new(taken, What::Failed { failure, is_last })
    }

    fn new(taken: Taken, what: What) -> Self {
        let Taken { stream, message, place, .. } = taken;
        Self { stream, message, what, place }
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
            let leaving = || some.iter().filter(|it| !it.what.is_done()).map(Settlement::key);
            worker.in_hand.note_leaving(leaving());
            worker.settle(&some).await;
            worker.in_hand.end_leaving(leaving());
        }
        let is_over = |it: &&Settlement| worker.settings.is_no_ack || it.what.is_done();
        worker.in_hand.end_all(some.iter().filter(is_over).map(Settlement::key));
        Place::free_all(some.drain(..).filter_map(|settlement| settlement.place));
    }
}

/// What is done would be done once more, and at last be a dead letter. A server whose disk is full
/// takes acknowledgements when somebody made room.
fn may_be_acknowledged_later(error: &Error) -> bool {
    let is_disk = |code: &str| code == "MISCONF";
    error.is_temporary() || matches!(error, Error::Refused { code, .. } if is_disk(code))
}

impl Worker {
    async fn settle(&self, all: &[Settlement]) {
        // What is lost somebody else has.
        let (mut lost, ours): (Vec<_>, Vec<_>) = {
            let in_hand = self.in_hand.view();
            all.iter().partition(|settlement| in_hand.is_lost(settlement.key()))
        };
        lost.retain(|it| it.what.is_done());
        self.note_late(lost.len());
        for Settlement { message, .. } in lost {
            self.settings.hook.tell(message, Outcome::Late);
        }
        for stream in 0..self.origins.len() {
            let of_stream = |is_meant: fn(&What) -> bool| -> Vec<&Message> {
                let found = ours.iter().filter(|it| it.stream == stream && is_meant(&it.what));
                found.map(|it| &it.message).collect()
            };
            let done = of_stream(|what| matches!(what, What::Acknowledge));
            if !done.is_empty() {
                let work = |is_again| self.acknowledge(stream, &done, is_again);
                _ = self.insist_while(may_be_acknowledged_later, work).await;
            }
            let unbegun = of_stream(|what| matches!(what, What::HandBack));
            if !unbegun.is_empty() {
                _ = self.insist(|is_again| self.hand_back(stream, &unbegun, is_again)).await;
            }
            let mut failed = Vec::new();
            for it in ours.iter().filter(|it| it.stream == stream) {
                if let What::PutOff(wait) = it.what {
                    failed.push((&it.message, wait));
                }
            }
            _ = self.insist(|is_again| self.put_off(stream, &failed, is_again)).await;
        }
        for Settlement { stream, message, what, .. } in ours {
            let settled = match what {
                What::Produce(done) => self.settle_produced(*stream, message, done).await,
                What::Failed { failure, is_last } => {
                    let work =
                        |again| self.settle_failed(*stream, message, failure, *is_last, again);
                    self.insist(work).await
                }
                What::Acknowledge | What::HandBack | What::PutOff(_) => continue,
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
        let Err(failure) = self.produce_at_once(stream, message, done).await else { return Ok(()) };
        let failure = self.note_failure(message, Ok(failure));
        self.settings.hook.tell(message, Outcome::Failed);
        let is_last = message.deliveries >= self.tries(stream);
        if is_last || self.method == Method::Policy {
            let work = |again| self.settle_failed(stream, message, &failure, is_last, again);
            return self.insist(work).await;
        }
        let time = self.settings.backoff.after_at_random(message.deliveries);
        let failed = [(message, Wait { time, is_counted: true })];
        self.insist(|is_again| self.put_off(stream, &failed, is_again)).await
    }

    /// Acknowledges a message and adds what it made. What the server does not take, it will not
    /// take the next time either, or it will: the message failed. While it is away for longer than
    /// we wait at the end nothing is known, and the message pending.
    pub(super) async fn produce_at_once(
        &self,
        stream: usize,
        message: &Message,
        done: &Done,
    ) -> Result<(), HandlerError> {
        let work = |is_again| self.acknowledge_and_produce(stream, message, done, is_again);
        match self.insist(work).await {
            Err(error) if !error.is_temporary() => Err(HandlerError::retry(error)),
            _ => Ok(()),
        }
    }

    /// Leaves messages that failed to whoever looks for what is idle, when their waits are over.
    async fn put_off(
        &self,
        stream: usize,
        failed: &[(&Message, Wait)],
        is_again: bool,
    ) -> Result<(), Error> {
        if failed.is_empty() || self.order.is_some() {
            // Who has the stream next takes all that is pending.
            return Ok(());
        }
        let all: Vec<&Message> = failed.iter().map(|(message, _)| *message).collect();
        let ours = self.still_ours(stream, &all, is_again).await?;
        let is_ours = |message: &Message| ours.iter().any(|it| it.id == message.id);
        let mut commands = pipe();
        for (message, wait) in failed.iter().filter(|(message, _)| is_ours(message)) {
            let idle = self.settings.claim_min_idle.saturating_sub(wait.time);
            let mut command = self.claim_command(stream, Duration::ZERO, [message.id].into_iter());
            command.arg("IDLE").arg(milliseconds(idle));
            if !wait.is_counted {
                command.arg("RETRYCOUNT").arg(message.deliveries.saturating_sub(1));
            }
            command.arg("JUSTID");
            commands.add_command(command);
        }
        if commands.is_empty() {
            return Ok(());
        }
        self.millstream.backend().run_all(&commands).await.map(drop)
    }

    /// Those of them that we still have. Of what was not heard of for long, or may have been
    /// settled by an earlier try, the server knows.
    async fn still_ours<'a>(
        &self,
        stream: usize,
        all: &[&'a Message],
        is_again: bool,
    ) -> Result<Vec<&'a Message>, Error> {
        let (mut ours, unsure): (Vec<&Message>, Vec<&Message>) = {
            let (now, in_hand) = (Instant::now(), self.in_hand.view());
            let age = |message: &Message| in_hand.age((stream, message.id), now);
            let is_sure = |message: &&Message| !is_again && age(message) < self.lease / 2;
            all.iter().copied().partition(is_sure)
        };
        let idle = |message: &&Message| self.in_hand.idle((stream, message.id));
        let Some(youngest) = unsure.iter().map(idle).min() else {
            return Ok(ours);
        };
        let ids: Vec<_> = unsure.iter().map(|message| message.id).collect();
        let kept = self.extend(stream, &ids, youngest).await?;
        ours.extend(unsure.into_iter().filter(|message| kept.contains(&message.id)));
        Ok(ours)
    }

    /// Tries until the server did it, or refuses it for good: then what it said is logged and
    /// returned. The work is told whether an earlier try may have done it already.
    async fn insist<F>(&self, work: impl Fn(bool) -> F) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        self.insist_while(Error::is_temporary, work).await
    }

    async fn insist_while<F>(
        &self,
        is_temporary: fn(&Error) -> bool,
        work: impl Fn(bool) -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        if self.has_given_up.load(Ordering::Relaxed) {
            return Err(Error::Connection("the server was away at the end".into()));
        }
        for tries in 1.. {
            let error = match work(tries > 1).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let is_over = self.stop.is_cancelled() && tries >= TRIES_AT_THE_END;
            // One wait for all that is left, not one for each.
            if is_temporary(&error) && is_over {
                self.has_given_up.store(true, Ordering::Relaxed);
            }
            if !is_temporary(&error) || is_over {
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
    async fn hand_back(
        &self,
        stream: usize,
        unbegun: &[&Message],
        is_again: bool,
    ) -> Result<(), Error> {
        // Who has the stream next takes all that is pending.
        if self.order.is_none() {
            let ours = self.still_ours(stream, unbegun, is_again).await?;
            self.make_available(stream, &ours).await?;
        }
        self.counters.handed_back.add(unbegun.len() as u64);
        unbegun.iter().for_each(|message| self.settings.hook.tell(message, Outcome::HandedBack));
        Ok(())
    }

    async fn make_available(&self, stream: usize, unbegun: &[&Message]) -> Result<(), Error> {
        if unbegun.is_empty() {
            return Ok(());
        }
        if self.millstream.abilities().has_nack {
            let origin = &self.origins[stream];
            let mut command = cmd("XNACK");
            command
                .arg(&[&*origin.stream, &*origin.group])
                .arg("SILENT")
                .arg("IDS")
                .arg(unbegun.len());
            unbegun.iter().for_each(|message| _ = command.arg(message.id));
            return self.millstream.run(&command).await.map(drop);
        }
        // As if they had been idle for long enough; and what was not begun was no try.
        let mut all = pipe();
        for same in unbegun.chunk_by(|a, b| a.deliveries == b.deliveries) {
            let ids = same.iter().map(|message| message.id);
            let mut command = self.claim_command(stream, Duration::ZERO, ids);
            command.arg("IDLE").arg(milliseconds(self.settings.claim_min_idle));
            command.arg("RETRYCOUNT").arg(same[0].deliveries.saturating_sub(1)).arg("JUSTID");
            all.add_command(command);
        }
        self.millstream.backend().run_all(&all).await.map(drop)
    }

    async fn settle_failed(
        &self,
        stream: usize,
        message: &Message,
        failure: &HandlerError,
        is_last: bool,
        is_again: bool,
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
        let is_last = is_last && !matches!(failure.verdict, Verdict::PutOff(_));
        // XNACK takes it from anybody.
        if self.still_ours(stream, &[message], is_again).await?.is_empty() {
            if is_again && (is_rejected || is_last) {
                self.note_dead_letter(message);
            }
            return Ok(());
        }
        let mut command = cmd("XNACK");
        command.arg(&[&*origin.stream, &*origin.group]);
        command.arg(match failure.verdict {
            Verdict::Reject => "FATAL",
            Verdict::PutOff(_) => "SILENT",
            _ => "FAIL",
        });
        command.arg("IDS").arg(1).arg(message.id);
        match failure.verdict {
            // Nothing is to be waited for: it becomes a dead letter.
            Verdict::Retry(_) if is_last => _ = command.arg("DELAY").arg(0),
            Verdict::Retry(Some(delay)) | Verdict::PutOff(delay) => {
                _ = command.arg("DELAY").arg(milliseconds(delay))
            }
            Verdict::Retry(None) | Verdict::Reject => {}
            Verdict::GiveBack => unreachable!("it is handed back, and did not fail"),
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
        match buried {
            // Nothing else depends on it. It is pending, and tried again when it was idle for long.
            Err(error) if !error.is_temporary() => {
                let (id, stream) = (message.id, message.stream());
                tracing::error!(%id, stream, "a dead letter cannot be written: {error}");
                Ok(())
            }
            buried => buried,
        }
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
