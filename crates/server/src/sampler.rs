//! What is true of the last moments only: rates, and the largest buffers.
//!
//! Ten times a second the control thread looks at the counters, as Redis does. A look adds up three
//! counters of each worker; clients are looked at once a second. While nothing happens, one look a
//! second is enough.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::shared::Shared;

const INTERVAL: Duration = Duration::from_millis(100);
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// Samples that a rate is the mean of.
const RATE_SAMPLES: usize = 16;
/// Seconds for which a large buffer is remembered.
const PEAK_SECONDS: usize = 8;

/// Per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    pub(crate) commands: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
}

/// The largest buffers of any client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BufferPeaks {
    pub(crate) input: usize,
    pub(crate) output: usize,
}

/// The last samples.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    rates: Mutex<[Rates; RATE_SAMPLES]>,
    peaks: Mutex<[BufferPeaks; PEAK_SECONDS]>,
}

impl Sampler {
    /// The mean of the last samples.
    pub(crate) fn rates(&self) -> Rates {
        let samples = *self.rates.lock();
        let mean =
            |field: fn(&Rates) -> u64| samples.iter().map(field).sum::<u64>() / RATE_SAMPLES as u64;
        Rates {
            commands: mean(|rates| rates.commands),
            input_bytes: mean(|rates| rates.input_bytes),
            output_bytes: mean(|rates| rates.output_bytes),
        }
    }

    pub(crate) fn buffer_peaks(&self) -> BufferPeaks {
        let peaks = *self.peaks.lock();
        let largest = |field: fn(&BufferPeaks) -> usize| peaks.iter().map(field).max();
        BufferPeaks {
            input: largest(|peak| peak.input).unwrap_or_default(),
            output: largest(|peak| peak.output).unwrap_or_default(),
        }
    }
}

/// Looks until it is dropped.
pub(crate) async fn run(shared: std::sync::Arc<Shared>) {
    let mut before = totals(&shared);
    let mut since = Instant::now();
    let mut clients_due = since;
    let mut quiet_looks = 0;
    for look in 0.. {
        let is_idle = quiet_looks >= RATE_SAMPLES;
        tokio::time::sleep(if is_idle { IDLE_INTERVAL } else { INTERVAL }).await;
        let (now, elapsed) = (totals(&shared), since.elapsed());
        since += elapsed;
        shared.sampler.rates.lock()[look % RATE_SAMPLES] = rates(before, now, elapsed);
        quiet_looks = if now == before { quiet_looks + 1 } else { 0 };
        before = now;
        if since >= clients_due {
            clients_due = since + Duration::from_secs(1);
            let mut peaks = shared.sampler.peaks.lock();
            peaks.rotate_right(1);
            peaks[0] = largest_buffers(&shared);
        }
    }
}

/// The counters that rates are made of.
fn totals(shared: &Shared) -> Rates {
    let mut sum = Rates::default();
    for worker in &shared.workers {
        sum.commands += worker.counters.commands.get();
        sum.input_bytes += worker.counters.input_bytes.get();
        sum.output_bytes += worker.counters.output_bytes.get();
    }
    sum
}

fn rates(before: Rates, now: Rates, elapsed: Duration) -> Rates {
    let milliseconds = (elapsed.as_millis() as u64).max(1);
    // After CONFIG RESETSTAT there is less than before.
    let rate = |before: u64, now: u64| now.saturating_sub(before) * 1000 / milliseconds;
    Rates {
        commands: rate(before.commands, now.commands),
        input_bytes: rate(before.input_bytes, now.input_bytes),
        output_bytes: rate(before.output_bytes, now.output_bytes),
    }
}

fn largest_buffers(shared: &Shared) -> BufferPeaks {
    shared.clients.all().iter().fold(BufferPeaks::default(), |peaks, client| BufferPeaks {
        input: peaks.input.max(client.facts.lock().input_buffered),
        output: peaks.output.max(client.output_buffered.load(Ordering::Relaxed)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_was_added_per_second() {
        let before = Rates { commands: 100, input_bytes: 500, output_bytes: 0 };
        let now = Rates { commands: 150, input_bytes: 0, output_bytes: 70 };
        let expected = Rates { commands: 500, input_bytes: 0, output_bytes: 700 };
        assert_eq!(rates(before, now, Duration::from_millis(100)), expected);
    }

    #[test]
    fn a_rate_is_the_mean_of_all_samples() {
        let sampler = Sampler::default();
        sampler.rates.lock()[3].commands = 1600;
        assert_eq!(sampler.rates().commands, 100);
        sampler.peaks.lock()[1].output = 7;
        assert_eq!(sampler.buffer_peaks(), BufferPeaks { input: 0, output: 7 });
    }
}
