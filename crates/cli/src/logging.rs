//! Log lines on standard error.

use std::io::IsTerminal as _;
use std::str::FromStr;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line, with `timestamp`, `level` and `fields.message`.
    Json,
}

impl LogFormat {
    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = [Self::Text, Self::Json].into_iter().find(|format| format.word() == text);
        found.ok_or_else(|| format!("'{text}' is none of text, json"))
    }
}

impl std::fmt::Display for LogFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Writes log lines from `level` on; `MILLSTREAM_LOG` overrules it (`debug`, `millstream=trace`).
pub(crate) fn start(level: &str) {
    start_as(level, LogFormat::Text);
}

/// The same in a format.
pub(crate) fn start_as(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_env("MILLSTREAM_LOG").unwrap_or_else(|_| level.into());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(format == LogFormat::Text && std::io::stderr().is_terminal())
        // A line that cannot be written (the disk is full, its reader is gone) would be told on
        // standard error, and a panic if that fails, too.
        .log_internal_errors(false)
        .with_target(false);
    // A second start in one process, as in tests, keeps the first.
    let _ = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
