//! Names of any bytes in the path of a page, and back.
//!
//! A name is one segment, percent-encoded. Browsers and routers make something else of a segment
//! that is empty, `.` or `..`, so those have a `~` in front, as has what begins with one.

use std::convert::Infallible;
use std::fmt::Write as _;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bytes::Bytes;
use millstream::EntryId;
use millstream_shown::visible;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// The segments of the path that was asked for, as bytes: `/streams/a%2Fb` has `streams` and `a/b`.
#[derive(Clone, Debug)]
pub(crate) struct Segments(Vec<Bytes>);

impl Segments {
    fn of(path: &str) -> Self {
        Self(path.trim_start_matches('/').split('/').map(parse_segment).collect())
    }

    /// The segment at that place, the first being 0; empty where there is none.
    pub(crate) fn at(&self, place: usize) -> Bytes {
        self.0.get(place).cloned().unwrap_or_default()
    }

    /// The name behind a segment that says what it is: `after("streams")`.
    pub(crate) fn after(&self, what: &str) -> Bytes {
        // Each name follows its kind, so a stream that is called `groups` is no kind.
        let mut pairs = self.0.chunks(2);
        let found = pairs.find(|pair| pair[0] == what);
        found.and_then(|pair| pair.get(1)).cloned().unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for Segments {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.path()))
    }
}

/// The name that a segment stands for.
pub(crate) fn parse_segment(segment: &str) -> Bytes {
    let bytes = Bytes::from(percent_decode_str(segment).collect::<Vec<u8>>());
    if bytes.first() == Some(&b'~') { bytes.slice(1..) } else { bytes }
}

/// A name as one segment.
pub(crate) fn segment(name: &[u8]) -> String {
    let is_special = matches!(name, b"" | b"." | b"..") || name.first() == Some(&b'~');
    let mut text = String::new();
    if is_special {
        text.push('~');
    }
    let _ = write!(text, "{}", percent_encode(name, NON_ALPHANUMERIC));
    text
}

/// Where the page of a stream is.
pub(crate) fn stream_path(stream: &[u8]) -> String {
    format!("/streams/{}", segment(stream))
}

/// Where the page of a group is.
pub(crate) fn group_path(stream: &[u8], group: &[u8]) -> String {
    format!("{}/groups/{}", stream_path(stream), segment(group))
}

/// Where the page of an entry is.
pub(crate) fn entry_path(stream: &[u8], id: EntryId) -> String {
    format!("{}/entries/{id}", stream_path(stream))
}

/// A name as a value in the query of a path: as it is shown, with escapes, so that people can write
/// it, too.
pub(crate) fn query_name(name: &[u8]) -> String {
    query_text(&visible(name))
}

/// Any text as a value there.
pub(crate) fn query_text(text: &str) -> String {
    percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string()
}

/// Where the page of the letters in a stream of dead letters is.
pub(crate) fn letters_path(letters: &[u8]) -> String {
    format!("/dead-letters/{}", segment(letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_bytes_come_back_from_a_path() {
        for name in
            [&b""[..], b".", b"..", b"~", b"~a", b"a/b", b"a b?c#d", b"\xff\0", "ä".as_bytes()]
        {
            let path = group_path(name, name);
            let segments = Segments::of(&path);
            assert_eq!(segments.0.len(), 4, "{path}");
            assert_eq!((&segments.0[1][..], &segments.0[3][..]), (name, name), "{path}");
        }
        let segments = Segments::of("/streams/groups/groups/x");
        assert_eq!(
            (segments.after("streams"), segments.after("groups")),
            ("groups".into(), "x".into())
        );
    }
}
