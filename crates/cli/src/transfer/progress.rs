//! A progress bar over entries; invisible where nobody looks.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use millstream::{CopyPhase, CopyProgress};

/// Shows how far the copy of one stream is.
pub(super) struct Progress {
    bar: ProgressBar,
    what: String,
    phase: Option<CopyPhase>,
}

impl Progress {
    /// Of a stream, the so-manieth of so many.
    pub(super) fn new(stream: &str, number: usize, count: usize) -> Self {
        let bar = ProgressBar::new(0);
        let template = "{msg} {wide_bar} {human_pos}/{human_len} {rate} {eta}";
        let style = ProgressStyle::with_template(template).expect("the template is right");
        bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            // A writer of texts that are kept in memory does not fail.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        }));
        bar.enable_steady_tick(Duration::from_millis(200));
        // A long key would leave no room for the bar.
        let mut what: String = stream.chars().take(30).collect();
        if count > 1 {
            what = format!("{number}/{count} {what}");
        }
        Self { bar, what, phase: None }
    }

    pub(super) fn show(&mut self, progress: CopyProgress) {
        if self.phase != Some(progress.phase) {
            self.phase = Some(progress.phase);
            self.bar.reset();
            let does = match progress.phase {
                CopyPhase::Copying => "copying",
                CopyPhase::Verifying => "verifying",
            };
            self.bar.set_message(format!("{does} {}", self.what));
        }
        self.bar.set_length(progress.entries_total);
        self.bar.set_position(progress.entries);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
