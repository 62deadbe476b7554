//! What is asked for, and why it is refused.

use millstream_command::table::{self, CommandId, CommandSpec};

use crate::keys::KeyAccess;

/// A command that a user wants to run.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its row of the table.
    pub spec: &'static CommandSpec,
    /// All of its words, as many as the row accepts.
    pub args: &'a [&'a [u8]],
    /// Database that is selected.
    pub db: u8,
}

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The command itself.
    Command,
    /// A database that it works on: the one that is selected, or one that an argument names.
    Database {
        /// The argument; `None`: that which is selected.
        argument: Option<usize>,
    },
    /// It works on all databases.
    AllDatabases,
    /// The key that is this argument.
    Key {
        /// Its place, the command's name being 0.
        argument: usize,
    },
    /// The stream that dead letters of a group would go to; see [`Request::usual_dead_letters`].
    DeadLetters,
}

impl Denial {
    /// Of several reasons the one that is told: the nearest to being allowed.
    pub(crate) const fn rank(self) -> (u8, usize) {
        match self {
            Self::Command => (0, 0),
            Self::Database { .. } | Self::AllDatabases => (1, 0),
            Self::Key { argument } => (2, argument),
            Self::DeadLetters => (3, 0),
        }
    }
}

/// A database that a command works on.
pub(crate) enum NeededDatabase {
    One { db: u32, argument: Option<usize> },
    All,
}

impl Request<'_> {
    /// Whether the command is about the data of the selected database.
    fn uses_selected(&self) -> bool {
        use CommandId as C;
        let spec = self.spec;
        let names_its_own = matches!(spec.id, C::Select | C::Swapdb | C::Flushall);
        !names_its_own && (spec.is_write() || spec.is_readonly() || !spec.keys.is_empty())
    }

    /// Databases that must be allowed. A number that is none is left to the command to refuse.
    pub(crate) fn databases(&self) -> Vec<NeededDatabase> {
        use CommandId as C;
        let mut needed = Vec::new();
        if self.uses_selected() {
            needed.push(NeededDatabase::One { db: self.db.into(), argument: None });
        }
        let mut named = |at: usize| {
            let text = self.args.get(at).and_then(|text| std::str::from_utf8(text).ok());
            if let Some(db) = text.and_then(|text| text.parse().ok()) {
                needed.push(NeededDatabase::One { db, argument: Some(at) });
            }
        };
        match self.spec.id {
            C::Select => named(1),
            C::Move => named(2),
            C::Swapdb => {
                named(1);
                named(2);
            }
            C::Copy => {
                let is_db = |at: &usize| self.args[at - 1].eq_ignore_ascii_case(b"DB");
                (4..self.args.len()).filter(is_db).for_each(named);
            }
            C::Flushall => needed.push(NeededDatabase::All),
            _ => {}
        }
        needed
    }

    /// The arguments that are keys, and what must be allowed for each.
    ///
    /// Beside those of the table a group's dead-letter stream, which the group will write to.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (usize, KeyAccess)> {
        let of_table = table::keys(self.spec, self.args).into_iter().flatten();
        let of_table = of_table.map(|key| (key.index, KeyAccess::needed(key.uses)));
        of_table.chain(self.dead_letter_keys().map(|at| (at, KeyAccess::WRITE)))
    }

    /// Whatever stands behind the word, where the items of a policy may be: rather too much than a
    /// key that nobody looked at.
    fn dead_letter_keys(&self) -> impl Iterator<Item = usize> {
        self.policy_values(b"DEADLETTER")
    }

    /// The stream that a policy makes dead letters go to where it names none.
    #[must_use]
    pub fn usual_dead_letters(&self) -> Option<Vec<u8>> {
        let is_meant = self.policy_values(b"MAXDELIVERIES").next().is_some()
            && self.dead_letter_keys().next().is_none();
        is_meant.then(|| [self.args[2], b":dlq"].concat())
    }

    /// Arguments that switch an item of a group's policy on.
    fn policy_values(&self, item: &'static [u8]) -> impl Iterator<Item = usize> {
        const ITEMS_FROM: usize = 4;
        let has_policy = matches!(self.spec.id, CommandId::XgroupCfgset | CommandId::XgroupCreate);
        let end = if has_policy { self.args.len() } else { 0 };
        (ITEMS_FROM + 1..end).filter(move |at| {
            let value = self.args[*at];
            let is_off = value == b"0" || value.eq_ignore_ascii_case(b"NONE");
            self.args[at - 1].eq_ignore_ascii_case(item) && !is_off
        })
    }
}
