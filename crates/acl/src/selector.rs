//! One set of permissions. A user has one of its own, and may have more in parentheses.

use crate::commands::CommandRules;
use crate::databases::DatabaseRules;
use crate::is_one_word;
use crate::keys::KeyRules;
use crate::request::{Denial, NeededDatabase, Request};
use crate::rule_error::Problem;

/// Patterns of channels. There are none here to be kept from; rules read back as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ChannelRules {
    is_all: bool,
    patterns: Vec<Box<[u8]>>,
}

/// What is allowed together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) commands: CommandRules,
    pub(crate) keys: KeyRules,
    channels: ChannelRules,
    pub(crate) databases: DatabaseRules,
}

/// Parts of a selector, as ACL GETUSER shows them.
pub(crate) struct SelectorParts {
    pub(crate) commands: Vec<u8>,
    pub(crate) keys: Vec<u8>,
    pub(crate) channels: Vec<u8>,
    /// `None`: all.
    pub(crate) databases: Option<String>,
}

impl Selector {
    /// Everything.
    pub(crate) fn all() -> Self {
        let mut selector = Self::default();
        selector.commands.allow_all();
        selector.keys.allow_all();
        selector.channels.is_all = true;
        selector
    }

    pub(crate) fn is_all(&self) -> bool {
        self.keys.is_all() && self.databases.is_all() && self.commands.is_all()
    }

    /// One rule that may stand in a selector.
    pub(crate) fn apply(&mut self, rule: &[u8]) -> Result<(), Problem> {
        match &rule.to_ascii_lowercase()[..] {
            b"allkeys" | b"~*" => self.keys.allow_all(),
            b"resetkeys" => self.keys.reset(),
            b"allchannels" | b"&*" => {
                self.channels = ChannelRules { is_all: true, patterns: Vec::new() };
            }
            b"resetchannels" => self.channels = ChannelRules::default(),
            b"allcommands" | b"+@all" => self.commands.allow_all(),
            b"nocommands" | b"-@all" => self.commands.allow_none(),
            b"alldbs" => self.databases = DatabaseRules::All,
            b"resetdbs" => self.databases = DatabaseRules::Only(Default::default()),
            lower => match lower.first() {
                Some(b'~' | b'%') => self.keys.add(rule)?,
                Some(b'&') => self.add_channel(&rule[1..])?,
                Some(b'+') => self.commands.change(&rule[1..], true)?,
                Some(b'-') => self.commands.change(&rule[1..], false)?,
                _ => match lower.strip_prefix(b"db=") {
                    Some(list) => self.databases = DatabaseRules::parse(list)?,
                    None => return Err(Problem::Syntax),
                },
            },
        }
        Ok(())
    }

    fn add_channel(&mut self, pattern: &[u8]) -> Result<(), Problem> {
        if self.channels.is_all {
            return Err(Problem::ChannelAfterAll);
        }
        if !is_one_word(pattern) {
            return Err(Problem::Syntax);
        }
        if !self.channels.patterns.iter().any(|other| **other == *pattern) {
            self.channels.patterns.push(pattern.into());
        }
        Ok(())
    }

    /// Whether this selector alone allows it.
    pub(crate) fn check(&self, request: &Request<'_>) -> Result<(), Denial> {
        if !self.commands.allows(request.spec, request.args) {
            return Err(Denial::Command);
        }
        if !self.databases.is_all() {
            for needed in request.databases() {
                match needed {
                    NeededDatabase::One { db, .. } if self.databases.allows(db) => {}
                    NeededDatabase::One { argument, .. } => {
                        return Err(Denial::Database { argument });
                    }
                    NeededDatabase::All => return Err(Denial::AllDatabases),
                }
            }
        }
        if !self.keys.is_all() {
            for (argument, access) in request.keys() {
                if !self.keys.allows(request.args[argument], access) {
                    return Err(Denial::Key { argument });
                }
            }
        }
        Ok(())
    }

    pub(crate) fn parts(&self) -> SelectorParts {
        let mut keys = Vec::new();
        self.keys.describe(&mut keys);
        let patterns = self.channels.patterns.iter().map(|text| [b"&", &text[..]].concat());
        let channels = match self.channels.is_all {
            true => b"&*".to_vec(),
            false => patterns.collect::<Vec<_>>().join(&b' '),
        };
        let databases = (!self.databases.is_all()).then(|| self.databases.describe());
        SelectorParts { commands: self.commands.describe().into_bytes(), keys, channels, databases }
    }

    /// The rules that make it.
    pub(crate) fn describe(&self) -> Vec<u8> {
        let parts = self.parts();
        let mut rules = Vec::new();
        if !parts.keys.is_empty() {
            rules.push(parts.keys);
        }
        if self.channels.is_all {
            rules.push(parts.channels);
        } else {
            rules.push(b"resetchannels".to_vec());
            if !parts.channels.is_empty() {
                rules.push(parts.channels);
            }
        }
        rules.extend(parts.databases.map(String::into_bytes));
        rules.push(parts.commands);
        rules.join(&b' ')
    }
}
