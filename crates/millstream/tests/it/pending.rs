//! Pending entries, looked at and changed one by one.

use std::time::Duration;

use millstream::{EntryId, Error, GroupStart, Nack, NackMode, PendingEntries, PendingFilter};

use crate::place::{GROUP, Place};

async fn six_pending(place: &Place) -> (PendingEntries, Vec<EntryId>) {
    place.manager().create(GROUP, GroupStart::First).await.expect("makes it");
    let ids = place.add(0..6).await;
    let _: redis::Value = place.raw("XREADGROUP GROUP {g} a STREAMS {s} >").await;
    (PendingEntries::new(&place.millstream, &place.stream, GROUP), ids)
}

pub(crate) async fn pending_entries_are_found_by_range_filter_and_id(place: Place) {
    let nothing = PendingEntries::new(&place.millstream, &place.stream, GROUP);
    let missing = nothing.list(.., &PendingFilter::new(), 9).await;
    assert!(matches!(missing, Err(Error::NoGroup(_))), "{missing:?}");
    let (pending, ids) = six_pending(&place).await;
    let idle = "IDLE 3600000 RETRYCOUNT 4 JUSTID";
    let _: redis::Value = place.raw(&format!("XCLAIM {{s}} {{g}} b 0 {} {idle}", ids[4])).await;
    let listed =
        async |range: (std::ops::Bound<EntryId>, std::ops::Bound<EntryId>), filter, count| {
            let found = pending.list(range, &filter, count).await.expect("a list");
            found.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
        };
    let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    assert_eq!(listed(all, PendingFilter::new(), 100).await, ids);
    assert_eq!(listed(all, PendingFilter::new(), 2).await, ids[..2]);
    assert_eq!(listed(all, PendingFilter::new(), 0).await, []);
    let behind = (std::ops::Bound::Excluded(ids[2]), std::ops::Bound::Included(ids[4]));
    assert_eq!(listed(behind, PendingFilter::new(), 100).await, ids[3..5]);
    assert_eq!(listed(all, PendingFilter::new().min_deliveries(2), 100).await, [ids[4]]);
    assert_eq!(listed(all, PendingFilter::new().consumer("b"), 100).await, [ids[4]]);
    let idle = PendingFilter::new().min_idle(Duration::from_mins(30));
    assert_eq!(listed(all, idle.clone(), 100).await, [ids[4]]);
    assert_eq!(listed(all, idle.consumer("a"), 100).await, []);
    // A look that ends before it has found all says where to go on.
    let often = PendingFilter::new().min_deliveries(2);
    let first = pending.page(all, &often, 9, 4).await.expect("a page");
    assert_eq!((first.found.len(), first.looked_at, first.next), (0, 4, Some(ids[3])));
    let rest = (std::ops::Bound::Excluded(ids[3]), std::ops::Bound::Unbounded);
    let second = pending.page(rest, &often, 9, 4).await.expect("a page");
    assert_eq!((second.found.len(), second.looked_at, second.next), (1, 2, None));
    assert_eq!(second.found[0].id, ids[4]);
    let any = pending.page(all, &PendingFilter::new().consumer("a"), 2, 9).await.expect("a page");
    assert_eq!((any.found.len(), any.looked_at, any.next), (2, 2, Some(ids[1])));
    let idle = PendingFilter::new().min_idle(Duration::from_mins(30)).consumer("b");
    assert_eq!(pending.page(all, &idle, 9, 9).await.expect("a page").found.len(), 1);
    let never = EntryId { ms: 1, seq: 1 };
    let found = pending.find(&[ids[4], never, ids[0]]).await.expect("an answer");
    assert_eq!(found.iter().map(|entry| entry.id).collect::<Vec<_>>(), [ids[4], ids[0]]);
    assert_eq!((found[0].consumer.as_deref(), found[0].deliveries), (Some(&b"b"[..]), 4));
    assert!(found[0].idle.is_some_and(|idle| idle >= Duration::from_mins(60)), "{found:?}");
}

