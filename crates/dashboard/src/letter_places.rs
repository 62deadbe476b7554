//! Streams of dead letters that the dashboard knows of.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use millstream::EntryId;

use crate::history::{StreamNow, letter_streams};

/// A stream of letters, and whose they are.
pub(crate) struct LetterPlace {
    pub(crate) key: Bytes,
    /// `None`: it was not looked at yet, or is not there.
    pub(crate) length: Option<u64>,
    pub(crate) newest: Option<EntryId>,
    /// Groups by whose policies letters go there.
    pub(crate) groups: Vec<(Bytes, Bytes)>,
    /// By its name, as the toolkit gives it.
    pub(crate) stream: Option<Bytes>,
}

/// By name, and by the policies of groups.
pub(crate) fn letter_places(streams: &[StreamNow]) -> Vec<LetterPlace> {
    let mut owners: BTreeMap<Bytes, Vec<(Bytes, Bytes)>> = BTreeMap::new();
    for stream in streams {
        for group in &stream.groups {
            let policy = group.info.managed.as_ref().map(|managed| &managed.policy);
            if let Some(target) = policy.and_then(|policy| policy.dead_letters.as_ref()) {
                let owner = (stream.name.clone(), group.info.name_bytes.clone());
                owners.entry(Bytes::from(target.clone())).or_default().push(owner);
            }
        }
    }
    let known: BTreeMap<&Bytes, &StreamNow> = streams.iter().map(|it| (&it.name, it)).collect();
    let keys: BTreeSet<Bytes> = letter_streams(streams.iter()).into_iter().collect();
    let place = |key: Bytes| LetterPlace {
        length: known.get(&key).map(|stream| stream.info.length),
        newest: known.get(&key).and_then(|stream| stream.info.last),
        groups: owners.remove(&key).unwrap_or_default(),
        stream: stream_of(&key).filter(|stream| known.contains_key(stream)),
        key,
    };
    keys.into_iter().map(place).collect()
}

/// `orders` of `orders:dlq` and `{orders}:dlq`.
fn stream_of(letters: &Bytes) -> Option<Bytes> {
    let name = letters.strip_suffix(b":dlq")?;
    let inside = name.strip_prefix(b"{").and_then(|name| name.strip_suffix(b"}"));
    Some(letters.slice_ref(inside.unwrap_or(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_the_name_of_their_stream() {
        for (letters, stream) in [
            ("orders:dlq", Some("orders")),
            ("{orders}:dlq", Some("orders")),
            ("{orders:3}:dlq", Some("orders:3")),
            ("{eu}orders:dlq", Some("{eu}orders")),
            (":dlq", Some("")),
            ("failed", None),
        ] {
            let found = stream_of(&Bytes::from(letters));
            assert_eq!(found, stream.map(Bytes::from), "{letters}");
        }
    }
}
