//! Whether a server did what it was asked to, each entry once.

use super::plan::Load;
use super::site::Site;

/// # Errors
/// Something is wrong: all of it.
pub(super) fn verdict(site: &Site, load: Load, wrong: &[String]) -> anyhow::Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    Err(anyhow::anyhow!(
        "{} at {} was not exact: {}\n  next: it lost or repeated entries, or somebody else changed \
         the stream; look at its memory (maxmemory-policy), its log, and what is between",
        load.name(),
        site.control.address,
        wrong.join("; ")
    ))
}
