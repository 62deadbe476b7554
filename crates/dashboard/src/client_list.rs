//! Who is connected, as CLIENT LIST says it.

use std::collections::BTreeMap;

/// A line of CLIENT LIST, by its names.
#[derive(Debug)]
pub(crate) struct Client {
    /// Which server it is connected to.
    pub(crate) place: String,
    pub(crate) facts: BTreeMap<String, String>,
}

impl Client {
    /// All that are in an answer.
    pub(crate) fn list(place: &str, answer: &str) -> Vec<Self> {
        let lines = answer.lines().filter(|line| !line.is_empty());
        lines.map(|line| Self::of(place, line)).collect()
    }

    fn of(place: &str, line: &str) -> Self {
        let facts = line.split(' ').filter_map(|fact| fact.split_once('='));
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { place: place.to_owned(), facts }
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.facts.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or(0)
    }

    /// Whether a text is part of what people know it by. Nothing is part of all.
    pub(crate) fn has(&self, find: &str) -> bool {
        let find = find.trim().to_ascii_lowercase();
        let all = ["id", "addr", "name", "user", "cmd", "lib-name", "flags"];
        all.iter().any(|name| self.get(name).to_ascii_lowercase().contains(&find))
            || self.place.contains(&find)
    }
}
