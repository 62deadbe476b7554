//! `millstream bench latency`: entries at a fixed rate, whatever the server does meanwhile.
//!
//! Each entry is sent when it is due, whether those before were answered or not, and its times
//! count from then: a server that stops for a moment is charged with all that waited for it. So is
//! this program, where it is late itself, which is told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use redis::Pipeline;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::account::Account;
use super::answer::is_id;
use super::crew::{Client, Crew};
use super::measured::measured;
use super::plan::Plan;
use super::producer::{Adds, ToAdd, stream_is_gone};
use super::round::{Round, TimesName};
use super::site::Site;
use super::times::Times;
use super::verdict::verdict;
use super::worker::{Watch, Worker};

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream bench latency
  millstream bench latency --rate 50000 --duration 1m
  millstream bench latency --rate 1000 --messages 1000 --compare redis://127.0.0.1:6380";

/// From when it was due until it was sent: how late this program was.
const SENT: TimesName = TimesName { text: "due until sent", json: "sent" };
/// From when it was due until XADD was answered.
pub(super) const ANSWERED: TimesName = TimesName { text: "due until answered", json: "answered" };
/// From when it was due until a worker had it.
pub(super) const DELIVERED: TimesName =
    TimesName { text: "due until delivered", json: "delivered" };
/// The first one is due so long after all were told.
const LEAD: Duration = Duration::from_millis(20);
/// Who waits for an entry sleeps no shorter than this: at high rates several that are due go
/// together, as each waking costs more than an entry does.
const LEAST_SLEEP: Duration = Duration::from_micros(50);
/// Payload at most that was sent and not answered: a server that is so far behind has lost.
const UNANSWERED_BYTES_MAX: usize = 256 << 20;
/// Who waits for an entry looks so often whether it is still wanted.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// When which entry is due, and who sends it: the connections take turns.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    begun_at: Instant,
    rate: u32,
}

impl Schedule {
    fn of(client: &Client, plan: &Plan) -> Self {
        Self { begun_at: client.begun_at, rate: plan.rate }
    }

    fn due(self, number: u32) -> Instant {
        let nanoseconds = u64::from(number) * 1_000_000_000 / u64::from(self.rate);
        self.begun_at + Duration::from_nanos(nanoseconds)
    }
}

/// What a client saw.
#[derive(Debug)]
struct Seen {
    sent: Times,
    answered: Times,
    delivered: Times,
    last_at: Instant,
}

impl Seen {
    fn nothing() -> Self {
        let none = Times::default;
        Self { sent: none(), answered: none(), delivered: none(), last_at: Instant::now() }
    }
}

pub(super) async fn round(site: &Site, plan: &Plan) -> anyhow::Result<Round> {
    site.make_stream(plan.load).await?;
    let account = Arc::new(Account::new(plan.messages));
    let to_add = Arc::new(ToAdd::new(plan.messages, None));
    let (for_crew, plan) = (Arc::clone(&account), *plan);
    let job = move |client: Client| {
        let (account, to_add) = (Arc::clone(&for_crew), Arc::clone(&to_add));
        async move {
            if client.number < plan.connections {
                return send(client, plan, to_add).await;
            }
            let delivered = Rc::new(RefCell::new(Times::default()));
            let schedule = Schedule::of(&client, &plan);
            let arrivals = Arrivals { to_add, schedule, delivered: Rc::clone(&delivered) };
            let worked = Worker::new(client, plan, account).work(true, arrivals).await?;
            let delivered = delivered.take();
            Ok(Seen { delivered, last_at: worked.last_at, ..Seen::nothing() })
        }
    };
    let crew = Crew::connect(site, &plan, plan.connections + plan.workers, job).await?;
    let measured = measured(site, &plan, crew, LEAD).await?;
    let memory_bytes = site.memory_bytes(plan.load).await?;
    verdict(site, plan.load, &account.wrong_in_group(site.ending(plan.load).await?))?;
    let mut all = Seen::nothing();
    all.last_at = measured.begun_at;
    for seen in &measured.results {
        all.sent.merge(&seen.sent);
        all.answered.merge(&seen.answered);
        all.delivered.merge(&seen.delivered);
        all.last_at = all.last_at.max(seen.last_at);
    }
    Ok(Round {
        elapsed: all.last_at.duration_since(measured.begun_at),
        server_cpu: measured.server_cpu,
        client_cpu: measured.client_cpu,
        memory_bytes,
        times: vec![(SENT, all.sent), (ANSWERED, all.answered), (DELIVERED, all.delivered)],
    })
}

