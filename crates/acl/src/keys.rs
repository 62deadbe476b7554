//! Which keys a selector allows, to read or to write.

use millstream_command::glob;
use millstream_command::table::{KeyUse, KeyUses};

use crate::is_one_word;
use crate::rule_error::Problem;

/// Reading, writing, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyAccess {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

impl KeyAccess {
    const BOTH: Self = Self { reads: true, writes: true };
    pub(crate) const WRITE: Self = Self { reads: false, writes: true };

    /// What a command needs to be allowed for a key. One that only looks whether there is a key
    /// needs neither; then any pattern that fits will do.
    pub(crate) const fn needed(uses: KeyUses) -> Self {
        let writes = uses.contains(KeyUse::Insert)
            || uses.contains(KeyUse::Update)
            || uses.contains(KeyUse::Delete);
        Self { reads: uses.contains(KeyUse::Access), writes }
    }

    const fn covers(self, needed: Self) -> bool {
        (self.reads || !needed.reads) && (self.writes || !needed.writes)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    text: Box<[u8]>,
    access: KeyAccess,
}

/// Patterns, or all keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRules {
    is_all: bool,
    patterns: Vec<KeyPattern>,
}

impl KeyRules {
    pub(crate) fn allow_all(&mut self) {
        *self = Self { is_all: true, patterns: Vec::new() };
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(crate) const fn is_all(&self) -> bool {
        self.is_all
    }

    /// `~pattern`, `%R~pattern`, `%W~pattern` or `%RW~pattern`.
    pub(crate) fn add(&mut self, rule: &[u8]) -> Result<(), Problem> {
        if self.is_all {
            return Err(Problem::PatternAfterAll);
        }
        let (access, text) = split(rule).ok_or(Problem::Syntax)?;
        if !is_one_word(text) {
            return Err(Problem::Syntax);
        }
        match self.patterns.iter_mut().find(|pattern| *pattern.text == *text) {
            Some(pattern) => {
                pattern.access.reads |= access.reads;
                pattern.access.writes |= access.writes;
            }
            None => self.patterns.push(KeyPattern { text: text.into(), access }),
        }
        // However it was said: it is written as `~*`, behind which no pattern may stand.
        if self.patterns.iter().any(|it| *it.text == *b"*" && it.access == KeyAccess::BOTH) {
            self.allow_all();
        }
        Ok(())
    }

    pub(crate) fn allows(&self, key: &[u8], needed: KeyAccess) -> bool {
        let fits = |pattern: &KeyPattern| {
            pattern.access.covers(needed) && glob::matches(&pattern.text, key)
        };
        self.is_all || self.patterns.iter().any(fits)
    }

    /// With a blank before each but the first.
    pub(crate) fn describe(&self, to: &mut Vec<u8>) {
        if self.is_all {
            to.extend_from_slice(b"~*");
            return;
        }
        for (index, KeyPattern { text, access }) in self.patterns.iter().enumerate() {
            if index > 0 {
                to.push(b' ');
            }
            to.extend_from_slice(match (access.reads, access.writes) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                _ => b"~",
            });
            to.extend_from_slice(text);
        }
    }
}

fn split(rule: &[u8]) -> Option<(KeyAccess, &[u8])> {
    if let Some(text) = rule.strip_prefix(b"~") {
        return Some((KeyAccess::BOTH, text));
    }
    let rest = rule.strip_prefix(b"%")?;
    let letters = rest.iter().position(|byte| *byte == b'~')?;
    let mut access = KeyAccess { reads: false, writes: false };
    for letter in &rest[..letters] {
        match letter.to_ascii_uppercase() {
            b'R' if !access.reads => access.reads = true,
            b'W' if !access.writes => access.writes = true,
            _ => return None,
        }
    }
    (letters > 0).then_some((access, &rest[letters + 1..]))
}
