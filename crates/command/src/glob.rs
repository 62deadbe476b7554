//! Matching of names against patterns of the kind shells have, on bytes.
//!
//! `?` is any byte, `*` any run of bytes, `[a-c]` one of a set, `[^a-c]` one outside it, `\x` is
//! `x` itself. Every sequence of bytes is a pattern: a set without its `]` ends with the pattern,
//! and the byte after a `-` within a set is the end of a range even if it is `]`.
//!
//! Never allocates or recurses; takes at most about `pattern.len() * text.len()` steps, whatever
//! the pattern, because only the last `*` passed is ever tried again. Tests in `glob/tests.rs`.

/// Whether the whole text matches the pattern.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_by::<false>(pattern, text)
}

/// Whether the whole text matches the pattern, ASCII letters of both cases being equal.
#[must_use]
pub fn matches_nocase(pattern: &[u8], text: &[u8]) -> bool {
    matches_by::<true>(pattern, text)
}

/// Where to go on when what follows the last `*` does not match after all.
struct Retry {
    pattern_at: usize,
    text_at: usize,
}

fn matches_by<const NOCASE: bool>(pattern: &[u8], text: &[u8]) -> bool {
    if pattern == b"*" {
        return true;
    }
    if text.is_empty() {
        // Redis finds nothing in an empty name, `**` included.
        return pattern.is_empty();
    }
    let (mut pattern_at, mut text_at) = (0, 0);
    let mut retry: Option<Retry> = None;
    while let Some(&byte) = text.get(text_at) {
        if pattern.get(pattern_at) == Some(&b'*') {
            pattern_at += 1;
            retry = Some(Retry { pattern_at, text_at });
            continue;
        }
        if let Some(rest) = pattern.get(pattern_at..).filter(|rest| !rest.is_empty()) {
            let (hit, used) = match_one::<NOCASE>(rest, byte);
            if hit {
                pattern_at += used;
                text_at += 1;
                continue;
            }
        }
        let Some(last) = &mut retry else { return false };
        last.text_at += 1;
        (pattern_at, text_at) = (last.pattern_at, last.text_at);
    }
    pattern[pattern_at..].iter().all(|byte| *byte == b'*')
}

/// Matches a byte against the first element of a pattern: whether it fits, and the element's size.
fn match_one<const NOCASE: bool>(pattern: &[u8], byte: u8) -> (bool, usize) {
    match pattern {
        [b'?', ..] => (true, 1),
        [b'[', b'^', set @ ..] => {
            let (hit, used) = match_set::<NOCASE>(set, byte);
            (!hit, used + 2)
        }
        [b'[', set @ ..] => {
            let (hit, used) = match_set::<NOCASE>(set, byte);
            (hit, used + 1)
        }
        [b'\\', literal, ..] => (equal::<NOCASE>(*literal, byte), 2),
        [literal, ..] => (equal::<NOCASE>(*literal, byte), 1),
        [] => (false, 0),
    }
}

/// Matches one byte against the inside of a set; the length includes the closing bracket if any.
fn match_set<const NOCASE: bool>(set: &[u8], byte: u8) -> (bool, usize) {
    let (mut hit, mut at) = (false, 0);
    loop {
        match &set[at..] {
            [] => return (hit, at),
            [b'\\', literal, ..] => {
                // An escaped member keeps its case even when the rest does not.
                hit |= *literal == byte;
                at += 2;
            }
            [b']', ..] => return (hit, at + 1),
            [one, b'-', other, ..] => {
                let (low, high) = (*one.min(other), *one.max(other));
                let (low, high) = (fold::<NOCASE>(low), fold::<NOCASE>(high));
                hit |= (low..=high).contains(&fold::<NOCASE>(byte));
                at += 3;
            }
            [literal, ..] => {
                hit |= equal::<NOCASE>(*literal, byte);
                at += 1;
            }
        }
    }
}

fn equal<const NOCASE: bool>(one: u8, other: u8) -> bool {
    fold::<NOCASE>(one) == fold::<NOCASE>(other)
}

fn fold<const NOCASE: bool>(byte: u8) -> u8 {
    if NOCASE { byte.to_ascii_lowercase() } else { byte }
}

#[cfg(test)]
mod tests;
