//! Waiting for servers to agree.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// How long anything may take that servers have to agree on.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks again and again until something is so. An error is one more reason to wait: a server that
/// does not answer may do so later.
///
/// # Errors
/// When it takes longer than a minute; with what was seen last.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = is_so();
        if matches!(seen, Ok(true)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "still not so: {what}; {seen:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
