//! The trimming options that XADD and XTRIM share.

use millstream_engine::Settings;
use millstream_model::{References, TrimBy, TrimOptions};

use crate::options::{Options, id};
use crate::refusal::Refusal;

/// Trims more than this at once only when told to.
const DEFAULT_LIMIT_MAX: u64 = 1_000_000;
const DEFAULT_LIMIT_WITHOUT_NODES: u64 = 10_000;

#[derive(Default)]
pub(super) struct TrimGrammar {
    by: Option<TrimBy>,
    approximate: bool,
    limit: Option<u64>,
    references: Option<References>,
}

impl TrimGrammar {
    /// Takes one option if the next argument starts one. What is not recognised is left to the
    /// caller.
    pub(super) fn take(&mut self, options: &mut Options<'_>) -> Result<bool, Refusal> {
        if options.take_word("MAXLEN", 1) {
            self.sign(options)?;
            let keep = options.integer()?;
            let keep = u64::try_from(keep)
                .map_err(|_| Refusal::text("ERR The MAXLEN argument must be >= 0."))?;
            self.by = Some(TrimBy::MaxLen(keep));
        } else if options.take_word("MINID", 1) {
            self.sign(options)?;
            self.by = Some(TrimBy::MinId(id(options.value())?));
        } else if options.take_word("LIMIT", 1) {
            let limit = options.integer()?;
            self.limit = Some(
                u64::try_from(limit)
                    .map_err(|_| Refusal::text("ERR The LIMIT argument must be >= 0."))?,
            );
        } else if self.references.is_none() {
            self.references = take_references(options);
            return Ok(self.references.is_some());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn sign(&mut self, options: &mut Options<'_>) -> Result<(), Refusal> {
        if self.by.is_some() {
            return Err(Refusal::text(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        if options.take_word("~", 1) {
            self.approximate = true;
        } else {
            options.take_word("=", 1);
        }
        Ok(())
    }

    /// What all options together come to; `None` without a bound. `needs_bound`: XTRIM's refusal.
    pub(super) fn finish(
        &self,
        settings: impl FnOnce() -> Settings,
        needs_bound: bool,
    ) -> Result<Option<TrimOptions>, Refusal> {
        if self.by.is_none() && self.limit.is_some_and(|limit| limit != 0) {
            return Err(Refusal::text(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.by.is_none() && needs_bound {
            return Err(Refusal::text(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        if self.limit.is_some() && !self.approximate {
            return Err(Refusal::text(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        let Some(by) = self.by else { return Ok(None) };
        let limit = match self.limit {
            Some(limit) => Some(limit).filter(|limit| *limit != 0),
            None if self.approximate => Some(default_limit(settings())),
            None => None,
        };
        let references = self.references.unwrap_or_default();
        Ok(Some(TrimOptions { by, approximate: self.approximate, limit, references }))
    }
}

fn default_limit(settings: Settings) -> u64 {
    match settings.block_limits.entries_max.saturating_mul(100) {
        0 => DEFAULT_LIMIT_WITHOUT_NODES,
        limit => limit.min(DEFAULT_LIMIT_MAX),
    }
}

/// KEEPREF, DELREF or ACKED, if that comes next.
pub(super) fn take_references(options: &mut Options<'_>) -> Option<References> {
    if options.take_word("KEEPREF", 0) {
        Some(References::Keep)
    } else if options.take_word("DELREF", 0) {
        Some(References::Delete)
    } else if options.take_word("ACKED", 0) {
        Some(References::Acked)
    } else {
        None
    }
}
