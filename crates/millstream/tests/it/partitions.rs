//! Streams in several parts: who has which, and in what order messages are handled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::{
    Backoff, ConsumerBuilder, DeadLetters, Error, Fields, GroupPolicy, HandlerError, Message,
    PartitionedStream, StreamConsumer,
};
use tokio::time::sleep;

use crate::place::{GROUP, Place, Running, Seen, until};

/// Far more than a busy machine keeps a task waiting, and short enough to be waited for.
pub(crate) const LEASE: Duration = Duration::from_millis(1500);

/// Braces are the partitions' own.
pub(crate) async fn partitioned(place: &Place, partitions: u16) -> PartitionedStream {
    let name = place.stream.replace(['{', '}'], "");
    PartitionedStream::new(&place.millstream, &name, partitions).await.expect("it is new")
}

/// With short waits.
pub(crate) fn builder(stream: &PartitionedStream, name: &str) -> ConsumerBuilder {
    let (base, max) = (Duration::from_millis(20), Duration::from_millis(100));
    StreamConsumer::partitioned(stream, GROUP)
        .name(name)
        .block(Duration::from_millis(200))
        .backoff(Backoff { base, factor: 2.0, max, jitter: 0.0 })
}

fn entry(key: usize, number: usize) -> Fields {
    Fields::new().with("n", format!("{key}/{number}"))
}

/// Key and number of a message.
pub(crate) fn parse(text: &str) -> (usize, usize) {
    let (key, number) = text.split_once('/').expect("a key and a number");
    (key.parse().expect("a key"), number.parse().expect("a number"))
}

/// Panics if something of a key was begun for the first time before something that is older.
pub(crate) fn check_order(seen: &[(String, u64)]) {
    let mut newest: BTreeMap<usize, usize> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (text, _) in seen {
        let (key, number) = parse(text);
        if known.insert((key, number)) {
            let before = newest.insert(key, number);
            assert!(before.is_none_or(|before| before < number), "{text} came after {before:?}");
        }
    }
}

async fn owners(stream: &PartitionedStream) -> Vec<Option<String>> {
    let all = stream.statistics(GROUP).await.expect("statistics");
    all.into_iter().map(|partition| partition.owner).collect()
}

/// How many partitions each owner has; `None`: some have none.
async fn shares(stream: &PartitionedStream) -> Option<BTreeMap<String, usize>> {
    let mut shares = BTreeMap::new();
    for owner in owners(stream).await {
        *shares.entry(owner?).or_default() += 1;
    }
    Some(shares)
}

async fn wait_for_shares(stream: &PartitionedStream, wanted: &[(&str, usize)]) {
    let wanted: BTreeMap<String, usize> =
        wanted.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    until(&format!("shares are {wanted:?}"), async || {
        shares(stream).await.as_ref() == Some(&wanted)
    })
    .await;
}

async fn wait_until_all_is_done(stream: &PartitionedStream) {
    until("all is done", async || {
        let all = stream.statistics(GROUP).await.expect("statistics");
        all.iter().all(|partition| {
            let group = partition.group.as_ref().expect("a group");
            group.pending.total == 0 && group.group.lag == Some(0)
        })
    })
    .await;
}

pub(crate) async fn a_key_has_one_partition_and_their_number_stays(place: Place) {
    let stream = partitioned(&place, 4).await;
    let again = partitioned(&place, 4).await;
    assert_eq!((again.partitions(), again.name()), (4, stream.name()));
    let other = PartitionedStream::new(&place.millstream, stream.name(), 8).await;
    let Err(Error::Configuration(text)) = other else { panic!("{other:?}") };
    assert!(text.contains("has 4 partitions"), "{text}");
    for (name, partitions) in [("", 4), ("{x}", 4), ("x", 0), ("x", 5000)] {
        let refused = PartitionedStream::new(&place.millstream, name, partitions).await;
        assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    }
    assert_eq!(stream.partition_of("123456789"), 3);
    for number in 0..40 {
        stream.add(format!("key-{}", number % 10), &entry(number % 10, number)).await.expect("add");
    }
    assert_eq!(stream.length().await.expect("a length"), 40);
    let mut lengths = Vec::new();
    for partition in 0..4 {
        let expected = (0..10).filter(|key| stream.partition_of(format!("key-{key}")) == partition);
        let length = place.millstream.len(&stream.stream(partition)).await.expect("a length");
        assert_eq!(length, 4 * expected.count() as u64);
        lengths.push(length);
    }
    let statistics = stream.statistics(GROUP).await.expect("statistics");
    assert_eq!(statistics.iter().map(|it| it.length).collect::<Vec<_>>(), lengths);
    assert!(statistics.iter().all(|it| it.group.is_none() && it.owner.is_none()));
}