pub(crate) async fn the_error_of_what_is_pending_is_told_where_there_is_one(place: Place) {
    let (pending, ids) = six_pending(&place).await;
    let first = pending.list(ids[0]..=ids[0], &PendingFilter::new(), 1).await.expect("a list");
    let abilities = place.millstream.abilities();
    if abilities.has_policies {
        let _: () = place.raw("XGROUP CFGSET {s} {g} VISIBILITY 3600000").await;
        let nack = Nack::new(NackMode::Fail).error("no\nstock");
        let done = pending.give_back(&first, &nack).await.expect("an answer");
        assert_eq!(done, [ids[0]]);
    }
    let said = abilities.has_pending_errors.then_some(&b"no\nstock"[..]);
    assert_eq!(abilities.has_pending_errors, abilities.has_policies);
    let asking = pending.clone().with_errors();
    let listed = asking.list(.., &PendingFilter::new(), 9).await.expect("a list");
    let errors: Vec<_> = listed.iter().map(|it| it.error.as_deref()).collect();
    assert_eq!(errors, [said, None, None, None, None, None]);
    let page = asking.page(.., &PendingFilter::new(), 1, 9).await.expect("a page");
    assert_eq!(page.found[0].error.as_deref(), said);
    let found = asking.find(&[ids[1], ids[0]]).await.expect("an answer");
    assert_eq!(found[1].error.as_deref(), said);
    let unasked = pending.find(&[ids[0]]).await.expect("an answer");
    assert_eq!(unasked[0].error, None);
}

/// Between the look and the change one goes to another consumer, one comes again to the same, and
/// one is acknowledged: only the other three are meant.
pub(crate) async fn pending_entries_are_changed_only_as_they_were_seen(place: Place) {
    let (pending, ids) = six_pending(&place).await;
    let seen = pending.list(.., &PendingFilter::new(), 9).await.expect("a list");
    let claim = async |id: EntryId, consumer: &str| {
        let _: redis::Value = place.raw(&format!("XCLAIM {{s}} {{g}} {consumer} 0 {id}")).await;
    };
    claim(ids[1], "b").await;
    claim(ids[3], "a").await;
    let _: u64 = place.raw(&format!("XACK {{s}} {{g}} {}", ids[4])).await;
    let rest = vec![ids[0], ids[2], ids[5]];
    let owners = async || {
        let found = pending.list(.., &PendingFilter::new(), 9).await.expect("a list");
        let owner = |it: millstream::PendingEntry| it.consumer.unwrap_or_default();
        found.into_iter().map(owner).collect::<Vec<_>>()
    };

    let none = pending.claim(&seen, "c", Duration::from_hours(1)).await.expect("an answer");
    assert_eq!(none, [], "none was idle for so long");
    let mut claimed = pending.claim(&seen, "c", Duration::ZERO).await.expect("an answer");
    claimed.sort_unstable();
    assert_eq!(claimed, rest);
    assert_eq!(owners().await, ["c", "b", "c", "a", "c"]);
    let none = pending.acknowledge(&seen).await.expect("an answer");
    assert_eq!(none, [], "all of them are others' now, or were delivered again");

    let seen = pending.list(.., &PendingFilter::new(), 9).await.expect("a list");
    claim(ids[0], "d").await;
    let nack = Nack::new(NackMode::Silent);
    let mut given_back = pending.give_back(&seen, &nack).await.expect("an answer");
    given_back.sort_unstable();
    assert_eq!(given_back, [ids[1], ids[2], ids[3], ids[5]]);
    let long = PendingFilter::new().min_idle(Duration::from_hours(1));
    let idle = pending.list(.., &long, 9).await.expect("a list");
    assert_eq!(idle.iter().map(|it| it.deliveries).collect::<Vec<_>>(), [1, 0, 1, 0]);
    // What nobody has is taken unless somebody has it by then.
    claim(ids[1], "d").await;
    let mut taken = pending.claim(&idle, "e", Duration::ZERO).await.expect("an answer");
    taken.sort_unstable();
    assert_eq!(taken, [ids[2], ids[3], ids[5]]);
    assert_eq!(owners().await, ["d", "d", "e", "e", "e"]);

    let fatal = Nack::new(NackMode::Fatal).delay(Duration::from_secs(1));
    let refused = pending.give_back(&idle, &fatal).await;
    assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    let seen = pending.list(.., &PendingFilter::new(), 9).await.expect("a list");
    assert_eq!(pending.acknowledge(&seen).await.expect("an answer").len(), 5);
    assert_eq!(place.pending().await, 0);
}
