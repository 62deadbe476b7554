//! One row of the command table, and the words to write it in.
//!
//! A row is a constant expression: [`CommandSpec::new`], then what differs from the common case.
//! What can be derived is derived: the categories that follow from flags, and the positions of keys
//! from the key specifications. `table/tests.rs` holds rows to the rules that types cannot express.

use super::CommandId;
use super::words::{Categories, Category, Flag, Flags, Group, KeyUse, KeyUses};

/// What there is to know about a command, or about a subcommand.
#[derive(Debug)]
pub struct CommandSpec {
    /// What to dispatch on.
    pub id: CommandId,
    /// Lower case; a subcommand's with its command's in front: `xgroup|create`.
    pub name: &'static str,
    /// Number of arguments with all words of the name; negative: at least so many.
    pub arity: i32,
    /// Its properties.
    pub flags: Flags,
    /// What access rules can name it by.
    pub categories: Categories,
    /// Where its keys stand.
    pub keys: &'static [KeySpec],
    /// Hints for clients and proxies.
    pub tips: &'static [&'static str],
    /// Chapter of the manual.
    pub group: Group,
    /// Version of Redis that has it first.
    pub since: &'static str,
    /// Time it takes.
    pub complexity: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Why it should not be used any more, if so.
    pub deprecated: Option<Deprecated>,
    /// Its subcommands; none of them has any.
    pub subcommands: &'static [CommandSpec],
    /// Where in `name` the subcommand's own word starts.
    word_start: usize,
}

/// Since when a command is out of fashion, and what to do instead.
#[derive(Clone, Copy, Debug)]
pub struct Deprecated {
    /// Version of Redis.
    pub since: &'static str,
    /// A phrase.
    pub replaced_by: &'static str,
}

/// Where keys stand among the arguments, and what happens to them.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Where the first one is.
    pub begin: KeyBegin,
    /// Which ones follow.
    pub extent: KeyExtent,
    /// What happens to each.
    pub uses: KeyUses,
    /// A remark for readers of the specification.
    pub note: Option<&'static str>,
}

/// Where the first key is. The command's name is argument 0.
#[derive(Clone, Copy, Debug)]
pub enum KeyBegin {
    /// At this argument.
    Index(usize),
    /// After this upper-case word, which is searched from an argument on.
    Keyword {
        /// The word.
        word: &'static str,
        /// First argument that may be the word.
        start_from: usize,
    },
}

/// Which arguments from the first key on are keys too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExtent {
    /// None.
    One,
    /// All.
    All,
    /// Each second one: a value stands behind each.
    EverySecond,
    /// The first half of them.
    FirstHalf,
}

impl KeySpec {
    /// One key at an argument.
    pub(super) const fn at(index: usize, uses: &[KeyUse]) -> Self {
        Self {
            begin: KeyBegin::Index(index),
            extent: KeyExtent::One,
            uses: KeyUses::of(uses),
            note: None,
        }
    }

    /// Keys from argument 1 to the last.
    pub(super) const fn all(uses: &[KeyUse]) -> Self {
        Self { extent: KeyExtent::All, ..Self::at(1, uses) }
    }

    /// Keys from argument 1 to the last, each with a value behind it.
    pub(super) const fn every_second(uses: &[KeyUse]) -> Self {
        Self { extent: KeyExtent::EverySecond, ..Self::at(1, uses) }
    }

    /// As many keys as there are identities after them, behind the word `STREAMS`.
    pub(super) const fn streams(start_from: usize, uses: &[KeyUse]) -> Self {
        Self {
            begin: KeyBegin::Keyword { word: "STREAMS", start_from },
            extent: KeyExtent::FirstHalf,
            uses: KeyUses::of(uses),
            note: None,
        }
    }

    pub(super) const fn note(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }
}

impl CommandSpec {
    /// A row without flags, keys, tips and subcommands; available since the first version of Redis.
    pub(super) const fn new(group: Group, id: CommandId, name: &'static str, arity: i32) -> Self {
        let spec = Self {
            id,
            name,
            arity,
            flags: Flags::of(&[]),
            categories: Categories::of(&[]),
            keys: &[],
            tips: &[],
            group,
            since: "1.0.0",
            complexity: "O(1)",
            summary: "",
            deprecated: None,
            subcommands: &[],
            word_start: word_start(name),
        };
        spec.derive_categories()
    }

    /// The subcommand that lists its siblings, as every container has one.
    pub(super) const fn help(
        group: Group,
        id: CommandId,
        name: &'static str,
        categories: &[Category],
    ) -> Self {
        Self::new(group, id, name, 2)
            .flags(&[Flag::Loading, Flag::Stale])
            .categories(categories)
            .docs("5.0.0", "O(1)", "Lists the subcommands with a line on each.")
    }

