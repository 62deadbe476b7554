//! A part of a stream once more, without its groups noticing.

use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::cmd;
use tokio::time::sleep;

use crate::reply::NotUnderstood;
use crate::{
    ConsumerBuilder, ConsumerGroupManager, ConsumerGroupMonitor, Done, EntryId, Error, FromFields,
    GroupStart, HandlerError, HealthReport, Message, Millstream, StreamConsumer, reply,
};

/// Between two looks at whether it is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Entries of a stream that are handled again, or for the first time, through a group of their own.
/// Made by [`ConsumerGroupManager::replay`].
#[derive(Debug)]
pub struct Replay {
    millstream: Millstream,
    manager: ConsumerGroupManager,
    builder: ConsumerBuilder,
    group: String,
    /// The last one that there is of those that are meant; `None`: there is none.
    last: Option<EntryId>,
}

impl ConsumerGroupManager {
    /// Gets ready to handle these entries once more: those that are in the stream now, and not what
    /// is added from now on, whatever the end of the range. `..` is the whole stream. Only looks:
    /// the temporary group is made when the replay runs.
    ///
    /// # Errors
    /// Those of the server. [`Error::Configuration`]: the key of the stream is not UTF-8.
    pub async fn replay(&self, range: impl RangeBounds<EntryId>) -> Result<Replay, Error> {
        let millstream = self.millstream();
        let start = match range.start_bound() {
            Bound::Included(first) => GroupStart::After(first.before()),
            Bound::Excluded(before) => GroupStart::After(*before),
            Bound::Unbounded => GroupStart::First,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.to_string(),
            Bound::Excluded(end) => format!("({end}"),
            Bound::Unbounded => "+".to_owned(),
        };
        let mut newest = cmd("XREVRANGE");
        newest.arg(self.stream()).arg(&[&*end, "-", "COUNT", "1"]);
        let found = reply::entries(millstream.run(&newest).await?);
        let found = found.map_err(NotUnderstood::of("XREVRANGE"))?;
        let last = found.first().map(|entry| entry.id).filter(|last| match start {
            GroupStart::After(before) => *last > before,
            _ => true,
        });
        let group = temporary_name();
        let builder = StreamConsumer::builder(millstream, self.stream_text()?, group.as_str());
        let builder = builder.start(start);
        Ok(Replay { millstream: millstream.clone(), manager: self.clone(), builder, group, last })
    }
}

/// No other has it: this process, this moment, and a number.
fn temporary_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("replay:{}:{number}:{:08x}", std::process::id(), fastrand::u32(..))
}

impl Replay {
    /// Name of the group that it uses while it runs. Should the process die it is left behind, and
    /// [`ConsumerGroupManager::destroy`] removes it.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Changes the settings of its consumer: tries, concurrency, where dead letters go.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(ConsumerBuilder) -> ConsumerBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// Handles the entries, as [`StreamConsumer::run`] does, until each is done or a dead letter;
    /// then the group is removed. Dropped before, the group is left behind.
    ///
    /// # Errors
    /// As those of [`ConsumerBuilder::build`] and [`StreamConsumer::run`].
    pub async fn run<T, H, F, R, E>(self, handler: H) -> Result<HealthReport, Error>
    where
        T: FromFields,
        H: Fn(Message<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Done> + 'static,
        E: Into<HandlerError> + 'static,
    {
        let Some(last) = self.last else { return Ok(HealthReport::default()) };
        let consumer = self.builder.clone().build().await?;
        let (stop, health) = (consumer.stop_token(), consumer.health());
        let running = consumer.run(move |message: Message<T>| {
            // What comes behind is not meant, and goes with the group.
            let done = (message.id() <= last).then(|| handler(message));
            async move {
                match done {
                    Some(done) => done.await.map(Into::into).map_err(Into::into),
                    None => Ok::<Done, HandlerError>(Done::new()),
                }
            }
        });
        let watching = async {
            loop {
                sleep(LOOK_INTERVAL).await;
                match self.is_over(last).await {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(error) => tracing::debug!("cannot see how far a replay is: {error}"),
                }
            }
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(
            async {
                let ended = running.await;
                stop.cancel();
                ended
            },
            async {
                tokio::select! {
                    () = watching => {}
                    () = stop.cancelled() => {}
                }
            }
        );
        self.manager.destroy(&self.group).await?;
        ended.map(|()| health.report())
    }

    async fn is_over(&self, last: EntryId) -> Result<bool, Error> {
        let groups = self.manager.groups().await?;
        let Some(info) = groups.into_iter().find(|info| info.name == self.group) else {
            return Ok(false);
        };
        if info.last_delivered < last && !self.is_nothing_between(info.last_delivered, last).await?
        {
            return Ok(false);
        }
        let monitor = ConsumerGroupMonitor::new(&self.millstream, self.manager.stream());
        Ok(monitor.pending(&self.group).await?.total == 0)
    }

    /// Entries may have been deleted meanwhile.
    async fn is_nothing_between(&self, after: EntryId, last: EntryId) -> Result<bool, Error> {
        let mut command = cmd("XRANGE");
        command.arg(self.manager.stream()).arg(format!("({after}")).arg(last.to_string());
        command.arg(&["COUNT", "1"]);
        let found = reply::entries(self.millstream.run(&command).await?);
        Ok(found.map_err(NotUnderstood::of("XRANGE"))?.is_empty())
    }
}
