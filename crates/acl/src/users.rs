//! All users, and the text form that files of them have.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::is_one_word;
use crate::rule_error::RuleError;
use crate::user::{DEFAULT_USER, User};

/// All users by name. There is always one called `default`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    by_name: BTreeMap<Box<[u8]>, Arc<User>>,
}

impl Default for Users {
    fn default() -> Self {
        let mut users = Self { by_name: BTreeMap::new() };
        users.put(User::open_default());
        users
    }
}

impl Users {
    /// Whether somebody may be called that.
    #[must_use]
    pub fn is_name(name: &[u8]) -> bool {
        !name.is_empty() && is_one_word(name)
    }

    /// The user of that name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The user `default`.
    ///
    /// # Panics
    /// Never: it cannot be removed.
    #[must_use]
    pub fn default_user(&self) -> &Arc<User> {
        self.get(DEFAULT_USER).expect("it is never removed")
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// Adds a user, in place of the one of that name.
    pub fn put(&mut self, user: User) {
        self.by_name.insert(user.name().into(), Arc::new(user));
    }

    /// Removes a user. Whether there was one.
    ///
    /// # Panics
    /// If it is `default`.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        assert_ne!(name, DEFAULT_USER, "it cannot be removed");
        self.by_name.remove(name).is_some()
    }

    /// Who comes in with this name and this password. Takes as long for a name that is none.
    #[must_use]
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<&Arc<User>> {
        let nobody = User::new(name);
        let user = self.get(name);
        let is_let_in = user.map_or(&nobody, |user| user).lets_in(password);
        user.filter(|_| is_let_in)
    }

    /// Reads a file: one user a line, `user NAME RULE ...`; empty lines and those that start with
    /// `#` do not count. Where `default` is not in it, `default` is who is it.
    ///
    /// # Errors
    /// What is wrong, by line.
    pub fn read(text: &[u8], default: &User) -> Result<Self, Vec<UserFileError>> {
        let mut users = Self { by_name: BTreeMap::new() };
        let mut errors = Vec::new();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            match users.read_line(line.trim_ascii()) {
                Ok(()) => {}
                Err(problem) => errors.push(UserFileError { line: number, problem }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if users.get(DEFAULT_USER).is_none() {
            users.put(default.clone());
        }
        Ok(users)
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), LineProblem> {
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        let words: Vec<&[u8]> =
            line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let [b"user", name, rules @ ..] = &words[..] else { return Err(LineProblem::NoUser) };
        if !Self::is_name(name) {
            return Err(LineProblem::Name);
        }
        if self.get(name).is_some() {
            return Err(LineProblem::Duplicate);
        }
        // What is said of `default` starts from nothing, too, so that a file says all of it.
        self.put(User::new(name).changed(rules).map_err(LineProblem::Rule)?);
        Ok(())
    }

    /// As a file, which [`Users::read`] reads back to the same.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        self.iter().flat_map(|user| [user.line(), b"\n".to_vec()].concat()).collect()
    }
}

/// What is wrong with a line of a file of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFileError {
    /// Counted from 1.
    pub line: usize,
    problem: LineProblem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LineProblem {
    NoUser,
    Name,
    Duplicate,
    Rule(RuleError),
}

impl fmt::Display for UserFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.problem {
            LineProblem::NoUser => {
                f.write_str("it should begin with the word 'user' and a user's name")
            }
            LineProblem::Name => f.write_str("names of users contain no zeros"),
            LineProblem::Duplicate => f.write_str("that user stands in an earlier line, too"),
            LineProblem::Rule(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UserFileError {}
