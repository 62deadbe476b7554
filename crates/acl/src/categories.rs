//! Names of categories, those of commands that this server does not have among them.
//!
//! Rules that were written for Redis name them, and they change nothing here.

use millstream_command::table::{self, Category, CommandSpec};

/// In the order in which Redis lists them; `None`: no command of this server is in it.
const ALL: [(&str, Option<Category>); 21] = [
    ("keyspace", Some(Category::Keyspace)),
    ("read", Some(Category::Read)),
    ("write", Some(Category::Write)),
    ("set", None),
    ("sortedset", None),
    ("list", None),
    ("hash", None),
    ("string", Some(Category::String)),
    ("bitmap", None),
    ("hyperloglog", None),
    ("geo", None),
    ("stream", Some(Category::Stream)),
    ("pubsub", None),
    ("admin", Some(Category::Admin)),
    ("fast", Some(Category::Fast)),
    ("slow", Some(Category::Slow)),
    ("blocking", Some(Category::Blocking)),
    ("dangerous", Some(Category::Dangerous)),
    ("connection", Some(Category::Connection)),
    ("transaction", Some(Category::Transaction)),
    ("scripting", None),
];

/// A category that rules may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CategoryName {
    /// Its word.
    pub word: &'static str,
    category: Option<Category>,
}

/// All categories.
#[derive(Clone, Copy, Debug)]
pub struct Categories;

impl Categories {
    /// In the order in which clients see them.
    pub fn all() -> impl Iterator<Item = CategoryName> {
        ALL.into_iter().map(|(word, category)| CategoryName { word, category })
    }

    /// The one of that word, letters of both cases being equal.
    #[must_use]
    pub fn find(word: &[u8]) -> Option<CategoryName> {
        Self::all().find(|name| name.word.as_bytes().eq_ignore_ascii_case(word))
    }
}

impl CategoryName {
    /// Commands and subcommands in it. Of a command with subcommands the latter only.
    pub fn commands(self) -> impl Iterator<Item = &'static CommandSpec> {
        every_command()
            .filter(move |spec| self.category.is_some_and(|one| spec.categories.contains(one)))
    }
}

/// All that can be run: a command with subcommands only if it means something alone.
pub(crate) fn every_command() -> impl Iterator<Item = &'static CommandSpec> {
    table::all().flat_map(|spec| {
        let itself = (!spec.is_container()).then_some(spec);
        itself.into_iter().chain(spec.subcommands)
    })
}
