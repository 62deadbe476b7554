//! A user: whether one may come in as it, by which passwords, and what it may do then.

use subtle::Choice;

use crate::keys::KeyAccess;
use crate::password::PasswordHash;
use crate::request::{Denial, Request};
use crate::rule_error::{Problem, RuleError};
use crate::selector::Selector;

/// The name of the user that every connection is before it says otherwise.
pub const DEFAULT_USER: &[u8] = b"default";

/// No password is longer: hashing one takes time.
const PASSWORD_BYTES_MAX: usize = 64 << 10;

/// A user. What is changed is a copy, see [`User::changed`]: connections hold on to the one that
/// they were judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Box<[u8]>,
    is_on: bool,
    /// Any password is right.
    has_nopass: bool,
    /// Kept for who reads it; RESTORE is always checked here.
    skips_sanitizing: bool,
    passwords: Vec<PasswordHash>,
    /// Its own is the first.
    selectors: Vec<Selector>,
    /// Derived: one selector allows everything.
    is_unrestricted: bool,
}

/// One selector in words, as ACL GETUSER shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorText {
    /// `-@all +get`.
    pub commands: Vec<u8>,
    /// `~a %R~b`.
    pub keys: Vec<u8>,
    /// `&channel`.
    pub channels: Vec<u8>,
    /// `db=0,1`; `None`: all databases.
    pub databases: Option<String>,
}

