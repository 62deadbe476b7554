//! A policy of new groups as the user writes it: a text, or a table of the configuration file.

use std::collections::BTreeMap;
use std::str::FromStr;

use millstream_server::GroupPolicyRule;
use serde::{Deserialize, Serialize};

/// A policy of new groups. In the file a text as of the flag, or a table: `stream`, `group` (every
/// one, if it is missing) and the items in lower case, of which one with several values is a text
/// or a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "toml::Value", into = "toml::Value")]
pub(crate) struct PolicyRule {
    pub(crate) rule: GroupPolicyRule,
    /// As it was written, to be shown.
    written: toml::Value,
}

#[derive(Deserialize)]
struct PolicyTable {
    stream: String,
    #[serde(default = "every")]
    group: String,
    #[serde(flatten)]
    items: BTreeMap<String, PolicyValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PolicyValue {
    One(PolicyWord),
    List(Vec<PolicyWord>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PolicyWord {
    Number(i64),
    Decimal(f64),
    Switch(bool),
    Text(String),
}

fn every() -> String {
    "*".to_owned()
}

impl FromStr for PolicyRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { rule: text.parse()?, written: text.into() })
    }
}

impl From<PolicyRule> for toml::Value {
    fn from(rule: PolicyRule) -> Self {
        rule.written
    }
}

impl TryFrom<toml::Value> for PolicyRule {
    type Error = String;

    fn try_from(written: toml::Value) -> Result<Self, Self::Error> {
        if let Some(text) = written.as_str() {
            return text.parse();
        }
        let table = PolicyTable::deserialize(written.clone()).map_err(|it| it.to_string())?;
        Ok(Self { rule: table.into(), written })
    }
}

impl From<PolicyTable> for GroupPolicyRule {
    fn from(table: PolicyTable) -> Self {
        let mut items = Vec::new();
        for (name, value) in table.items {
            let has_several = name.eq_ignore_ascii_case("backoff");
            items.push(name);
            let words = match value {
                PolicyValue::One(word) => vec![word],
                PolicyValue::List(words) => words,
            };
            for word in words {
                match word {
                    PolicyWord::Number(number) => items.push(number.to_string()),
                    PolicyWord::Decimal(number) => items.push(number.to_string()),
                    PolicyWord::Switch(is_on) => items.push(u8::from(is_on).to_string()),
                    PolicyWord::Text(text) if has_several => {
                        items.extend(text.split_whitespace().map(str::to_owned));
                    }
                    PolicyWord::Text(text) => items.push(text),
                }
            }
        }
        Self { stream: table.stream, group: table.group, items }
    }
}
