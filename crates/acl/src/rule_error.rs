//! What is wrong with a rule.

use std::fmt;

/// Why a rule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Syntax,
    Unknown,
    FirstArgumentOfSubcommand,
    PatternAfterAll,
    ChannelAfterAll,
    DatabaseRange,
    NoHash,
    NoSuchPassword,
    Unwritable,
}

impl Problem {
    const fn text(self) -> &'static str {
        match self {
            Self::Syntax => "Syntax error",
            Self::Unknown => "Unknown command or category name in ACL",
            Self::FirstArgumentOfSubcommand => {
                "Allowing first-arg of a subcommand is not supported"
            }
            Self::PatternAfterAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and \
                 does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            Self::ChannelAfterAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and \
                 does not have any effect. Try 'resetchannels' to start with an empty list of \
                 channels"
            }
            Self::DatabaseRange => "The provided database ID is out of range",
            Self::Unwritable => "A rule with blanks or parentheses in it cannot be kept",
            Self::NoHash => {
                "The password hash must be exactly 64 characters and contain only lowercase \
                 hexadecimal characters"
            }
            Self::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
        }
    }
}

/// A rule that is refused. Nothing of the rules that were given with it counts.
///
/// The rule itself is in it, which may be a password: for the client that gave it, not for logs.
#[derive(Clone, PartialEq, Eq)]
pub enum RuleError {
    /// There is something wrong with this one.
    Rule {
        /// As it was given; of a selector all of it.
        rule: Vec<u8>,
        /// Why.
        #[doc(hidden)]
        problem: RuleProblem,
    },
    /// A selector has no end.
    Unmatched {
        /// Its first word.
        start: Vec<u8>,
    },
}

/// Why; shown by [`RuleError::text`] only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RuleProblem(pub(crate) Problem);

impl RuleError {
    pub(crate) fn new(rule: &[u8], problem: Problem) -> Self {
        Self::Rule { rule: rule.to_vec(), problem: RuleProblem(problem) }
    }

    /// In the words of Redis, with the bytes that were given in it; `place` is where the rule was
    /// found, as in `Error in ACL SETUSER modifier`.
    #[must_use]
    pub fn text(&self, place: &str) -> Vec<u8> {
        match self {
            Self::Rule { rule, problem } => {
                [place.as_bytes(), b" '", rule, b"': ", problem.0.text().as_bytes()].concat()
            }
            Self::Unmatched { start } => {
                [b"Unmatched parenthesis in acl selector starting at '", &start[..], b"'."].concat()
            }
        }
    }
}

impl fmt::Debug for RuleError {
    /// Without the rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RuleError {
    /// Without the rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { problem, .. } => f.write_str(problem.0.text()),
            Self::Unmatched { .. } => f.write_str("a selector has no closing parenthesis"),
        }
    }
}

impl std::error::Error for RuleError {}
