//! Letters a page at a time: a bounded piece of their stream for each, however few pass a filter.

use redis::cmd;

use super::{DeadLetter, DeadLetters, LetterFilter, parse_letter};
use crate::reply::NotUnderstood;
use crate::{EntryId, Error, Fields, reply};

/// Entries that are read in one round trip, the first time and at most: letters are of any size.
const FIRST_PIECE: usize = 10;
const PIECE_MAX: usize = 100;
/// Bytes that a round trip is to bring, by what those before it brought.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes of entries after which a page ends.
const PAGE_BYTES: usize = 8 << 20;

/// Some letters, and where to go on.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LetterPage {
    /// Those that pass the filter.
    pub letters: Vec<DeadLetter>,
    /// The last entry that counts as looked at, behind which to go on; `None`: all were.
    pub next: Option<EntryId>,
}

#[derive(Clone, Copy)]
enum Order {
    OldestFirst,
    NewestFirst,
}

impl DeadLetters {
    /// Letters that pass a filter, oldest first, after that one (`None`: from the first on): at
    /// most so many, of at most about so many entries and 8 MiB that are looked at. So a page costs
    /// the same in a stream of any length, and may be short or empty though there are others behind
    /// it.
    ///
    /// # Errors
    /// Those of the server: `WRONGTYPE` if the key is no stream.
    pub async fn oldest_like(
        &self,
        filter: &LetterFilter,
        after: Option<EntryId>,
        count: usize,
        looked_at_max: usize,
    ) -> Result<LetterPage, Error> {
        self.page(Order::OldestFirst, filter, after, count, looked_at_max).await
    }

    /// The same, newest first, before that one (`None`: from the last on).
    ///
    /// # Errors
    /// As those of [`Self::oldest_like`].
    pub async fn newest_like(
        &self,
        filter: &LetterFilter,
        before: Option<EntryId>,
        count: usize,
        looked_at_max: usize,
    ) -> Result<LetterPage, Error> {
        self.page(Order::NewestFirst, filter, before, count, looked_at_max).await
    }

    async fn page(
        &self,
        order: Order,
        filter: &LetterFilter,
        behind: Option<EntryId>,
        count: usize,
        looked_at_max: usize,
    ) -> Result<LetterPage, Error> {
        let last = self.last_old_enough(filter).await?;
        let mut page = LetterPage::default();
        let (mut behind, mut left) = (behind, looked_at_max.max(1));
        let (mut piece, mut bytes) = (FIRST_PIECE, 0);
        loop {
            // One more than there is room for says whether there are others.
            let wanted = if filter.is_any() { count - page.letters.len() + 1 } else { piece };
            let wanted = wanted.min(left).min(piece);
            let mut command = match order {
                Order::OldestFirst => cmd("XRANGE"),
                Order::NewestFirst => cmd("XREVRANGE"),
            };
            command.arg(&self.stream[..]);
            match (order, behind) {
                (Order::OldestFirst, None) => command.arg(&["-", &last]),
                (Order::OldestFirst, Some(id)) => command.arg(&[&*format!("({id}"), &last]),
                (Order::NewestFirst, None) => command.arg(&[&*last, "-"]),
                (Order::NewestFirst, Some(id)) => match last.parse::<u64>() {
                    Ok(ms) if ms < id.ms => command.arg(&[&*last, "-"]),
                    _ => command.arg(&[&*format!("({id}"), "-"]),
                },
            };
            command.arg("COUNT").arg(wanted);
            let answer = self.millstream.run(&command).await?;
            let entries = reply::entries(answer).map_err(NotUnderstood::of("XRANGE"))?;
            left -= entries.len().min(left);
            let is_all = entries.len() < wanted;
            let fields = entries.iter().filter_map(|entry| entry.fields.as_ref());
            let pairs = fields.flat_map(Fields::iter);
            let read = pairs.map(|(name, value)| name.len() + value.len()).sum::<usize>();
            bytes += read;
            piece = (PIECE_BYTES / (read / entries.len().max(1)).max(1)).clamp(1, PIECE_MAX);
            for entry in entries {
                let id = entry.id;
                if let Some(letter) = parse_letter(entry).filter(|letter| filter.fits(letter)) {
                    if page.letters.len() == count {
                        page.next = behind;
                        return Ok(page);
                    }
                    page.letters.push(letter);
                }
                behind = Some(id);
            }
            if is_all || left == 0 || bytes >= PAGE_BYTES {
                page.next = behind.filter(|_| !is_all);
                return Ok(page);
            }
        }
    }
}
