//! What failed too often.

use std::time::{Duration, SystemTime};

use millstream::{
    DeadLetters, Error, Fields, HandlerError, LetterFilter, LetterPage, Requeued, StreamManager,
};

use crate::place::{GROUP, Place, Running, Seen, until};

async fn length(place: &Place, stream: &str) -> u64 {
    place.raw(&format!("XLEN {stream}")).await
}

pub(crate) async fn what_fails_too_often_becomes_a_letter_and_can_be_given_back(place: Place) {
    let seen = Seen::default();
    let ids = place.add(0..2).await;
    let is_mended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, {
        let (seen, is_mended) = (seen.clone(), is_mended.clone());
        move |message| {
            seen.note(&message);
            let is_mended = is_mended.load(std::sync::atomic::Ordering::Relaxed);
            let fails = message.text("n") == Some("1") && !is_mended;
            async move { if fails { Err(HandlerError::retry("no way")) } else { Ok(()) } }
        }
    });
    let letters = DeadLetters::new(&place.millstream, format!("{}:dlq", place.stream));
    until("there is a letter", async || {
        letters.list(None, 10).await.is_ok_and(|letters| letters.len() == 1)
    })
    .await;
    place.wait_until_nothing_is_pending().await;
    let tries = |all: Vec<(String, u64)>| all.into_iter().filter(|(n, _)| n == "1").map(|(_, d)| d);
    assert_eq!(tries(seen.all()).collect::<Vec<_>>(), [1, 2, 3]);
    let found = letters.list(None, 10).await.expect("letters");
    let letter = &found[0];
    assert_eq!((letter.original_id, letter.deliveries), (ids[1], 3));
    assert_eq!(letter.payload, Fields::new().with("n", "1"));
    assert_eq!((&*letter.stream, &*letter.group), (&*place.stream, GROUP));
    assert_eq!((&*letter.reason, &*letter.error), ("max-deliveries", "no way"));
    assert_eq!(letter.consumer, "c1");
    let age = SystemTime::now().duration_since(letter.failed_at).unwrap_or_default();
    assert!(age < Duration::from_mins(1), "{age:?}");
    // The letter may be seen before the worker has its answer.
    until("it was counted", async || health.report().dead_lettered == 1).await;

    is_mended.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(letters.find(&[ids[0], letter.id]).await.expect("letters"), found);
    assert_eq!(letters.would_requeue(letter).await.expect("it can"), Requeued::GivenBack);
    assert_eq!(letters.requeue(letter).await.expect("gives it back"), Requeued::GivenBack);
    assert_eq!(letters.requeue(letter).await.expect("it was given back"), Requeued::NotThere);
    assert_eq!(letters.would_requeue(letter).await.expect("it is gone"), Requeued::NotThere);
    until("it is handled", async || tries(seen.all()).count() == 4).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    assert_eq!(tries(seen.all()).next_back(), Some(1), "nothing is counted");
    assert_eq!(length(&place, "{s}").await, 2, "it is not added anew");
    assert_eq!(length(&place, "{s}:dlq").await, 0);
}

pub(crate) async fn what_is_rejected_becomes_a_letter_at_once(place: Place) {
    let seen = Seen::default();
    place.add(0..1).await;
    let elsewhere = format!("{}:elsewhere", place.stream);
    let consumer = place.builder("c1").dead_letters(&elsewhere).build().await.expect("a consumer");
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            async { Err(HandlerError::reject("it is no order")) }
        }
    });
    let letters = DeadLetters::new(&place.millstream, elsewhere);
    until("there is a letter", async || {
        letters.list(None, 10).await.is_ok_and(|letters| letters.len() == 1)
    })
    .await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    assert_eq!(seen.all().len(), 1);
    let letter = letters.list(None, 10).await.expect("letters").remove(0);
    assert_eq!((&*letter.reason, &*letter.error), ("fatal", "it is no order"));
    assert_eq!(letter.deliveries, 1);
    // Its entry is gone by now, with its stream: it comes as a new one.
    let _: i64 = place.raw("DEL {s}").await;
    assert_eq!(letters.would_requeue(&letter).await.expect("it can"), Requeued::AddedAnew);
    assert_eq!(length(&place, "{s}").await, 0);
    assert_eq!(letters.requeue(&letter).await.expect("gives it back"), Requeued::AddedAnew);
    assert_eq!(length(&place, "{s}").await, 1);
}

