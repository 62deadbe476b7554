//! The queue of spans, and the thread that sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use millstream_server::{CommandSpan, SpanSink};

use super::collector::Collector;
use super::ended_span::EndedSpan;

/// Spans that wait at most; of some 400 bytes each, with a key of the longest kind.
const WAITING_MAX: usize = 2048;
/// Spans of one request.
const AT_ONCE: usize = 512;
/// After so long those that wait are sent, however few they are.
const INTERVAL: Duration = Duration::from_secs(5);

enum Told {
    Span(EndedSpan),
    End,
}

/// Takes spans of the server.
#[derive(Debug)]
pub(super) struct Sink {
    queue: SyncSender<Told>,
    dropped: Arc<AtomicU64>,
}

/// What is left to send when the server ends is sent when this is dropped.
#[derive(Debug)]
pub(crate) struct RunningOtlp {
    queue: SyncSender<Told>,
    thread: Option<JoinHandle<()>>,
}

/// # Errors
/// There is no thread.
pub(super) fn start(collector: Collector) -> anyhow::Result<(Sink, RunningOtlp)> {
    let (queue, waiting) = sync_channel(WAITING_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let sink = Sink { queue: queue.clone(), dropped: Arc::clone(&dropped) };
    let named = thread::Builder::new().name("millstream-otlp".to_owned());
    let thread = named.spawn(move || send_all(&collector, &waiting, &dropped));
    let thread = Some(thread.context("send spans")?);
    Ok((sink, RunningOtlp { queue, thread }))
}

impl SpanSink for Sink {
    fn take(&self, span: CommandSpan<'_>) {
        if self.queue.try_send(Told::Span(EndedSpan::new(span))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for RunningOtlp {
    fn drop(&mut self) {
        // Waits for room, which the thread makes.
        let _ = self.queue.send(Told::End);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn send_all(collector: &Collector, waiting: &Receiver<Told>, dropped: &AtomicU64) {
    let mut spans = Vec::with_capacity(AT_ONCE);
    let mut was_sent = true;
    loop {
        let is_end = gather(waiting, &mut spans);
        if !spans.is_empty() {
            let sent = collector.send(&spans);
            // Told when it begins and when it ends: it may stay so for days.
            match &sent {
                Err(error) if was_sent => {
                    tracing::warn!("spans are not sent, and lost: {error}");
                }
                Ok(()) if !was_sent => tracing::info!("spans are sent again"),
                _ => {}
            }
            was_sent = sent.is_ok();
            spans.clear();
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 && was_sent {
            tracing::warn!("{lost} spans had no room, and were not sent");
        }
        if is_end {
            return;
        }
    }
}

/// Until there are enough, or it is time. Returns whether no more will come.
fn gather(waiting: &Receiver<Told>, spans: &mut Vec<EndedSpan>) -> bool {
    let due = Instant::now() + INTERVAL;
    while spans.len() < AT_ONCE {
        match waiting.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(Told::Span(span)) => spans.push(span),
            Ok(Told::End) | Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
    false
}