impl User {
    /// One who may do nothing, and nobody can come in as.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        Self {
            name: name.into(),
            is_on: false,
            has_nopass: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            selectors: vec![Selector::default()],
            is_unrestricted: false,
        }
    }

    /// The user `default` as it is without any rules: everybody may do everything.
    #[must_use]
    pub fn open_default() -> Self {
        Self {
            is_on: true,
            has_nopass: true,
            selectors: vec![Selector::all()],
            is_unrestricted: true,
            ..Self::new(DEFAULT_USER)
        }
    }

    /// Its name: any bytes but blanks and zeros.
    #[must_use]
    pub const fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether one may come in as it.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether one comes in without a password.
    #[must_use]
    pub const fn has_nopass(&self) -> bool {
        self.has_nopass
    }

    /// Whether every connection is this user without saying anything, if it is the default one.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.is_on && self.has_nopass
    }

    /// Whether it may do everything, so that nothing needs to be checked.
    #[must_use]
    pub const fn is_unrestricted(&self) -> bool {
        self.is_unrestricted
    }

    /// Its passwords.
    #[must_use]
    pub fn passwords(&self) -> &[PasswordHash] {
        &self.passwords
    }

    /// The words for what does not belong to a selector: `on`, `nopass`, `sanitize-payload`.
    #[must_use]
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_on { "on" } else { "off" }];
        if self.has_nopass {
            flags.push("nopass");
        }
        let sanitizing =
            if self.skips_sanitizing { "skip-sanitize-payload" } else { "sanitize-payload" };
        flags.push(sanitizing);
        flags
    }

    /// Its own selector first.
    pub fn selectors(&self) -> impl Iterator<Item = SelectorText> {
        self.selectors.iter().map(|selector| {
            let parts = selector.parts();
            SelectorText {
                commands: parts.commands,
                keys: parts.keys,
                channels: parts.channels,
                databases: parts.databases,
            }
        })
    }

    /// The user with these rules added to it, in their order.
    ///
    /// # Errors
    /// If one of them is wrong; `self` is as it was.
    pub fn changed(&self, rules: &[&[u8]]) -> Result<Self, RuleError> {
        let mut user = self.clone();
        for rule in joined(rules)? {
            user.apply(&rule).map_err(|problem| RuleError::new(&rule, problem))?;
        }
        user.is_unrestricted = user.selectors.iter().any(Selector::is_all);
        match rules.last() {
            Some(last) if !user.reads_back() => Err(RuleError::new(last, Problem::Unwritable)),
            _ => Ok(user),
        }
    }

    /// Whether the file of users says the same of it: a rule with a blank in it would be two there.
    fn reads_back(&self) -> bool {
        let line = self.line();
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let words: Vec<&[u8]> = words.skip(2).collect();
        let mut read = Self::new(&self.name);
        let Ok(rules) = joined(&words) else { return false };
        let is_read = rules.iter().all(|rule| read.apply(rule).is_ok());
        read.is_unrestricted = self.is_unrestricted;
        is_read && read == *self
    }

    fn apply(&mut self, rule: &[u8]) -> Result<(), Problem> {
        match &rule.to_ascii_lowercase()[..] {
            b"" => {}
            b"on" => self.is_on = true,
            b"off" => self.is_on = false,
            b"nopass" => {
                self.has_nopass = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.has_nopass = false;
                self.passwords.clear();
            }
            b"sanitize-payload" => self.skips_sanitizing = false,
            b"skip-sanitize-payload" => self.skips_sanitizing = true,
            b"clearselectors" => self.selectors.truncate(1),
            b"reset" => *self = Self::new(&self.name),
            _ => return self.apply_other(rule),
        }
        Ok(())
    }

    fn apply_other(&mut self, rule: &[u8]) -> Result<(), Problem> {
        match rule.first() {
            Some(b'>') if rule.len() > PASSWORD_BYTES_MAX => return Err(Problem::Syntax),
            Some(b'>') => self.add_password(PasswordHash::of(&rule[1..])),
            Some(b'#') => self.add_password(hash(rule)?),
            Some(b'<') => return self.remove_password(PasswordHash::of(&rule[1..])),
            Some(b'!') => return self.remove_password(hash(rule)?),
            Some(b'(') => {
                let inner = rule[1..].strip_suffix(b")").ok_or(Problem::Syntax)?;
                let mut selector = Selector::default();
                for rule in inner.split(u8::is_ascii_whitespace).filter(|rule| !rule.is_empty()) {
                    selector.apply(rule)?;
                }
                self.selectors.push(selector);
            }
            _ => return self.selectors[0].apply(rule),
        }
        Ok(())
    }

    fn add_password(&mut self, password: PasswordHash) {
        self.has_nopass = false;
        if !self.passwords.contains(&password) {
            self.passwords.push(password);
        }
    }

    fn remove_password(&mut self, password: PasswordHash) -> Result<(), Problem> {
        let before = self.passwords.len();
        self.passwords.retain(|other| *other != password);
        if self.passwords.len() == before { Err(Problem::NoSuchPassword) } else { Ok(()) }
    }

    /// Whether one who says this password may come in. Takes a time that does not tell how near it
    /// was.
    #[must_use]
    pub fn lets_in(&self, password: &[u8]) -> bool {
        if password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        let given = PasswordHash::of(password);
        let is_one = |found: Choice, hash: &PasswordHash| found | hash.equals(&given);
        let is_right = bool::from(self.passwords.iter().fold(Choice::from(0), is_one));
        self.is_on && (self.has_nopass | is_right)
    }

    /// Whether it may run that.
    ///
    /// # Errors
    /// Why not; where several selectors refuse, what came the nearest.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Denial> {
        if self.is_unrestricted {
            return Ok(());
        }
        let mut nearest = Denial::Command;
        for selector in &self.selectors {
            match selector.check(request) {
                Ok(()) => return Ok(()),
                Err(denial) if denial.rank() > nearest.rank() => nearest = denial,
                Err(_) => {}
            }
        }
        Err(nearest)
    }

    /// Whether that command may write to a key that only shows while it runs.
    #[must_use]
    pub fn may_write(&self, request: &Request<'_>, key: &[u8]) -> bool {
        let allows = |selector: &Selector| {
            selector.keys.allows(key, KeyAccess::WRITE) && selector.check(request).is_ok()
        };
        self.is_unrestricted || self.selectors.iter().any(allows)
    }

    /// As a line of a file of users.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut words = vec![b"user".to_vec(), self.name.to_vec()];
        words.extend(self.flags().into_iter().map(|flag| flag.as_bytes().to_vec()));
        words.extend(self.passwords.iter().map(|hash| format!("#{}", hash.to_hex()).into_bytes()));
        let mut selectors = self.selectors.iter().map(Selector::describe);
        words.extend(selectors.next());
        words.extend(selectors.map(|selector| [b"(", &selector[..], b")"].concat()));
        words.join(&b' ')
    }
}

fn hash(rule: &[u8]) -> Result<PasswordHash, Problem> {
    PasswordHash::from_hex(&rule[1..]).ok_or(Problem::NoHash)
}

/// The rules with those between parentheses made one.
fn joined(rules: &[&[u8]]) -> Result<Vec<Vec<u8>>, RuleError> {
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for rule in rules {
        let (start, mut text) = match open.take() {
            Some((start, text)) => (start, [&text[..], b" ", rule].concat()),
            None if rule.starts_with(b"(") => (*rule, rule.to_vec()),
            None => {
                joined.push(rule.to_vec());
                continue;
            }
        };
        if text.ends_with(b")") {
            joined.push(std::mem::take(&mut text));
        } else {
            open = Some((start, text));
        }
    }
    match open {
        Some((start, _)) => Err(RuleError::Unmatched { start: start.to_vec() }),
        None => Ok(joined),
    }
}
