//! Shows how far it is: on a terminal, unless the lines are typed on one.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::byte_bar::byte_bar;
use crate::output::entries;

const TICK: Duration = Duration::from_millis(200);

pub(super) enum Progress {
    /// Of a file whose length is known.
    Bytes(ProgressBar),
    Count(ProgressBar),
    Nothing,
}

impl Progress {
    pub(super) fn start(bytes: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() || (bytes.is_none() && std::io::stdin().is_terminal()) {
            return Self::Nothing;
        }
        match bytes {
            Some(bytes) => Self::Bytes(byte_bar("0 entries", bytes)),
            None => {
                let template = "{spinner} {human_pos} entries, {rate}/s, {elapsed}";
                let style = ProgressStyle::with_template(template);
                let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                    _ = write!(out, "{:.0}", state.per_sec());
                };
                let bar = ProgressBar::new_spinner();
                bar.set_style(style.expect("the template is right").with_key("rate", rate));
                bar.enable_steady_tick(TICK);
                Self::Count(bar)
            }
        }
    }

    /// So many entries were added or passed over, which end at this byte.
    pub(super) fn update(&self, count: u64, bytes: u64) {
        match self {
            Self::Bytes(bar) => {
                bar.set_position(bytes);
                bar.set_message(entries(count));
            }
            Self::Count(bar) => bar.set_position(count),
            Self::Nothing => {}
        }
    }

    /// Says something above it.
    pub(super) fn notice(&self, text: &str) {
        let say = || crate::output::notice(text);
        match self {
            Self::Bytes(bar) | Self::Count(bar) => bar.suspend(say),
            Self::Nothing => say(),
        }
    }
}

impl Drop for Progress {
    /// What came of it is said next.
    fn drop(&mut self) {
        if let Self::Bytes(bar) | Self::Count(bar) = self {
            bar.finish_and_clear();
        }
    }
}
