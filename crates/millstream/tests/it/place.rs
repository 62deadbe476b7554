//! A stream and a group of a case's own, and what all cases do with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::{
    Backoff, ConsumerBuilder, ConsumerGroupManager, ConsumerGroupMonitor, EntryId, Error, Fields,
    HandlerError, Message, Millstream, StreamConsumer,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(crate) const GROUP: &str = "workers";
/// After so long others take over; far more than a busy machine needs between two looks.
pub(crate) const MIN_IDLE: Duration = Duration::from_millis(1000);

pub(crate) struct Place {
    pub(crate) millstream: Millstream,
    pub(crate) stream: String,
}

/// What handlers saw, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<watch::Sender<Vec<(String, u64)>>>);

impl Seen {
    pub(crate) fn note(&self, message: &Message) {
        let number = message.text("n").expect("each has a number").to_owned();
        self.0.send_modify(|all| all.push((number, message.deliveries())));
    }

    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.0.borrow().clone()
    }

    pub(crate) async fn wait_for(&self, count: usize) {
        let mut seen = self.0.subscribe();
        seen.wait_for(|all| all.len() >= count).await.expect("it is not closed");
    }
}

/// Waits until something is so; the suite has the limit.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "still not: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A consumer at work.
pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), Error>>,
}

impl Running {
    pub(crate) fn start<H, F>(consumer: StreamConsumer, handler: H) -> Self
    where
        H: Fn(Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        Self { stop: consumer.stop_token(), task: tokio::spawn(consumer.run(handler)) }
    }

    /// With a handler that notes what it sees, and succeeds.
    pub(crate) fn noting(consumer: StreamConsumer, seen: &Seen) -> Self {
        let seen = seen.clone();
        Self::start(consumer, move |message| {
            seen.note(&message);
            async { Ok(()) }
        })
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("it does not panic").expect("it ends in order");
    }
}

impl Place {
    pub(crate) fn new(millstream: Millstream, case: &str) -> Self {
        Self { millstream, stream: case.replace("::", ":") }
    }

    pub(crate) async fn connect(url: &str, case: &str) -> Self {
        Self::new(Millstream::connect(url).await.expect("connect"), case)
    }

    pub(crate) async fn raw<T: redis::FromRedisValue>(&self, line: &str) -> T {
        let line = line.replace("{s}", &self.stream).replace("{g}", GROUP);
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| _ = command.arg(word));
        let answer = self.millstream.query(&command).await.expect("an answer");
        redis::from_redis_value(answer).expect("of this type")
    }

    pub(crate) fn manager(&self) -> ConsumerGroupManager {
        ConsumerGroupManager::new(&self.millstream, self.stream.as_str())
    }

    pub(crate) fn monitor(&self) -> ConsumerGroupMonitor {
        ConsumerGroupMonitor::new(&self.millstream, self.stream.as_str())
    }

    /// With short waits.
    pub(crate) fn builder(&self, name: &str) -> ConsumerBuilder {
        let (base, max) = (Duration::from_millis(20), Duration::from_millis(100));
        StreamConsumer::builder(&self.millstream, self.stream.as_str(), GROUP)
            .name(name)
            .claim_min_idle(MIN_IDLE)
            .block(Duration::from_millis(200))
            .backoff(Backoff { base, factor: 2.0, max, jitter: 0.0 })
    }

    pub(crate) async fn add(&self, numbers: std::ops::Range<usize>) -> Vec<EntryId> {
        let mut ids = Vec::new();
        for number in numbers {
            let fields = Fields::new().with("n", number.to_string());
            ids.push(self.millstream.add(&self.stream, &fields).await.expect("add"));
        }
        ids
    }

    pub(crate) async fn pending(&self) -> u64 {
        self.monitor().pending(GROUP).await.expect("a group").total
    }

    pub(crate) async fn wait_until_nothing_is_pending(&self) {
        until("nothing is pending", async || self.pending().await == 0).await;
    }
}

/// Numbers and deliveries, as handlers see them.
pub(crate) fn seen_once(numbers: std::ops::Range<usize>) -> Vec<(String, u64)> {
    numbers.map(|number| (number.to_string(), 1)).collect()
}
