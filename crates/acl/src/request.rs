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
}

impl Denial {
    /// Of several reasons the one that is told: the nearest to being allowed.
    pub(crate) const fn rank(self) -> (u8, usize) {
        match self {
            Self::Command => (0, 0),
            Self::Database { .. } | Self::AllDatabases => (1, 0),
            Self::Key { argument } => (2, argument),
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

    /// The arguments that are keys, and what must be allowed for each. Keys that only show while a
    /// command runs are asked for then, see [`crate::User::may_write`].
    pub(crate) fn keys(&self) -> impl Iterator<Item = (usize, KeyAccess)> {
        let of_table = table::keys(self.spec, self.args).into_iter().flatten();
        of_table.map(|key| (key.index, KeyAccess::needed(key.uses)))
    }
}
