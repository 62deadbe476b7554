//! Who is connected, as CLIENT LIST says it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

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

    /// Its server and number there: no two are alike.
    pub(crate) fn key(&self) -> (&str, u64) {
        (&self.place, self.number("id"))
    }

    /// Whether a text is part of what people know it by. Nothing is part of all.
    pub(crate) fn has(&self, find: &str) -> bool {
        let find = find.trim().to_ascii_lowercase();
        let all = ["id", "addr", "name", "user", "cmd", "lib-name", "flags"];
        all.iter().any(|name| self.get(name).to_ascii_lowercase().contains(&find))
            || self.place.contains(&find)
    }
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientOrder {
    /// By server and number: servers count their clients up.
    #[default]
    Id,
    Name,
    Age,
    Idle,
    Memory,
    Commands,
}

impl ClientOrder {
    pub(crate) const ALL: [Self; 6] =
        [Self::Id, Self::Name, Self::Age, Self::Idle, Self::Memory, Self::Commands];

    /// What it is called in queries.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Age => "age",
            Self::Idle => "idle",
            Self::Memory => "memory",
            Self::Commands => "commands",
        }
    }

    /// Alike ones are in the order of their numbers.
    pub(crate) fn sort(self, clients: &mut [Client]) {
        clients.sort_by(|a, b| a.key().cmp(&b.key()));
        match self {
            Self::Id => {}
            Self::Name => clients.sort_by(|a, b| a.get("name").cmp(b.get("name"))),
            Self::Age => clients.sort_by_key(|it| Reverse(it.number("age"))),
            Self::Idle => clients.sort_by_key(|it| Reverse(it.number("idle"))),
            Self::Memory => clients.sort_by_key(|it| Reverse(it.number("tot-mem"))),
            Self::Commands => clients.sort_by_key(|it| Reverse(it.number("tot-cmds"))),
        }
    }
}
