//! The closed vocabularies of the table: flags, categories, ways to use a key.
//!
//! Each is an enum and a set of it in one integer, built at compile time. Sets list their members
//! in the order of declaration, which is the order that clients of Redis see.

/// Defines an enum whose variants have a word on the wire, and a set of it that fits an integer.
macro_rules! vocabulary {
    (
        $(#[$one_doc:meta])* $one:ident,
        $(#[$set_doc:meta])* $set:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$one_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $one {
            $($(#[$doc])* $variant,)+
        }

        impl $one {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word that stands for it on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// What the word stands for, letters of both cases being equal.
            #[must_use]
            pub fn from_word(word: &[u8]) -> Option<Self> {
                let equals = |one: &Self| one.word().as_bytes().eq_ignore_ascii_case(word);
                Self::ALL.iter().copied().find(equals)
            }
        }

        $(#[$set_doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $set(u32);

        impl $set {
            /// The set of these.
            #[must_use]
            pub const fn of(members: &[$one]) -> Self {
                let mut set = Self(0);
                let mut at = 0;
                while at < members.len() {
                    set = set.with(members[at]);
                    at += 1;
                }
                set
            }

            /// The set with one more member.
            #[must_use]
            pub const fn with(self, member: $one) -> Self {
                Self(self.0 | 1 << member as u32)
            }

            /// The set with one member less.
            #[must_use]
            pub const fn without(self, member: $one) -> Self {
                Self(self.0 & !(1 << member as u32))
            }

            /// Whether it has the member.
            #[must_use]
            pub const fn contains(self, member: $one) -> bool {
                self.0 & 1 << member as u32 != 0
            }

            /// Members in order.
            pub fn iter(self) -> impl Iterator<Item = $one> {
                $one::ALL.iter().copied().filter(move |one| self.contains(*one))
            }
        }
    };
}

vocabulary! {
    /// A property of a command.
    Flag,
    /// Properties of a command.
    Flags {
        /// May change data.
        Write = "write",
        /// Reads data and changes nothing.
        Readonly = "readonly",
        /// Refused when memory is used up.
        DenyOom = "denyoom",
        /// Administration of the server.
        Admin = "admin",
        /// Not allowed within scripts.
        NoScript = "noscript",
        /// May wait.
        Blocking = "blocking",
        /// Runs while data is being loaded.
        Loading = "loading",
        /// Runs on stale data.
        Stale = "stale",
        /// Left out of the slow log.
        SkipSlowlog = "skip_slowlog",
        /// Constant or logarithmic time.
        Fast = "fast",
        /// Needs no authentication.
        NoAuth = "no_auth",
        /// Where its keys stand depends on its arguments.
        MovableKeys = "movablekeys",
        /// Does not run while a replica loads data beside what it serves.
        NoAsyncLoading = "no_async_loading",
        /// Not allowed within a transaction.
        NoMulti = "no_multi",
        /// Runs while a script is running.
        AllowBusy = "allow_busy",
    }
}

vocabulary! {
    /// A group of commands that access rules can name.
    Category,
    /// Categories of a command.
    Categories {
        /// Work on keys of any type.
        Keyspace = "keyspace",
        /// Reading data.
        Read = "read",
        /// Changing data.
        Write = "write",
        /// Strings.
        String = "string",
        /// Streams.
        Stream = "stream",
        /// Administration.
        Admin = "admin",
        /// Constant or logarithmic time.
        Fast = "fast",
        /// The rest.
        Slow = "slow",
        /// May wait.
        Blocking = "blocking",
        /// To be given away with care.
        Dangerous = "dangerous",
        /// The connection and others' connections.
        Connection = "connection",
        /// Transactions.
        Transaction = "transaction",
    }
}

vocabulary! {
    /// One aspect of what a command does to a key.
    KeyUse,
    /// What a command does to a key. One of the first four always holds.
    KeyUses {
        /// Reads the value.
        ReadOnly = "RO",
        /// Reads and changes the value.
        ReadWrite = "RW",
        /// Overwrites the value without looking.
        Overwrite = "OW",
        /// Removes the key.
        Remove = "RM",
        /// Shows user data, or copies it.
        Access = "access",
        /// Adds data, changes none.
        Insert = "insert",
        /// Changes data.
        Update = "update",
        /// Removes data.
        Delete = "delete",
        /// The arguments decide.
        VariableFlags = "variable_flags",
    }
}

/// The chapter of the manual that a command stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The connection.
    Connection,
    /// Keys of any type, and waiting for durability.
    Generic,
    /// The server.
    Server,
    /// Streams.
    Stream,
    /// Strings.
    String,
    /// Transactions.
    Transactions,
}

impl Group {
    /// The word that stands for it on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Generic => "generic",
            Self::Server => "server",
            Self::Stream => "stream",
            Self::String => "string",
            Self::Transactions => "transactions",
        }
    }
}
