//! Many changes, one by one: not more than so many in a second, and seen on a terminal.

use std::num::NonZeroU32;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// A pace, or none.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: Option<NonZeroU32>,
    /// Invisible where nobody looks, and gone with this.
    bar: ProgressBar,
    begun: Instant,
    count: u64,
}

impl Pace {
    /// With what is done, as in "deleted 17".
    pub(crate) fn new(per_second: Option<NonZeroU32>, what: &'static str) -> Self {
        let bar = ProgressBar::no_length().with_message(what);
        let template = ProgressStyle::with_template("{msg} {human_pos} in {elapsed}");
        bar.set_style(template.expect("the template is right"));
        Self { per_second, bar, begun: Instant::now(), count: 0 }
    }

    /// Changes all of these in their order, as many at the same time as the pace allows, so that
    /// they share round trips and syncs. What comes of each is noted in their order, too; if that
    /// fails, what was not begun is left.
    ///
    /// # Errors
    /// The first one of those that were begun at the same time.
    pub(crate) async fn change_each<T, F, E>(
        &mut self,
        all: Vec<T>,
        change: impl Fn(T) -> F,
        mut note: impl FnMut(F::Output) -> Result<(), E>,
    ) -> Result<(), E>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let mut all = all.into_iter();
        while all.len() > 0 {
            let turns = self.turns(all.len()).await;
            let mut running = JoinSet::new();
            for (index, one) in all.by_ref().take(turns).enumerate() {
                let changing = change(one);
                running.spawn(async move { (index, changing.await) });
            }
            let mut done = running.join_all().await;
            done.sort_by_key(|(index, _)| *index);
            self.bar.inc(done.len() as u64);
            // All of them were done, so all are noted.
            let mut first_error = None;
            for (_, outcome) in done {
                if let Err(error) = note(outcome) {
                    _ = first_error.get_or_insert(error);
                }
            }
            if let Some(error) = first_error {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Waits until at least one may be done, and returns how many, which are taken for done: `most`
    /// at most, 1 at least.
    async fn turns(&mut self, most: usize) -> usize {
        let Some(per_second) = self.per_second else { return most };
        let per_second = per_second.get().into();
        sleep_until(self.next(per_second)).await;
        self.take(per_second, Instant::now(), most)
    }

    /// When the next one may be done. Timers are no finer than a millisecond, so turns are reckoned
    /// from the beginning.
    fn next(&self, per_second: u64) -> Instant {
        self.begun + time_for(self.count, per_second)
    }

    fn take(&mut self, per_second: u64, now: Instant, most: usize) -> usize {
        // What took long is not made up for by a rush: a tenth of a second's turns at most.
        let rush = (per_second / 10).max(1);
        let since = now.saturating_duration_since(self.begun);
        let earned = since.as_nanos() * u128::from(per_second) / 1_000_000_000 + 1;
        let mut open = u64::try_from(earned).unwrap_or(u64::MAX).saturating_sub(self.count).max(1);
        if open > rush {
            (self.begun, self.count) = (now - time_for(rush - 1, per_second), 0);
            open = rush;
        }
        let turns = usize::try_from(open).unwrap_or(usize::MAX).min(most);
        self.count += turns as u64;
        turns
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn time_for(count: u64, per_second: u64) -> Duration {
    let nanoseconds = u128::from(count) * 1_000_000_000 / u128::from(per_second);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Turns until then, taken as soon as they are there. Returns how many, and when it ended.
    fn turns(pace: &mut Pace, per_second: u64, mut now: Instant, end: Instant) -> (u64, Instant) {
        let mut turns = 0;
        while now <= end {
            if now >= pace.next(per_second) {
                turns += pace.take(per_second, now, 100) as u64;
            } else {
                now += MS;
            }
        }
        (turns, now)
    }

    #[test]
    fn no_more_than_so_many_are_done_in_a_second() {
        for per_second in [1, 3, 100, 50_000] {
            let mut pace = Pace::new(NonZeroU32::new(per_second), "done");
            let per_second = per_second.into();
            let begun = pace.begun;
            let end = begun + Duration::from_secs(4);
            let (first, now) = turns(&mut pace, per_second, begun, end);
            let wanted = per_second * 4;
            let about = wanted - wanted / 100..=wanted + wanted / 100 + 1;
            assert!(about.contains(&first), "{first} at {per_second}");
            // What took long is not made up for.
            let later = now + Duration::from_secs(100);
            let (then, _) = turns(&mut pace, per_second, later, later + Duration::from_secs(1));
            assert!(then <= per_second + per_second / 10 + 1, "{then} at {per_second}");
        }
    }
}
