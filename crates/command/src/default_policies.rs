//! Policies that new groups get by the names of their streams and their own: those of programs that
//! know nothing of XGROUP CFGSET.

use millstream_model::GroupPolicy;

use crate::glob;
use crate::options::Options;
use crate::streams::group_policy::PolicyChange;

/// The first whose patterns fit counts.
#[derive(Clone, Debug, Default)]
pub struct DefaultPolicies(Vec<(Vec<u8>, Vec<u8>, GroupPolicy)>);

impl DefaultPolicies {
    /// Adds one: patterns as of KEYS for the key of the stream and the name of the group, and items
    /// with their values as XGROUP CFGSET takes them.
    ///
    /// # Errors
    /// What CFGSET would say.
    pub fn add(&mut self, stream: &str, group: &str, items: &[&str]) -> Result<(), String> {
        let words: Vec<&[u8]> = items.iter().map(|word| word.as_bytes()).collect();
        let change = PolicyChange::parse(&mut Options::new(&words, 0))
            .map_err(|refusal| refusal.text_without_code())?;
        let mut policy = GroupPolicy::default();
        change.apply(&mut policy);
        self.0.push((stream.into(), group.into(), policy));
        Ok(())
    }

    /// What a new group does by itself.
    #[must_use]
    pub fn find(&self, key: &[u8], group: &[u8]) -> GroupPolicy {
        let fits = |(stream, name, _): &&(Vec<u8>, Vec<u8>, GroupPolicy)| {
            glob::matches(stream, key) && glob::matches(name, group)
        };
        self.0.iter().find(fits).map(|(.., policy)| policy.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_counts() {
        let mut policies = DefaultPolicies::default();
        policies.add("orders:*", "audit", &["PAUSED", "1"]).expect("an item");
        let items = ["VISIBILITY", "500", "BACKOFF", "1", "2", "3"];
        policies.add("orders:*", "*", &items).expect("items");
        assert!(policies.find(b"orders:eu", b"audit").is_paused);
        assert_eq!(policies.find(b"orders:eu", b"workers").visibility_ms, 500);
        assert!(!policies.find(b"orders", b"workers").is_managed());
        let error = policies.add("*", "*", &["COLOUR", "red"]).expect_err("no such item");
        assert!(error.starts_with("unknown policy item 'COLOUR'"), "{error}");
        let error = policies.add("*", "*", &["JITTER"]).expect_err("no value");
        assert_eq!(error, "policy item JITTER needs a value");
    }
}