pub(crate) async fn all_consumers_handle_all_partitions_without_leases(place: Place) {
    let stream = partitioned(&place, 5).await;
    let seen = Seen::default();
    let mut running = Vec::new();
    for name in ["c1", "c2"] {
        let consumer = builder(&stream, name).concurrency(3).build().await.expect("a consumer");
        running.push(Running::noting(consumer, &seen));
    }
    for number in 0..200 {
        stream.add(number.to_string(), &entry(number, number)).await.expect("add");
    }
    seen.wait_for(200).await;
    wait_until_all_is_done(&stream).await;
    for one in running {
        one.stop().await;
    }
    let numbers: BTreeSet<_> = seen.all().into_iter().map(|(text, _)| parse(&text).1).collect();
    assert_eq!((numbers.len(), seen.all().len()), (200, 200));
}

pub(crate) async fn owners_share_evenly_come_go_and_die_and_keep_the_order(place: Place) {
    let stream = partitioned(&place, 7).await;
    let seen = Seen::default();
    let start = async |name: &str| {
        let builder = builder(&stream, name).lease_partitions(LEASE).concurrency(4);
        let consumer = builder.max_retries(100).build().await.expect("a consumer");
        let seen = seen.clone();
        Running::start(consumer, move |message| {
            seen.note(&message);
            async {
                // What is dropped here is begun anew by the next owner.
                sleep(Duration::from_millis(1)).await;
                Ok(())
            }
        })
    };
    let producing = {
        let stream = stream.clone();
        tokio::spawn(async move {
            for number in 0..1500 {
                let key = number % 25;
                stream.add(key.to_string(), &entry(key, number)).await.expect("add");
            }
        })
    };
    let first = start("a").await;
    wait_for_shares(&stream, &[("a", 7)]).await;
    let second = start("b").await;
    wait_for_shares(&stream, &[("a", 4), ("b", 3)]).await;
    let third = start("c").await;
    until("each of three has some", async || {
        shares(&stream).await.is_some_and(|it| it.len() == 3 && it.values().all(|n| *n <= 3))
    })
    .await;
    // One dies, one ends in order.
    second.task.abort();
    until("the dead one is replaced", async || {
        shares(&stream).await.is_some_and(|it| it.len() == 2 && it.values().all(|n| *n <= 4))
    })
    .await;
    first.stop().await;
    wait_for_shares(&stream, &[("c", 7)]).await;
    producing.await.expect("all are added");
    wait_until_all_is_done(&stream).await;
    third.stop().await;
    until("the last one left them", async || owners(&stream).await.iter().all(Option::is_none))
        .await;
    let all = seen.all();
    check_order(&all);
    let different: BTreeSet<_> = all.iter().map(|(text, _)| text).collect();
    assert_eq!(different.len(), 1500);
    // Each owner that died or went may have had one begun and some done in each partition.
    assert!(all.len() < 1500 + 200, "{} were handled again", all.len() - 1500);
}

