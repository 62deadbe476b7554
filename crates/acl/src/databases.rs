//! Which databases a selector allows; the rules are Valkey's.

use std::collections::BTreeSet;

use millstream_command::integer::parse_i64;

use crate::rule_error::Problem;

/// All of them, or those of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum DatabaseRules {
    #[default]
    All,
    Only(BTreeSet<u32>),
}

impl DatabaseRules {
    /// The part of `db=0,1` behind the sign; it takes the place of what was before.
    pub(crate) fn parse(list: &[u8]) -> Result<Self, Problem> {
        let number = |text: &[u8]| match parse_i64(text) {
            Some(number) => u32::try_from(number).map_err(|_| Problem::DatabaseRange),
            None => Err(Problem::Syntax),
        };
        let numbers = list.split(|byte| *byte == b',').map(number);
        numbers.collect::<Result<_, _>>().map(Self::Only)
    }

    pub(crate) fn allows(&self, db: u32) -> bool {
        match self {
            Self::All => true,
            Self::Only(numbers) => numbers.contains(&db),
        }
    }

    pub(crate) const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The rule that says it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::All => "alldbs".to_owned(),
            Self::Only(numbers) if numbers.is_empty() => "resetdbs".to_owned(),
            Self::Only(numbers) => {
                let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
                format!("db={}", numbers.join(","))
            }
        }
    }
}
