//! Lists, a page at a time.

use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::failure::Failure;
use crate::segments::{parse_segment, segment};

/// Things in one answer at most.
pub(super) const LIMIT_MAX: usize = 1000;

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NextPage {
    /// The `next` of the page before
    pub(super) after: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: Option<usize>,
}

impl NextPage {
    /// What of all is on the page, in the order of their names, which `after` is one of, and the
    /// `next` of it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: the limit is none.
    pub(super) fn by_name<T>(
        &self,
        mut all: Vec<T>,
        name: impl Fn(&T) -> &Bytes,
    ) -> Result<(Vec<T>, Option<String>), Failure> {
        let limit = limit(self.limit)?;
        if let Some(after) = self.after.as_deref().map(parse_segment) {
            all.retain(|one| *name(one) > after);
        }
        all.sort_by(|a, b| name(a).cmp(name(b)));
        let next = page_end(&mut all, limit).map(|last| segment(name(last)));
        Ok((all, next))
    }
}

/// At least 1, and no more than [`LIMIT_MAX`].
pub(super) fn limit(given: Option<usize>) -> Result<usize, Failure> {
    match given {
        None => Ok(100),
        Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
        Some(_) => Err(Failure::Invalid(format!("limit is from 1 to {LIMIT_MAX}"))),
    }
}

/// Leaves a page of what was found, which is one more if there are others: then it returns the last
/// one of the page, behind which the next one begins.
pub(super) fn page_end<T>(found: &mut Vec<T>, limit: usize) -> Option<&T> {
    let has_more = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| has_more)
}
