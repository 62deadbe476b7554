//! What a simulation is made of, besides its seed.

use std::collections::BTreeSet;

use millstream_engine::{BlockOptions, LogOptions, Options, Settings};
use millstream_model::{BlockLimits, IdempotenceLimits};

use crate::dice::Dice;

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many steps.
    pub steps: u64,
    /// Steps that are left out: the others are the same as with them.
    pub skipped: BTreeSet<u64>,
    /// Print each step.
    pub prints: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { steps: 1200, skipped: BTreeSet::new(), prints: false }
    }
}

/// Sizes that make new blocks, new batches and new segments common; others at each start.
pub(crate) fn options(dice: &mut Dice) -> Options {
    let mut log = LogOptions::default();
    log.segment_bytes = dice.pick(&[12 << 10, 16 << 10, 32 << 10]);
    log.batch_bytes = dice.pick(&[256, 1 << 10, 4 << 10]);
    log.head_bytes = dice.pick(&[0, 1 << 10, 4 << 10]);
    log.zero_ahead_bytes = dice.pick(&[4 << 10, 16 << 10]);
    log.zero_step_bytes = 4 << 10;
    log.is_zero_filled = !dice.once_in(4);
    log.reserve_bytes = 1 << 10;
    log.recycled_segments_max = dice.index(3);
    log.salt = dice.number();
    let block_limits = BlockLimits {
        bytes_max: dice.pick(&[200, 1000, 4096]),
        entries_max: dice.pick(&[1, 3, 4, 8, 100]),
    };
    // The reference has these.
    let idempotence = IdempotenceLimits { duration_s: 100, per_producer_max: 100 };
    let held_max = dice.pick(&[2, 5, 10_000]);
    let settings = Settings { block_limits, idempotence, held_max, ..Settings::default() };
    let blocks = BlockOptions {
        cache_bytes: dice.pick(&[0, 500, 5_000, 1 << 20]),
        checkpoint_log_bytes: dice.pick(&[1 << 10, 4 << 10, 32 << 10]),
        file_bytes: dice.pick(&[512, 4 << 10, 64 << 10]),
        reserve_bytes: dice.pick(&[0, 4 << 10, 16 << 10]),
    };
    let accepts_damaged = false;
    Options {
        default_policy: millstream_engine::DefaultPolicy::default(),
        settings,
        hash_seed: dice.number(),
        log,
        blocks,
        abort_on_panic: false,
        accepts_damaged,
    }
}
