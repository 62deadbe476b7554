//! Which commands a selector allows, and in which words that was said.
//!
//! Commands are in a set by number; the words are kept beside it, so that a rule about a category
//! reads back as one. A command that comes with a later version is allowed if everything was
//! allowed first. Of commands that Redis has and we have not the words are kept.

use millstream_command::compatibility;
use millstream_command::table::{self, CommandId, CommandSpec};

use crate::categories::{Categories, every_command};
use crate::rule_error::Problem;

const WORDS: usize = CommandId::COUNT.div_ceil(64);

#[derive(Clone, Debug, PartialEq, Eq)]
struct WordRule {
    is_allowed: bool,
    /// Lower case: `get`, `xgroup|create`, `@read`, `select|0`.
    what: String,
}

/// A set of commands, and the rules that made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandRules {
    allowed: [u64; WORDS],
    /// All were allowed at first, so rules take away.
    starts_full: bool,
    /// Allowed with this first argument only, although not in `allowed`.
    first_arguments: Vec<(CommandId, Box<[u8]>)>,
    rules: Vec<WordRule>,
}

impl CommandRules {
    pub(crate) fn allow_all(&mut self) {
        *self = Self { starts_full: true, ..Self::default() };
        every_command().for_each(|spec| self.set(spec.id, true));
    }

    pub(crate) fn allow_none(&mut self) {
        *self = Self::default();
    }

    /// Whether nothing is forbidden.
    pub(crate) fn is_all(&self) -> bool {
        self.starts_full && every_command().all(|spec| self.contains(spec.id))
    }

    /// The rule behind `+` or `-`.
    pub(crate) fn change(&mut self, rule: &[u8], is_allowed: bool) -> Result<(), Problem> {
        let what = String::from_utf8(rule.to_ascii_lowercase()).map_err(|_| Problem::Unknown)?;
        if let Some(word) = what.strip_prefix('@') {
            return self.change_category(word, is_allowed);
        }
        if compatibility::is_absent(&what) {
            // Rules come from servers that have more commands. Such a one cannot be run anyway.
            self.note(what, is_allowed);
            return Ok(());
        }
        let (name, word) = match what.split_once('|') {
            None => (&*what, None),
            Some((name, word)) => (name, Some(word)),
        };
        let spec = table::find(name.as_bytes()).ok_or(Problem::Unknown)?;
        match word {
            None => self.set_with_subcommands(spec, is_allowed),
            Some(word) if spec.subcommands.is_empty() => {
                // Only a first argument more can be allowed.
                if !is_allowed || word.contains('|') {
                    return Err(Problem::Unknown);
                }
                if word.is_empty() {
                    return Err(Problem::Syntax);
                }
                let word: Box<[u8]> = word.as_bytes().into();
                if !self.first_arguments.contains(&(spec.id, word.clone())) {
                    self.first_arguments.push((spec.id, word));
                    // Sets are equal whatever the order in which they were made.
                    self.first_arguments.sort_unstable();
                }
            }
            Some(word) => {
                if let Some((subcommand, _)) = word.split_once('|')
                    && is_allowed
                    && table::find_subcommand(spec, subcommand.as_bytes()).is_some()
                {
                    return Err(Problem::FirstArgumentOfSubcommand);
                }
                let found = table::find_subcommand(spec, word.as_bytes());
                self.set(found.ok_or(Problem::Unknown)?.id, is_allowed);
            }
        }
        self.note(what, is_allowed);
        Ok(())
    }

    fn change_category(&mut self, word: &str, is_allowed: bool) -> Result<(), Problem> {
        if word == "all" {
            if is_allowed {
                self.allow_all();
            } else {
                self.allow_none();
            }
            return Ok(());
        }
        let category = Categories::find(word.as_bytes()).ok_or(Problem::Unknown)?;
        for spec in category.commands() {
            self.set(spec.id, is_allowed);
            self.forget_first_arguments(spec.id);
        }
        self.note(format!("@{word}"), is_allowed);
        Ok(())
    }

    fn set_with_subcommands(&mut self, spec: &CommandSpec, is_allowed: bool) {
        for spec in std::iter::once(spec).chain(spec.subcommands) {
            self.set(spec.id, is_allowed);
            self.forget_first_arguments(spec.id);
        }
    }

    fn forget_first_arguments(&mut self, id: CommandId) {
        self.first_arguments.retain(|(other, _)| *other != id);
    }

    fn set(&mut self, id: CommandId, is_allowed: bool) {
        let (word, bit) = (id.index() / 64, 1 << (id.index() % 64));
        if is_allowed {
            self.allowed[word] |= bit;
        } else {
            self.allowed[word] &= !bit;
        }
    }

    /// A rule takes the place of those about the same, or about a part of it.
    fn note(&mut self, what: String, is_allowed: bool) {
        self.rules.retain(|rule| {
            let rest = rule.what.strip_prefix(&what);
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        });
        self.rules.push(WordRule { is_allowed, what });
    }

    fn contains(&self, id: CommandId) -> bool {
        self.allowed[id.index() / 64] & 1 << (id.index() % 64) != 0
    }

    /// Whether the command may be run with these arguments, as far as keys do not matter.
    pub(crate) fn allows(&self, spec: &CommandSpec, args: &[&[u8]]) -> bool {
        // Who one is can always be said.
        if self.contains(spec.id) || spec.needs_no_auth() {
            return true;
        }
        let Some(first) = args.get(1) else { return false };
        let is_it = |(id, word): &(CommandId, Box<[u8]>)| {
            *id == spec.id && word.eq_ignore_ascii_case(first)
        };
        self.first_arguments.iter().any(is_it)
    }

    /// The rules that make it.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::from(if self.starts_full { "+@all" } else { "-@all" });
        for rule in &self.rules {
            text.push_str(if rule.is_allowed { " +" } else { " -" });
            text.push_str(&rule.what);
        }
        text
    }
}
