//! Patterns of names as KEYS understands them: `orders:*`, `?`, `[a-z]`, `[^0-9]`, `\*`.

pub(super) fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on if what follows the last star does not fit: one byte later.
    let mut retry: Option<(&[u8], &[u8])> = None;
    let (mut pattern, mut name) = (pattern, name);
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            retry = Some((pattern, name));
            continue;
        }
        let step = name.split_first().and_then(|(byte, behind)| {
            let rest = one(pattern, *byte)?;
            Some((rest, behind))
        });
        if let Some(next) = step {
            (pattern, name) = next;
            continue;
        }
        if pattern.is_empty() && name.is_empty() {
            return true;
        }
        let Some((from, [_, later @ ..])) = retry else { return false };
        (pattern, name) = (from, later);
        retry = Some((from, later));
    }
}

/// What is left of a pattern whose first part stands for this byte.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (rest, is_match) = match pattern {
        [] => return None,
        [b'?', rest @ ..] => (rest, true),
        [b'[', set @ ..] => within(set, byte),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (rest, *literal == byte),
    };
    is_match.then_some(rest)
}

/// What is behind a set, and whether the byte is in it.
fn within(set: &[u8], byte: u8) -> (&[u8], bool) {
    let (mut rest, is_negated) = match set {
        [b'^', rest @ ..] => (rest, true),
        _ => (set, false),
    };
    let mut is_in = false;
    loop {
        let (low, high);
        (low, high, rest) = match rest {
            [] => return (&[], is_in != is_negated),
            [b']', rest @ ..] => return (rest, is_in != is_negated),
            [b'\\', literal, rest @ ..] => (*literal, *literal, rest),
            [low, b'-', high, rest @ ..] if *high != b']' => (*low.min(high), *low.max(high), rest),
            [literal, rest @ ..] => (*literal, *literal, rest),
        };
        is_in |= (low..=high).contains(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn patterns_are_those_of_keys() {
        let fits = [
            ("", ""),
            ("*", ""),
            ("*", "any"),
            ("a*c*e", "abcde"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[^a-c]x", "dx"),
            ("\\*", "*"),
            ("[\\]]", "]"),
            ("*:dlq", "orders:dlq"),
            ("***", "x"),
            ("[c-a]", "b"),
        ];
        for (pattern, name) in fits {
            assert!(is_match(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in
            [("", "a"), ("a", ""), ("a*c", "abd"), ("?", ""), ("[a-c]", "d"), ("\\*", "a")]
        {
            assert!(!is_match(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        let hard = ("a*".repeat(50) + "b", "a".repeat(5000));
        assert!(!is_match(hard.0.as_bytes(), hard.1.as_bytes()));
    }
}
