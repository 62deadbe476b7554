//! Shows how far the run is: a bar on a terminal, a line now and then elsewhere. Writes to stderr.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ledger::Totals;
use crate::output::notice_line;

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Progress of one run.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    orders: u64,
    last_line_at: Option<Instant>,
}

impl Progress {
    /// Starts at none of `orders`.
    pub(super) fn start(orders: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{elapsed:>4} [{bar:30}] {pos}/{len} {msg}")
                .expect("the template is constant and valid");
            let target = ProgressDrawTarget::stderr();
            ProgressBar::with_draw_target(Some(orders), target).with_style(style)
        });
        Self { bar, orders, last_line_at: None }
    }

    /// Shows new numbers; `pending` comes from the server.
    pub(super) fn update(&mut self, totals: Totals, pending: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(totals.settled());
                bar.set_message(describe(totals, pending));
            }
            None if self.last_line_at.is_none_or(|at| at.elapsed() >= LINE_INTERVAL) => {
                self.last_line_at = Some(Instant::now());
                self.print_line(totals, pending);
            }
            None => {}
        }
    }

    /// Shows the last numbers and leaves them on the screen.
    pub(super) fn finish(self, totals: Totals, pending: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(totals.settled());
                bar.abandon_with_message(describe(totals, pending));
            }
            None => self.print_line(totals, pending),
        }
    }

    /// Tells of an event without disturbing the bar.
    pub(super) fn tell(&self, event: &str) {
        match &self.bar {
            Some(bar) => bar.println(event),
            None => notice_line(event),
        }
    }

    fn print_line(&self, totals: Totals, pending: u64) {
        let (settled, told) = (totals.settled(), describe(totals, pending));
        notice_line(&format!("{settled}/{} orders: {told}", self.orders));
    }
}

fn describe(totals: Totals, pending: u64) -> String {
    let Totals { processed, dead_lettered, .. } = totals;
    format!("processed {processed}, dead-lettered {dead_lettered}, pending {pending}")
}
