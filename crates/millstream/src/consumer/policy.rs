//! Seeing to it that a consumer's groups are there, with a policy where the server has policies.

use std::collections::HashMap;
use std::time::Duration;

use super::builder::Settings;
use super::housekeeping::done_until;
use super::method::Method;
use crate::{ConsumerGroupManager, EntryId, Error, GroupPolicy, Millstream};

/// What a consumer begins with.
pub(super) struct PreparedGroups {
    /// For how long a message is ours without a word from us.
    pub(super) lease: Duration,
    /// Up to where everything is done, by stream.
    pub(super) done_until: HashMap<String, EntryId>,
}

/// Makes groups that are missing and gives a policy to those that have none.
pub(super) async fn prepare_groups(
    millstream: &Millstream,
    settings: &Settings,
    method: Method,
) -> Result<PreparedGroups, Error> {
    let has_policies = method == Method::Policy;
    millstream.need(has_policies || settings.order_by.is_none(), "order by a field (ORDERBY)")?;
    let has_limit = settings.max_in_flight.is_some();
    millstream.need(has_policies || !has_limit, "limit of entries in work (MAXINFLIGHT)")?;
    millstream.need(has_policies || !settings.is_paused, "paused groups (PAUSED)")?;
    let mut lease = settings.claim_min_idle;
    let mut cursors = HashMap::new();
    for stream in &settings.streams {
        let manager = ConsumerGroupManager::new(millstream, stream.as_str());
        manager.create(&settings.group, settings.start).await?;
        if has_policies && !settings.is_no_ack {
            let letters = settings.dead_letters_of(millstream, stream);
            let visibility = manage(&manager, settings, stream, letters).await?;
            lease = lease.min(visibility.unwrap_or(lease));
        }
        if method == Method::Leased && millstream.abilities().has_policies {
            has_no_policy(&manager, &settings.group, stream).await?;
        }
        cursors.insert(stream.clone(), done_until(millstream, stream, &settings.group).await?);
    }
    Ok(PreparedGroups { lease, done_until: cursors })
}

/// Sees to it that the group has a policy; returns its VISIBILITY, if it has one.
async fn manage(
    manager: &ConsumerGroupManager,
    settings: &Settings,
    stream: &str,
    letters: String,
) -> Result<Option<Duration>, Error> {
    let found = manager.policy(&settings.group).await?;
    if found == GroupPolicy::default() {
        let policy = policy_of(settings, letters);
        manager.set_policy(&settings.group, &policy).await?;
        return Ok(policy.visibility);
    }
    // What was asked for must not silently be otherwise.
    let differs = |item: &str| {
        let group = &settings.group;
        let text =
            format!("the group {group} of {stream} has a policy already, with another {item}");
        Err(Error::Configuration(text))
    };
    if settings.order_by.is_some() && settings.order_by != found.order_by {
        return differs("ORDERBY");
    }
    if settings.max_in_flight.is_some() && settings.max_in_flight != found.max_in_flight {
        return differs("MAXINFLIGHT");
    }
    Ok(found.visibility)
}

fn policy_of(settings: &Settings, letters: String) -> GroupPolicy {
    GroupPolicy {
        visibility: Some(settings.claim_min_idle),
        max_deliveries: Some(settings.max_retries),
        dead_letters: Some(letters),
        backoff: Some(settings.backoff).filter(|backoff| !backoff.base.is_zero()),
        max_in_flight: settings.max_in_flight,
        order_by: settings.order_by.clone(),
        consumer_ttl: settings.consumer_ttl,
        consumer_deletion: None,
        is_paused: settings.is_paused,
    }
}

/// What the server hands out again itself has no order that leases could keep.
async fn has_no_policy(
    manager: &ConsumerGroupManager,
    group: &str,
    stream: &str,
) -> Result<(), Error> {
    if manager.policy(group).await? == GroupPolicy::default() {
        return Ok(());
    }
    Err(Error::Configuration(format!(
        "the group {group} of {stream} has a policy, by which the server hands messages out again \
         itself: their order cannot be kept by leases"
    )))
}
