//! How far groups are with an entry.

use std::ops::Bound;

use futures_util::future::try_join_all;
use millstream::{
    DeadLetter, DeadLetters, EntryId, Error, GroupInfo, Millstream, PendingEntries, PendingEntry,
    StreamManager,
};

/// Letters that are looked at, those of the time of the entry first, and bytes of them.
const LETTERS_MAX: usize = 200;
const LETTERS_AT_ONCE: usize = 20;
const LETTER_BYTES_MAX: usize = 4 << 20;
/// Streams in which letters are looked for.
const PLACES_MAX: usize = 8;

/// How far a group is with an entry.
pub(crate) struct EntryState {
    pub(crate) group: GroupInfo,
    pub(crate) progress: Progress,
}

/// What became of an entry in a group.
pub(crate) enum Progress {
    NotDelivered,
    Pending(PendingEntry),
    /// It was given up: the letter, and the stream that it is in.
    DeadLetter(Vec<u8>, DeadLetter),
    Settled,
    /// It was passed, and nobody has it: either it is settled, or it waits for entries before it,
    /// which nothing tells of a single one.
    SettledOrHeld,
}

impl EntryState {
    /// Whether the group has something of it, be it gone from the stream.
    pub(crate) fn knows_it(&self) -> bool {
        matches!(self.progress, Progress::Pending(_) | Progress::DeadLetter(..))
    }

    pub(crate) fn pending(&self) -> Option<&PendingEntry> {
        match &self.progress {
            Progress::Pending(pending) => Some(pending),
            _ => None,
        }
    }
}

/// Asks for each of these groups of the stream, all at the same time, so that they share round
/// trips.
///
/// # Errors
/// Those of the server.
pub(crate) async fn entry_states(
    millstream: &Millstream,
    stream: &[u8],
    id: EntryId,
    groups: Vec<GroupInfo>,
) -> Result<Vec<EntryState>, Error> {
    let asked = groups.into_iter().map(|group| async move {
        let pending = PendingEntries::new(millstream, stream, &group.name_bytes).with_errors();
        let progress = match pending.find(&[id]).await?.pop() {
            Some(pending) => Progress::Pending(pending),
            None if id > group.last_delivered => Progress::NotDelivered,
            None if group.held > 0 => Progress::SettledOrHeld,
            None => Progress::Settled,
        };
        Ok::<_, Error>(EntryState { group, progress })
    });
    let mut all = try_join_all(asked).await?;
    for (of, letter) in letters(millstream, stream, id, &all).await {
        let state = all.iter_mut().find(|it| it.group.name_bytes == letter.group_bytes);
        if let Some(state) = state
            && state.pending().is_none()
        {
            state.progress = Progress::DeadLetter(of, letter);
        }
    }
    Ok(all)
}

/// What groups gave up of this entry, if it is found without much ado: a letter comes after its
/// entry, and is looked for from there on. Where the letters cannot be read, there are none.
async fn letters(
    millstream: &Millstream,
    stream: &[u8],
    id: EntryId,
    states: &[EntryState],
) -> Vec<(Vec<u8>, DeadLetter)> {
    let mut places: Vec<Vec<u8>> = Vec::new();
    let is_passed =
        |it: &&EntryState| matches!(it.progress, Progress::Settled | Progress::SettledOrHeld);
    for state in states.iter().filter(is_passed) {
        let of = DeadLetters::of_group(millstream, stream, &state.group).stream().to_vec();
        if !places.contains(&of) {
            places.push(of);
        }
    }
    let mut found = Vec::new();
    for place in places.iter().take(PLACES_MAX) {
        if let Ok(letters) = letters_in(millstream, place, id).await {
            let of_stream = letters.into_iter().filter(|letter| letter.stream_bytes == stream);
            found.extend(of_stream.map(|letter| (place.clone(), letter)));
        }
    }
    found
}

/// Entries of any kind may be there: they are read, not searched for letters.
async fn letters_in(
    millstream: &Millstream,
    place: &[u8],
    id: EntryId,
) -> Result<Vec<DeadLetter>, Error> {
    let manager = StreamManager::new(millstream, place);
    let mut from = Bound::Included(EntryId { ms: id.ms, seq: 0 });
    let (mut found, mut bytes) = (Vec::new(), 0);
    for _ in 0..LETTERS_MAX / LETTERS_AT_ONCE {
        let some = manager.entries((from, Bound::Unbounded), LETTERS_AT_ONCE).await?;
        for entry in &some {
            let fields = entry.fields.iter();
            bytes += fields.map(|(name, value)| name.len() + value.len()).sum::<usize>();
            if entry.fields.text("original_id") == Some(&*id.to_string()) {
                found.push(entry.id);
            }
        }
        match some.last() {
            Some(last) if some.len() == LETTERS_AT_ONCE && bytes < LETTER_BYTES_MAX => {
                from = Bound::Excluded(last.id);
            }
            _ => break,
        }
    }
    DeadLetters::new(millstream, place).find(&found).await
}