pub(crate) async fn what_fails_holds_up_its_partition_until_it_is_a_dead_letter(place: Place) {
    let stream = partitioned(&place, 2).await;
    let mut keys = (0..).map(|key: usize| key.to_string());
    let held_up = keys.find(|key| stream.partition_of(key) == 0).expect("a key of 0");
    let free = keys.find(|key| stream.partition_of(key) == 1).expect("a key of 1");
    let (held_up, free): (usize, usize) = (held_up.parse().unwrap(), free.parse().unwrap());
    for number in 0..20 {
        stream.add(held_up.to_string(), &entry(held_up, number)).await.expect("add");
        stream.add(free.to_string(), &entry(free, number)).await.expect("add");
    }
    let seen = Seen::default();
    let consumer = builder(&stream, "c1").lease_partitions(LEASE).max_retries(3).concurrency(2);
    // More come than there is room for.
    let consumer = consumer.count(3).build().await.expect("a consumer");
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message: Message| {
            seen.note(&message);
            let (key, number) = parse(message.text("n").expect("a text"));
            let fails = key == held_up
                && match number {
                    5 => message.deliveries() < 3,
                    9 => true,
                    _ => false,
                };
            async move { if fails { Err(HandlerError::retry("no")) } else { Ok(()) } }
        }
    });
    wait_until_all_is_done(&stream).await;
    running.stop().await;
    let of = |wanted: usize| -> Vec<usize> {
        let all = seen.all();
        let of_key = all.iter().map(|(text, _)| parse(text)).filter(|(key, _)| *key == wanted);
        of_key.map(|(_, number)| number).collect()
    };
    assert_eq!(of(free), (0..20).collect::<Vec<_>>());
    let before = [0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 9, 9];
    assert_eq!(of(held_up), before.into_iter().chain(10..20).collect::<Vec<_>>());
    let letters = DeadLetters::of(&place.millstream, stream.stream(0));
    assert_eq!(letters.stream(), format!("{}:dlq", stream.stream(0)).as_bytes());
    let found = letters.list(None, 10).await.expect("letters");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].payload.text("n").map(parse), Some((held_up, 9)));
}

pub(crate) async fn a_lost_lease_ends_the_handler_and_the_fence_grows(place: Place) {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stream = partitioned(&place, 1).await;
    let lease = format!("{}:lease:{GROUP}", stream.stream(0));
    let seen = Seen::default();
    let is_dropped = Arc::new(AtomicBool::new(false));
    let build = async |name| {
        let builder = builder(&stream, name).lease_partitions(LEASE);
        builder.build().await.expect("a consumer")
    };
    stream.add("k", &entry(1, 1)).await.expect("add");
    let fence = Arc::new(parking_lot::Mutex::new(None));
    let first = Running::start(build("a").await, {
        let (seen, is_dropped, fence) = (seen.clone(), Arc::clone(&is_dropped), Arc::clone(&fence));
        move |message| {
            seen.note(&message);
            *fence.lock() = message.fence();
            let dropped = Dropped(Arc::clone(&is_dropped));
            async move {
                let _dropped = dropped;
                std::future::pending().await
            }
        }
    });
    seen.wait_for(1).await;
    assert_eq!(owners(&stream).await, [Some("a".to_owned())]);
    // As if the server had forgotten it and given it to somebody else.
    let _: String = place.raw(&format!("SET {lease} somebody/else")).await;
    until("the handler is dropped", async || is_dropped.load(Ordering::Relaxed)).await;
    first.stop().await;
    assert_eq!(owners(&stream).await, [Some("somebody".to_owned())], "not ours to give back");
    let _: i64 = place.raw(&format!("DEL {lease}")).await;
    let second = Running::start(build("b").await, {
        let (seen, fence) = (seen.clone(), Arc::clone(&fence));
        move |message| {
            seen.note(&message);
            let before = std::mem::replace(&mut *fence.lock(), message.fence());
            assert!(message.fence() > before, "{before:?}");
            async { Ok(()) }
        }
    });
    seen.wait_for(2).await;
    wait_until_all_is_done(&stream).await;
    second.stop().await;
    assert_eq!(seen.all()[1], ("1/1".to_owned(), 2), "it was begun before, and is counted");
}