pub(crate) async fn letters_are_listed_in_pieces_and_deleted(place: Place) {
    place.add(0..9).await;
    let consumer = place.builder("c1").concurrency(4).build().await.expect("a consumer");
    let running = Running::start(consumer, |_| async { Err(HandlerError::reject("all of them")) });
    until("there are letters", async || length(&place, "{s}:dlq").await == 9).await;
    running.stop().await;
    let _: String = place.raw("XADD {s}:dlq * no letter").await;
    let strange = "original_id 1-1 original_data {} failed_at 1e19 delivery_count -1";
    let _: String = place.raw(&format!("XADD {{s}}:dlq * {strange}")).await;
    let letters = DeadLetters::new(&place.millstream, format!("{}:dlq", place.stream));
    let first = letters.list(None, 4).await.expect("letters");
    let rest = letters.list(Some(first[3].id), usize::MAX).await.expect("letters");
    assert_eq!((first.len(), rest.len()), (4, 6));
    let ids: Vec<_> = first.iter().map(|letter| letter.id).collect();
    assert_eq!(letters.purge(&ids).await.expect("deletes them"), 4);
    assert_eq!(letters.purge(&ids).await.expect("they are gone"), 0);
    assert_eq!(letters.purge(&[]).await.expect("nothing to do"), 0);
    assert_eq!(length(&place, "{s}:dlq").await, 7);
}

async fn write_letter(place: &Place, id: &str, more: &str) {
    let letter = "original_id 1-1 original_data {\"n\":\"1\"} stream {s}";
    let _: String = place.raw(&format!("XADD {{s}}:dlq {id} {letter} {more}")).await;
}

/// Millstream's XDLQ says no more than that it skipped a letter, as of one that is gone.
pub(crate) async fn a_letter_that_its_stream_refuses_is_not_taken_for_one_that_is_gone(
    place: Place,
) {
    let letters = DeadLetters::of(&place.millstream, &place.stream);
    write_letter(&place, "9-1", "group {g}").await;
    write_letter(&place, "9-2", "reason fatal").await;
    let found = letters.list(None, 10).await.expect("letters");
    let nowhere = letters.requeue(&found[1]).await;
    assert!(matches!(nowhere, Err(Error::Configuration(_))), "{nowhere:?}");
    let _: String = place.raw("SET {s} precious").await;
    for refused in [letters.would_requeue(&found[0]).await, letters.requeue(&found[0]).await] {
        let is_told = matches!(&refused, Err(Error::Refused { code, .. }) if code == "WRONGTYPE");
        assert!(is_told, "{refused:?}");
    }
    if place.millstream.abilities().has_retention {
        let _: i64 = place.raw("DEL {s}").await;
        place.add(0..1).await;
        let _: String = place.raw("XCFGSET {s} MAXLEN 1 OVERFLOW REJECT").await;
        let full = letters.requeue(&found[0]).await;
        assert!(matches!(&full, Err(Error::Refused { code, .. }) if code == "SKIPPED"), "{full:?}");
        assert_eq!(length(&place, "{s}").await, 1);
    }
    assert_eq!(letters.list(None, 10).await.expect("letters"), found);
}

/// Somebody may be at work on it.
pub(crate) async fn what_is_pending_again_is_not_taken_away_by_its_letter(place: Place) {
    let _: String = place.raw("XADD {s} 1-1 n 1").await;
    let _: String = place.raw("XGROUP CREATE {s} {g} 0").await;
    let read = "XREADGROUP GROUP {g} ada STREAMS {s} >";
    let _: redis::Value = place.raw(read).await;
    write_letter(&place, "9-1", "group {g}").await;
    let letters = DeadLetters::of(&place.millstream, &place.stream);
    let letter = letters.list(None, 1).await.expect("letters").remove(0);
    assert_eq!(letters.requeue(&letter).await.expect("it is back"), Requeued::GivenBack);
    let rows: Vec<(String, String, u64, u64)> = place.raw("XPENDING {s} {g} - + 9").await;
    assert_eq!((rows.len(), &*rows[0].1, rows[0].3), (1, "ada", 1));
    assert_eq!(length(&place, "{s}:dlq").await, 0);
}

