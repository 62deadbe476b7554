//! What new groups do by themselves, from the owner's rules.

use millstream_command::DefaultPolicies;
use millstream_engine::DefaultPolicy;

use crate::{Config, StartError};

pub(crate) fn default_policy(config: &Config) -> Result<DefaultPolicy, StartError> {
    let mut policies = DefaultPolicies::default();
    for rule in &config.group_policies {
        let items: Vec<&str> = rule.items.iter().map(String::as_str).collect();
        policies.add(&rule.stream, &rule.group, &items).map_err(|why| StartError::Setting {
            name: format!("group-policy of stream '{}', group '{}'", rule.stream, rule.group),
            why,
        })?;
    }
    Ok(DefaultPolicy::new(move |key, group| policies.find(key, group)))
}