pub(crate) async fn fences_grow_though_the_server_lost_them(place: Place) {
    let stream = partitioned(&place, 1).await;
    let (seen, fences) = (Seen::default(), Arc::new(parking_lot::Mutex::new(Vec::new())));
    for number in 0..3 {
        stream.add("k", &entry(1, number)).await.expect("add");
        let consumer = builder(&stream, "a").lease_partitions(LEASE).build().await;
        let running = Running::start(consumer.expect("a consumer"), {
            let (seen, fences) = (seen.clone(), Arc::clone(&fences));
            move |message| {
                fences.lock().push(message.fence().expect("it has one"));
                seen.note(&message);
                async { Ok(()) }
            }
        });
        seen.wait_for(number + 1).await;
        wait_until_all_is_done(&stream).await;
        running.stop().await;
        let lease = format!("{}:lease:{GROUP}", stream.stream(0));
        let _: i64 = place.raw(&format!("DEL {lease} {lease}:fence {lease}:owners")).await;
        // Nobody loses all and has an owner again within a millisecond.
        sleep(Duration::from_millis(2)).await;
    }
    let fences = fences.lock();
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    // Some store it in what counts up to 2^53.
    assert!(fences.iter().all(|fence| *fence < 1 << 53), "{fences:?}");
}

/// A member that is dead, and whose last word has a time that is yet to come: so it is after the
/// server's clock was set back.
pub(crate) async fn the_dead_of_a_clock_that_was_set_back_have_no_share(place: Place) {
    let stream = partitioned(&place, 4).await;
    let members = format!("{}:members:{GROUP}", stream.stream(0));
    let future = "9000000000000-0";
    let said = format!("XADD {members} {future} member ghost/1 state here");
    let _: String = place.raw(&said).await;
    let consumer = builder(&stream, "a").lease_partitions(LEASE).build().await;
    let running = Running::noting(consumer.expect("a consumer"), &Seen::default());
    wait_for_shares(&stream, &[("a", 4)]).await;
    running.stop().await;
}

/// The read that brought it had waited for some time, which the message was not idle for.
pub(crate) async fn what_fails_at_once_after_a_long_wait_is_tried_again_in_its_time(place: Place) {
    let stream = partitioned(&place, 1).await;
    let usual = place.builder("c1").block(Duration::from_secs(1));
    for consumer in [
        usual.claim_min_idle(Duration::from_mins(5)),
        builder(&stream, "c1").block(Duration::from_secs(1)).lease_partitions(2 * LEASE),
    ] {
        let seen = Seen::default();
        let running = Running::start(consumer.build().await.expect("a consumer"), {
            let seen = seen.clone();
            move |message: Message| {
                seen.note(&message);
                let fails = message.deliveries() == 1;
                async move { if fails { Err(HandlerError::retry("no")) } else { Ok(()) } }
            }
        });
        for number in 0..4 {
            sleep(Duration::from_millis(700)).await;
            place.add(number..number + 1).await;
            stream.add("k", &entry(1, number)).await.expect("add");
            seen.wait_for(2 * (number + 1)).await;
        }
        running.stop().await;
    }
}

pub(crate) async fn leases_that_make_no_sense_are_refused(place: Place) {
    let stream = partitioned(&place, 1).await;
    let usual = || builder(&stream, "c1").lease_partitions(LEASE);
    for wrong in [
        usual().lease_partitions(Duration::from_millis(1)),
        usual().no_ack(),
        usual().and_stream("other"),
        place.builder("c1").lease_partitions(LEASE),
    ] {
        let refused = wrong.build().await;
        assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    }
    if place.millstream.abilities().has_policies {
        let manager = millstream::ConsumerGroupManager::new(&place.millstream, stream.stream(0));
        manager.create(GROUP, millstream::GroupStart::First).await.expect("makes it");
        let mut policy = GroupPolicy::default();
        policy.visibility = Some(Duration::from_secs(1));
        manager.set_policy(GROUP, &policy).await.expect("sets it");
        let refused = usual().build().await;
        assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    }
}