/// However few pass a filter, a page looks at no more than it may.
pub(crate) async fn letters_are_looked_at_a_page_at_a_time(place: Place) {
    for id in 1..=250 {
        let group = if id % 100 == 0 { "group g2" } else { "group g1" };
        write_letter(&place, &format!("{id}-1"), group).await;
    }
    let letters = DeadLetters::of(&place.millstream, &place.stream);
    let ids = |page: &LetterPage| page.letters.iter().map(|it| it.id.ms).collect::<Vec<_>>();
    let next = |page: &LetterPage| page.next.map(|next| next.ms);
    let any = LetterFilter::new();
    let page = letters.newest_like(&any, None, 3, 1000).await.expect("a page");
    assert_eq!((ids(&page), next(&page)), (vec![250, 249, 248], Some(248)));
    let page = letters.newest_like(&any, page.next, 1000, 1000).await.expect("a page");
    assert_eq!((page.letters.len(), ids(&page)[0], next(&page)), (247, 247, None));
    let page = letters.oldest_like(&any, None, 250, 1000).await.expect("a page");
    assert_eq!((page.letters.len(), next(&page)), (250, None));

    let few = LetterFilter::new().group("g2");
    let page = letters.oldest_like(&few, None, 1, 1000).await.expect("a page");
    assert_eq!((ids(&page), next(&page)), (vec![100], Some(199)));
    let page = letters.oldest_like(&few, page.next, 1, 1000).await.expect("a page");
    assert_eq!((ids(&page), next(&page)), (vec![200], None));
    let page = letters.oldest_like(&few, None, 5, 50).await.expect("a page");
    assert_eq!((ids(&page), next(&page)), (vec![], Some(50)));
    let page = letters.newest_like(&few, None, 5, 60).await.expect("a page");
    assert_eq!((ids(&page), next(&page)), (vec![200], Some(191)));
    // None is as old as that.
    let old = LetterFilter::new().min_age(Duration::from_secs(100 * 365 * 24 * 3600));
    let page = letters.newest_like(&old, None, 5, 60).await.expect("a page");
    assert_eq!((ids(&page), next(&page)), (vec![], None));
}

pub(crate) async fn a_letter_is_given_back_as_another_entry(place: Place) {
    write_letter(&place, "9-1", "group {g}").await;
    write_letter(&place, "9-2", "group {g}").await;
    let letters = DeadLetters::of(&place.millstream, &place.stream);
    let found = letters.list(None, 2).await.expect("letters");
    let changed = Fields::new().with("n", vec![0xff, 0]).with("m", "2");
    let added = letters.requeue_changed(&found[0], &changed).await.expect("it is added");
    let entries = StreamManager::new(&place.millstream, &place.stream).entries(.., 9).await;
    let entries = entries.expect("entries");
    assert_eq!(entries.iter().map(|it| it.id).collect::<Vec<_>>(), [added.expect("an id")]);
    assert_eq!(entries[0].fields, changed);
    let again = letters.requeue_changed(&found[0], &changed).await.expect("nothing is done");
    assert_eq!((again, length(&place, "{s}").await), (None, 1));
    let nothing = letters.requeue_changed(&found[1], &Fields::new()).await;
    assert!(matches!(nothing, Err(Error::Configuration(_))), "{nothing:?}");
    let _: String = place.raw("SET {s} precious").await;
    let refused = letters.requeue_changed(&found[1], &changed).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert_eq!(letters.list(None, 9).await.expect("letters"), found[1..]);
}

pub(crate) async fn letters_are_found_by_what_they_say(place: Place) {
    write_letter(&place, "1-1", "group g1 consumer a reason fatal error no-way").await;
    let _: String = place.raw("XADD {s}:dlq 2-1 no letter").await;
    write_letter(&place, "3-1", "group g2 consumer a reason max-deliveries").await;
    write_letter(&place, "4-1", "group g1 consumer b reason max-deliveries error way-out").await;
    write_letter(&place, "99999999999999-1", "group g1 consumer b reason fatal error no").await;
    let letters = DeadLetters::of(&place.millstream, &place.stream);
    let any = LetterFilter::new;
    for (filter, expected) in [
        (any(), &[1, 3, 4, 99_999_999_999_999][..]),
        (any().group("g1"), &[1, 4, 99_999_999_999_999]),
        (any().group("g1").reason("max-deliveries"), &[4]),
        (any().consumer("a"), &[1, 3]),
        (any().error("way"), &[1, 4]),
        (any().stream("elsewhere"), &[]),
        (any().stream(&place.stream).min_age(Duration::from_secs(1)), &[1, 3, 4]),
    ] {
        let found = letters.list_like(&filter, None, 10).await.expect("letters");
        let found: Vec<_> = found.iter().map(|letter| letter.id.ms).collect();
        assert_eq!(found, expected, "{filter:?}");
        let mut one_by_one = Vec::new();
        let mut after = None;
        while let [next] = &letters.list_like(&filter, after, 1).await.expect("letters")[..] {
            one_by_one.push(next.id.ms);
            after = Some(next.id);
        }
        assert_eq!(one_by_one, expected, "{filter:?}");
    }
}
