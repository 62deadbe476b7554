//! What would become of dead letters that are given back, without doing it.

use futures_util::future::join_all;
use millstream::{DeadLetter, DeadLetters, Requeued};
use millstream_shown::visible;

/// Letters of which it is tried out what would become of them.
pub(crate) const TRIED_MAX: usize = 50;

/// What would become of some letters.
#[derive(Debug, Default)]
pub(crate) struct Trial {
    /// Pending in their group again.
    pub(crate) given_back: u64,
    /// Added as new entries, since theirs are gone.
    pub(crate) added_anew: u64,
    /// They would stay as they are.
    pub(crate) failed: u64,
    /// Why, the first of them.
    pub(crate) why: Option<String>,
}

impl Trial {
    /// Of these letters.
    pub(crate) async fn of(letters: &DeadLetters, first: &[DeadLetter]) -> Self {
        let each = first.iter().map(|letter| letters.would_requeue(letter));
        let mut trial = Self::default();
        for became in join_all(each).await {
            match became {
                Ok(Requeued::GivenBack) => trial.given_back += 1,
                Ok(Requeued::AddedAnew) => trial.added_anew += 1,
                Ok(Requeued::NotThere) => {}
                Err(error) => {
                    trial.failed += 1;
                    let why = || visible(error.to_string().as_bytes());
                    trial.why.get_or_insert_with(why);
                }
            }
        }
        trial
    }

    /// For people.
    pub(crate) fn words(&self) -> String {
        let Self { given_back, added_anew, failed, why } = self;
        let mut all = Vec::new();
        if *given_back > 0 {
            all.push(format!("{given_back} would be pending in their group again"));
        }
        if *added_anew > 0 {
            all.push(format!(
                "{added_anew} would be added as new entries, for all groups: their entries are gone"
            ));
        }
        if let Some(why) = why {
            all.push(format!("{failed} would stay: {why}"));
        }
        all.join("; ")
    }
}
