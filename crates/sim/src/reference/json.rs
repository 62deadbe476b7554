//! The fields of an entry as the JSON of its dead letter, and back. Knows no texts but those that
//! clients here send: ASCII without control characters.

use std::collections::BTreeSet;

use crate::command::Text;

type Pairs = Vec<(Text, Text)>;

/// An object; where a name is there twice, an array of pairs.
pub(super) fn write(pairs: &Pairs) -> Text {
    let names: BTreeSet<_> = pairs.iter().map(|(name, _)| name).collect();
    let is_plain = names.len() == pairs.len();
    let pair = |(name, value): &(Text, Text)| match is_plain {
        true => [string(name), string(value)].join(&b':'),
        false => {
            [b"[".to_vec(), string(name), b",".to_vec(), string(value), b"]".to_vec()].concat()
        }
    };
    let inner = pairs.iter().map(pair).collect::<Vec<_>>().join(&b',');
    let (open, close) = if is_plain { (b'{', b'}') } else { (b'[', b']') };
    [vec![open], inner, vec![close]].concat()
}

fn string(text: &[u8]) -> Text {
    let mut quoted = vec![b'"'];
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    quoted
}

/// Nothing: [`write`] does not make such a text of any entry.
pub(super) fn read(text: &[u8]) -> Option<Pairs> {
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    let mut strings = Vec::new();
    let mut left = inner;
    while let Some(start) = left.iter().position(|&byte| byte == b'"') {
        let mut string = Vec::new();
        let mut at = start + 1;
        loop {
            match *left.get(at)? {
                b'"' => break,
                b'\\' => {
                    at += 1;
                    string.push(*left.get(at)?);
                }
                byte => string.push(byte),
            }
            at += 1;
        }
        strings.push(string);
        left = &left[at + 1..];
    }
    let pairs: Pairs =
        strings.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    (!pairs.is_empty() && write(&pairs) == text).then_some(pairs)
}