    pub(super) const fn flags(self, flags: &[Flag]) -> Self {
        Self { flags: Flags::of(flags), ..self }.derive_categories()
    }

    /// Sets the categories; those that follow from flags need not be given.
    pub(super) const fn categories(self, categories: &[Category]) -> Self {
        Self { categories: Categories::of(categories), ..self }.derive_categories()
    }

    pub(super) const fn keys(self, keys: &'static [KeySpec]) -> Self {
        Self { keys, ..self }
    }

    pub(super) const fn tips(self, tips: &'static [&'static str]) -> Self {
        Self { tips, ..self }
    }

    pub(super) const fn docs(
        self,
        since: &'static str,
        complexity: &'static str,
        summary: &'static str,
    ) -> Self {
        Self { since, complexity, summary, ..self }
    }

    pub(super) const fn deprecated(self, since: &'static str, replaced_by: &'static str) -> Self {
        Self { deprecated: Some(Deprecated { since, replaced_by }), ..self }
    }

    pub(super) const fn subcommands(self, subcommands: &'static [CommandSpec]) -> Self {
        Self { subcommands, ..self }
    }

    const fn derive_categories(mut self) -> Self {
        let flags = self.flags;
        let mut categories = self.categories;
        if flags.contains(Flag::Write) {
            categories = categories.with(Category::Write);
        }
        if flags.contains(Flag::Readonly) {
            categories = categories.with(Category::Read);
        }
        if flags.contains(Flag::Admin) {
            categories = categories.with(Category::Admin).with(Category::Dangerous);
        }
        if flags.contains(Flag::Blocking) {
            categories = categories.with(Category::Blocking);
        }
        // Rows start slow, and a later `flags` may say otherwise.
        categories = match flags.contains(Flag::Fast) {
            true => categories.without(Category::Slow).with(Category::Fast),
            false => categories.with(Category::Slow),
        };
        self.categories = categories;
        self
    }

    /// The subcommand's own word; of a command, its name.
    #[must_use]
    pub fn word(&self) -> &'static str {
        &self.name[self.word_start..]
    }

    /// Whether it has no behaviour but that of its subcommands.
    #[must_use]
    pub const fn is_container(&self) -> bool {
        !self.subcommands.is_empty() && !matches!(self.id, CommandId::Command)
    }

    /// Whether so many arguments, words of the name included, are right.
    #[must_use]
    pub const fn accepts(&self, argument_count: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { argument_count >= wanted } else { argument_count == wanted }
    }

    /// Whether it may change data.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        self.flags.contains(Flag::Write)
    }

    /// Whether it reads data and changes nothing.
    #[must_use]
    pub const fn is_readonly(&self) -> bool {
        self.flags.contains(Flag::Readonly)
    }

    /// Whether it is refused when memory is used up.
    #[must_use]
    pub const fn is_denied_without_memory(&self) -> bool {
        self.flags.contains(Flag::DenyOom)
    }

    /// Whether it may wait.
    #[must_use]
    pub const fn is_blocking(&self) -> bool {
        self.flags.contains(Flag::Blocking)
    }

    /// Whether it runs before authentication.
    #[must_use]
    pub const fn needs_no_auth(&self) -> bool {
        self.flags.contains(Flag::NoAuth)
    }

    /// Whether it runs while data is being loaded.
    #[must_use]
    pub const fn runs_while_loading(&self) -> bool {
        self.flags.contains(Flag::Loading)
    }

    /// Whether it may stand in a transaction.
    #[must_use]
    pub const fn is_allowed_in_multi(&self) -> bool {
        !self.flags.contains(Flag::NoMulti)
    }

    /// First key, last key and step as the oldest clients understand them: a last key counted from
    /// the end is negative. All zero if there are none, or if only a search can find them.
    #[must_use]
    pub fn key_range(&self) -> (i64, i64, i64) {
        let mut range = (0, 0, 0);
        for spec in self.keys {
            let KeyBegin::Index(index) = spec.begin else { return (0, 0, 0) };
            let index = i64::try_from(index).expect("a literal of the table");
            let first = if range.0 == 0 { index } else { range.0 };
            let last = if spec.extent == KeyExtent::One { index } else { -1 };
            let step = if spec.extent == KeyExtent::EverySecond { 2 } else { 1 };
            range = (first, last, step);
        }
        range
    }
}

/// Where the word after `|` starts, or 0.
const fn word_start(name: &str) -> usize {
    let mut at = 0;
    while at < name.len() {
        if name.as_bytes()[at] == b'|' {
            return at + 1;
        }
        at += 1;
    }
    0
}