/// When entries arrive at a worker.
struct Arrivals {
    to_add: Arc<ToAdd>,
    schedule: Schedule,
    delivered: Rc<RefCell<Times>>,
}

impl Watch for Arrivals {
    fn delivered(&mut self, number: u32) {
        self.delivered.borrow_mut().record(self.schedule.due(number).elapsed());
    }

    fn is_last(&self) -> bool {
        self.to_add.is_done()
    }
}

/// Sends the entries of this connection.
async fn send(client: Client, plan: Plan, to_add: Arc<ToAdd>) -> anyhow::Result<Seen> {
    let schedule = Schedule::of(&client, &plan);
    let (tell, mut due) = mpsc::unbounded_channel();
    let step = u32::try_from(plan.connections).unwrap_or(u32::MAX);
    let first = u32::try_from(client.number).unwrap_or(u32::MAX);
    let pace = move || pace(schedule, first, step, plan.messages, &tell);
    thread::Builder::new().name("pacer".to_owned()).spawn(pace).context("start a thread")?;
    let mut adds = Adds::new(client.key.as_ref(), plan.payload);
    let mut seen = Seen::nothing();
    let answered = Rc::new(RefCell::new(Times::default()));
    let mut under_way: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let mut numbers = Vec::new();
    let unanswered = Rc::new(Cell::new(0));
    let unanswered_max = UNANSWERED_BYTES_MAX / plan.connections / plan.payload.bytes;
    loop {
        if unanswered.get() > unanswered_max.max(plan.pipeline) {
            anyhow::bail!(
                "the server does not keep up with {} entries a second: {} that were sent on one \
                 connection have no answer yet\n  next: take a lower --rate",
                plan.rate,
                unanswered.get()
            );
        }
        tokio::select! {
            biased;
            Some(done) = under_way.join_next() => done.context("a request panicked")??,
            count = due.recv_many(&mut numbers, plan.pipeline) => {
                if count == 0 {
                    break;
                }
                let mut pipeline = Pipeline::with_capacity(count);
                for &number in &numbers {
                    adds.add_to(&mut pipeline, number);
                    seen.sent.record(schedule.due(number).elapsed());
                }
                let numbers = std::mem::take(&mut numbers);
                let (client, to_add) = (client.clone(), Arc::clone(&to_add));
                let (answered, waiting) = (Rc::clone(&answered), Rc::clone(&unanswered));
                waiting.set(waiting.get() + count);
                under_way.spawn_local(async move {
                    let answers = client.query_all(&pipeline).await?;
                    waiting.set(waiting.get() - count);
                    let mut answered = answered.borrow_mut();
                    for number in numbers {
                        answered.record(schedule.due(number).elapsed());
                    }
                    if !answers.iter().all(is_id) {
                        return Err(stream_is_gone());
                    }
                    to_add.answered(answers.len());
                    Ok(())
                });
            }
        }
    }
    while let Some(done) = under_way.join_next().await {
        done.context("a request panicked")??;
    }
    seen.answered = answered.take();
    seen.last_at = Instant::now();
    Ok(seen)
}

/// Says of each number when it is due. A thread of its own, since the timers of a runtime go by
/// whole milliseconds.
fn pace(
    schedule: Schedule,
    first: u32,
    step: u32,
    messages: u32,
    tell: &mpsc::UnboundedSender<u32>,
) {
    // By default the system lets a sleeper sleep for 50 us more.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let mut next = Some(first).filter(|number| *number < messages);
    while let Some(number) = next {
        let due = schedule.due(number);
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.clamp(LEAST_SLEEP, LOOK_INTERVAL));
            if tell.is_closed() {
                return;
            }
        }
        if tell.send(number).is_err() {
            return;
        }
        next = number.checked_add(step).filter(|number| *number < messages);
    }
}
