use proptest::prelude::*;

use super::*;

/// Every one of these names stood in a Redis 8.6 whose `KEYS` gave the answers below.
const NAMES: [&str; 20] = [
    "a", "b", "c", "d", "-", "]", "[", "\\", "^", "_", "`", "*", "?", "ab", "a]", "abc", "a[b",
    "!", "a\\", "ac",
];

/// Pattern, and the names it matches.
const ANSWERS: [(&str, &[&str]); 35] = [
    ("[a-]", &["]", "^", "_", "`", "a"]),
    ("[a", &["a"]),
    ("[", &[]),
    ("[^", &["!", "*", "-", "?", "[", "\\", "]", "^", "_", "`", "a", "b", "c", "d"]),
    ("[^a", &["!", "*", "-", "?", "[", "\\", "]", "^", "_", "`", "b", "c", "d"]),
    ("[]", &[]),
    ("[]a]", &[]),
    ("[\\]]", &["]"]),
    ("[\\", &["\\"]),
    ("a\\", &["a\\"]),
    ("\\a", &["a"]),
    ("\\", &["\\"]),
    ("[a-c", &["a", "b", "c"]),
    ("[c-a]", &["a", "b", "c"]),
    ("[^a-c]*", &["!", "*", "-", "?", "[", "\\", "]", "^", "_", "`", "d"]),
    ("?", &["!", "*", "-", "?", "[", "\\", "]", "^", "_", "`", "a", "b", "c", "d"]),
    ("[\\a-c]", &["-", "a", "c"]),
    ("[a\\-c]", &["-", "a", "c"]),
    ("[-a]", &["-", "a"]),
    ("[a-", &["-", "a"]),
    ("[^]", &["!", "*", "-", "?", "[", "\\", "]", "^", "_", "`", "a", "b", "c", "d"]),
    ("[^]a]", &[]),
    ("*[", &[]),
    ("*]", &["]", "a]"]),
    ("a*[b", &["a[b", "ab"]),
    ("[[]", &["["]),
    ("[a]]", &["a]"]),
    ("a[]b", &[]),
    ("\\*", &["*"]),
    ("[!a]", &["!", "a"]),
    ("[*]", &["*"]),
    ("[a-\\]", &["\\", "]", "^", "_", "`", "a"]),
    ("a*", &["a", "a[b", "a\\", "a]", "ab", "abc", "ac"]),
    ("a*c", &["abc", "ac"]),
    ("*?b*", &["a[b", "ab", "abc"]),
];

#[test]
fn patterns_match_the_names_that_redis_lists_for_them() {
    for (pattern, expected) in ANSWERS {
        let mut found: Vec<_> =
            NAMES.into_iter().filter(|name| matches(pattern.as_bytes(), name.as_bytes())).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{pattern:?}");
    }
}

#[test]
fn the_empty_name_is_matched_by_itself_and_by_a_single_star() {
    assert!(matches(b"", b""));
    assert!(matches(b"*", b""));
    assert!(!matches(b"**", b""));
    assert!(!matches(b"?", b""));
    assert!(!matches(b"", b"a"));
}

#[test]
fn letters_of_both_cases_are_equal_only_when_asked_for() {
    for pattern in ["MAX*Y", "[M]axmemory", "[M-A]axmemory", "\\Maxmemory"] {
        assert!(matches_nocase(pattern.as_bytes(), b"maxmemory"), "{pattern}");
        assert!(!matches(pattern.as_bytes(), b"maxmemory"), "{pattern}");
    }
    assert!(!matches_nocase(b"[\\M]axmemory", b"maxmemory"), "an escaped member keeps its case");
    assert!(!matches_nocase(b"[_-M]axmemory", b"maxmemory"), "the range is folded after ordering");
}

#[test]
fn a_hostile_pattern_takes_no_more_than_pattern_times_text_steps() {
    // With a retry for each star this would not end before the sun does.
    let pattern = [b"a*".repeat(400).as_slice(), b"b"].concat();
    assert!(!matches(&pattern, &[b'a'; 4000]));
    let sets = [b"*[^b]".repeat(400).as_slice(), b"b"].concat();
    assert!(!matches(&sets, &[b'a'; 4000]));
}

/// The same language, by trying everything.
fn matches_naively(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| matches_naively(rest, &text[taken..])),
        _ => match text {
            [] => false,
            [byte, text @ ..] => {
                let (set, used) = members(pattern);
                set.contains(byte) && matches_naively(&pattern[used..], text)
            }
        },
    }
}

/// All bytes that the first element of the pattern matches, and its length.
fn members(pattern: &[u8]) -> (Vec<u8>, usize) {
    let any = 0..=u8::MAX;
    match pattern[0] {
        b'?' => (any.collect(), 1),
        b'\\' if pattern.len() > 1 => (vec![pattern[1]], 2),
        b'[' => {
            let negated = pattern.get(1) == Some(&b'^');
            let mut at = 1 + usize::from(negated);
            let mut set = Vec::new();
            while at < pattern.len() && pattern[at] != b']' {
                let left = pattern.len() - at;
                if pattern[at] == b'\\' && left >= 2 {
                    set.push(pattern[at + 1]);
                    at += 2;
                } else if left >= 3 && pattern[at + 1] == b'-' {
                    let ends = [pattern[at], pattern[at + 2]];
                    set.extend(ends[0].min(ends[1])..=ends[0].max(ends[1]));
                    at += 3;
                } else {
                    set.push(pattern[at]);
                    at += 1;
                }
            }
            let used = (at + 1).min(pattern.len());
            (any.filter(|byte| set.contains(byte) != negated).collect(), used)
        }
        literal => (vec![literal], 1),
    }
}

proptest! {
    #[test]
    fn matching_equals_trying_everything(
        pattern in r"[ab\-\[\]^\\*?]{0,8}",
        text in r"[ab\-\[\]^\\]{1,7}",
    ) {
        let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
        prop_assert_eq!(matches(pattern, text), matches_naively(pattern, text));
    }

    #[test]
    fn no_bytes_make_the_matcher_panic(
        pattern in proptest::collection::vec(any::<u8>(), 0..20),
        text in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let lower = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
        if matches(&pattern, &text) && !pattern.contains(&b'[') {
            prop_assert!(matches_nocase(&lower.0, &lower.1));
        }
    }
}
