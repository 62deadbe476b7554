//! Messages that are to be in the stream later.

use std::time::{Duration, SystemTime};

use millstream::{DelayedMessages, Error, Fields, StreamManager};

use crate::place::{Place, Running, Seen, seen_once};

pub(crate) async fn delayed_messages_come_in_their_time_and_order(place: Place) {
    let delayed = DelayedMessages::new(&place.millstream, place.stream.as_str());
    assert_eq!(delayed.list(10).await.expect("none"), []);
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let seen = Seen::default();
    let number = |n: u64| Fields::new().with("n", n.to_string()).with("raw", vec![0xff, b':', 0]);
    let far = delayed.add_after(Duration::from_hours(1), &number(9)).await.expect("adds it");
    let begun = SystemTime::now();
    delayed.add_after(Duration::from_millis(900), &number(2)).await.expect("adds it");
    delayed.add_at(begun + Duration::from_millis(600), &number(1)).await.expect("adds it");
    delayed.add_at(SystemTime::UNIX_EPOCH, &number(0)).await.expect("adds it");
    let waiting = delayed.list(10).await.expect("some");
    let last = waiting.last().expect("the far one");
    assert_eq!((&last.token, &last.payload), (&far, &number(9)));
    assert!(waiting.is_sorted_by_key(|message| message.due), "{waiting:?}");
    let running = Running::noting(consumer, &seen);
    seen.wait_for(3).await;
    assert!(begun.elapsed().is_ok_and(|passed| passed >= Duration::from_millis(890)));
    assert!(delayed.cancel(&far).await.expect("takes it back"));
    assert!(!delayed.cancel(&far).await.expect("it is gone"));
    assert_eq!(delayed.list(10).await.expect("none"), []);
    let never = delayed.add_after(Duration::MAX, &number(9)).await;
    assert!(matches!(never, Err(Error::Configuration(_))), "{never:?}");
    running.stop().await;
    assert_eq!(seen.all(), seen_once(0..3));
}

pub(crate) async fn delayed_messages_are_listed_in_pieces_and_run_before_their_time(place: Place) {
    let key = [place.stream.as_bytes(), b"\xff"].concat();
    let delayed = DelayedMessages::new(&place.millstream, &key);
    let number = |n: u64| Fields::new().with("n", n.to_string());
    let far = SystemTime::UNIX_EPOCH + Duration::from_millis(4_102_444_800_000);
    let mut tokens = Vec::new();
    // Of one time, but for the last.
    for n in 0..11 {
        let due = if n < 10 { far } else { far + Duration::from_millis(1) };
        tokens.push(delayed.add_at(due, &number(n)).await.expect("adds it"));
    }
    let listed = async |after: Option<&str>, count| {
        let found = delayed.list_after(after, count).await.expect("some");
        found.into_iter().map(|message| message.token).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 4).await, tokens[..4]);
    assert!(delayed.cancel(&tokens[3]).await.expect("takes it back"));
    assert_eq!(listed(Some(&tokens[3]), 3).await, tokens[4..7]);
    assert_eq!(listed(Some(&tokens[8]), 9).await, tokens[9..]);
    assert_eq!(listed(Some(&tokens[10]), 9).await, [""; 0]);
    let wrong = delayed.list_after(Some("x"), 1).await;
    assert!(wrong.is_err(), "{wrong:?}");

    for (token, was_there) in [(&tokens[5], true), (&tokens[0], true), (&tokens[5], false)] {
        assert_eq!(delayed.run_now(token).await.expect("runs it"), was_there);
    }
    assert!(!delayed.cancel(&tokens[0]).await.expect("it is gone"));
    let entries = StreamManager::new(&place.millstream, &key).entries(.., 9).await.expect("two");
    let payloads: Vec<_> = entries.into_iter().map(|entry| entry.fields).collect();
    assert_eq!(payloads, [number(5), number(0)]);
    assert_eq!(listed(None, 20).await.len(), 8);
    assert_eq!(delayed.count().await.expect("a number"), 8);
    assert_eq!(delayed.cancel_all().await.expect("takes them back"), 8);
    assert_eq!(delayed.list(1).await.expect("none"), []);
    let none = DelayedMessages::new(&place.millstream, [&key[..], b"none"].concat());
    assert_eq!(none.count().await.expect("a number"), 0);
    assert_eq!(none.cancel_all().await.expect("nothing to do"), 0);

    let _: String = place.raw("SET {s} precious").await;
    let elsewhere = DelayedMessages::new(&place.millstream, &place.stream);
    let refused = elsewhere.add_after(Duration::from_secs(1), &number(0)).await;
    let is_told = matches!(&refused, Err(Error::Refused { code, .. }) if code == "WRONGTYPE");
    assert!(is_told, "{refused:?}");
}
