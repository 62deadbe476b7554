//! Commands on groups, pending entries and dead letters as they are sent.

use super::arguments::Arguments;
use super::{DeliveredAt, LetterAction, NackMode, OnGroups, OnLetters, PendingList, PolicyChange};
use crate::reference::factor;

pub(super) fn groups(command: &OnGroups) -> Arguments {
    match command {
        OnGroups::Create { key, group, at, make_stream, read, policy } => {
            let create = Arguments::of("XGROUP CREATE")
                .text(key)
                .text(group)
                .position(*at)
                .flag("MKSTREAM", *make_stream)
                .option("ENTRIESREAD", *read);
            match policy {
                Some(change) => items(create.word("CFG"), change),
                None => create,
            }
        }
        OnGroups::SetPosition { key, group, at, read } => Arguments::of("XGROUP SETID")
            .text(key)
            .text(group)
            .position(*at)
            .option("ENTRIESREAD", *read),
        OnGroups::Destroy(key, group) => Arguments::of("XGROUP DESTROY").text(key).text(group),
        OnGroups::CreateConsumer(key, group, consumer) => {
            Arguments::of("XGROUP CREATECONSUMER").text(key).text(group).text(consumer)
        }
        OnGroups::DeleteConsumer(key, group, consumer) => {
            Arguments::of("XGROUP DELCONSUMER").text(key).text(group).text(consumer)
        }
        OnGroups::SetPolicy(key, group, change) => {
            items(Arguments::of("XGROUP CFGSET").text(key).text(group), change)
        }
        OnGroups::Policy(key, group) => Arguments::of("XGROUP CFGGET").text(key).text(group),
        OnGroups::Skip(key, group, id) => {
            Arguments::of("XGROUP SKIP").text(key).text(group).word(id)
        }
        OnGroups::Pending(key, group, list) => pending(key, group, list.as_ref()),
        OnGroups::Groups(key) => Arguments::of("XINFO GROUPS").text(key),
        OnGroups::Consumers(key, group) => Arguments::of("XINFO CONSUMERS").text(key).text(group),
        OnGroups::Ack { .. } | OnGroups::AckDelete(..) | OnGroups::Nack { .. } => {
            settlements(command)
        }
        OnGroups::Claim(_) | OnGroups::AutoClaim(_) => claims(command),
    }
}

fn items(arguments: Arguments, change: &PolicyChange) -> Arguments {
    let mut arguments = arguments
        .option("VISIBILITY", change.visibility_ms)
        .option("MAXDELIVERIES", change.deliveries_max)
        .option("JITTER", change.jitter_percent)
        .option("MAXINFLIGHT", change.in_flight_max)
        .option("CONSUMERTTL", change.consumer_ttl_ms)
        .option("PAUSED", change.is_paused.map(u64::from));
    if let Some(target) = &change.dead_letter {
        arguments = arguments.word("DEADLETTER").text(target.as_deref().unwrap_or(b"NONE"));
    }
    if let Some(field) = &change.order_by {
        arguments = arguments.word("ORDERBY").text(field.as_deref().unwrap_or(b"NONE"));
    }
    if let Some(drops) = change.drops {
        let word = drops.map_or("NONE", |drops| if drops { "DROP" } else { "RELEASE" });
        arguments = arguments.word("DELCONSUMER").word(word);
    }
    match &change.backoff {
        None => arguments,
        Some(None) => arguments.word("BACKOFF").word("NONE"),
        Some(Some(backoff)) => arguments
            .word("BACKOFF")
            .word(backoff.base_ms)
            .word(factor(backoff))
            .word(backoff.max_ms),
    }
}

fn settlements(command: &OnGroups) -> Arguments {
    match command {
        OnGroups::Ack { key, group, fence, ids } => {
            let mut arguments = Arguments::of("XACK").text(key).text(group);
            if let Some(fence) = fence {
                let consumer = &fence.consumer;
                arguments = arguments.word("FENCE").text(consumer).option("ATTEMPT", fence.attempt);
            }
            arguments.ids(ids)
        }
        OnGroups::AckDelete(key, group, references, ids) => {
            Arguments::of("XACKDEL").text(key).text(group).references(*references).counted_ids(ids)
        }
        OnGroups::Nack { key, group, mode, count, force, delay_ms, error, ids } => {
            let mode = match mode {
                NackMode::Silent => "SILENT",
                NackMode::Fail => "FAIL",
                NackMode::Fatal => "FATAL",
            };
            let nack = Arguments::of("XNACK").text(key).text(group).word(mode).counted_ids(ids);
            let nack = nack.option("RETRYCOUNT", *count).flag("FORCE", *force);
            nack.option("DELAY", *delay_ms).text_option("ERROR", error.as_ref())
        }
        _ => unreachable!("no settlement"),
    }
}

fn claims(command: &OnGroups) -> Arguments {
    match command {
        OnGroups::Claim(claim) => {
            let (idle, time) = match claim.delivered_at {
                Some(DeliveredAt::Idle(idle_ms)) => (Some(idle_ms), None),
                Some(DeliveredAt::Time(at_ms)) => (None, Some(at_ms)),
                None => (None, None),
            };
            Arguments::of("XCLAIM")
                .texts([&claim.key, &claim.group, &claim.consumer])
                .word(claim.min_idle_ms)
                .ids(&claim.ids)
                .option("IDLE", idle)
                .option("TIME", time)
                .option("RETRYCOUNT", claim.retry_count)
                .flag("FORCE", claim.force)
                .flag("JUSTID", claim.just_ids)
                .flag("FENCE", claim.is_fenced)
                .option("LASTID", claim.last_id)
        }
        OnGroups::AutoClaim(claim) => Arguments::of("XAUTOCLAIM")
            .texts([&claim.key, &claim.group, &claim.consumer])
            .word(claim.min_idle_ms)
            .word(claim.start)
            .word("COUNT")
            .word(claim.count)
            .flag("JUSTID", claim.just_ids),
        _ => unreachable!("no claim"),
    }
}

fn pending(key: &[u8], group: &[u8], list: Option<&PendingList>) -> Arguments {
    let summary = Arguments::of("XPENDING").text(key).text(group);
    let Some(list) = list else { return summary };
    let listed =
        summary.option("IDLE", list.min_idle_ms).word(list.from).word(list.to).word(list.count);
    listed.texts(&list.consumer)
}

pub(super) fn letters(command: &OnLetters) -> Arguments {
    let word = match command.action {
        LetterAction::List => "XDLQ LIST",
        LetterAction::Requeue { .. } => "XDLQ REQUEUE",
        LetterAction::Purge => "XDLQ PURGE",
    };
    let mut arguments = Arguments::of(word).text(&command.key);
    if let Some(ids) = &command.ids {
        arguments = arguments.counted_ids(ids);
    }
    arguments
        .text_option("GROUP", command.group.as_ref())
        .text_option("REASON", command.reason.as_ref())
        .text_option("CONSUMER", command.consumer.as_ref())
        .option("MINAGE", command.min_age_ms)
        .option("COUNT", command.count)
        .option("CURSOR", command.cursor)
        .flag("DRYRUN", command.is_dry)
        .flag("MKSTREAM", command.action == LetterAction::Requeue { make_stream: true })
}
