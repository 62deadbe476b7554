//! What is added in one step, from a source that is read again, and what is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::{Error, Fields, HandlerError, Producer, SourcePosition, StreamManager};

use crate::place::{Place, Running, Seen};

fn numbers(range: std::ops::Range<u64>) -> impl Iterator<Item = Fields> {
    range.map(|n| Fields::new().with("n", n.to_string()))
}

async fn all(place: &Place) -> Vec<String> {
    let entries = StreamManager::new(&place.millstream, &place.stream).entries(.., 10_000).await;
    let number = |fields: &Fields| fields.text("n").expect("a number").to_owned();
    entries.expect("entries").iter().map(|entry| number(&entry.fields)).collect()
}

pub(crate) async fn a_source_is_added_once_however_often_it_is_read(place: Place) {
    let producer = Producer::new(&place.millstream, &place.stream).max_len(1_000_000);
    let source = producer.clone().source("file").await.expect("a source");
    let begin = source.position().await.expect("a position");
    assert_eq!(begin, SourcePosition::default());
    let (ids, first) = source.add(&begin, "a b", numbers(0..3)).await.expect("adds them");
    assert!(ids.len() == 3 && ids.is_sorted());
    assert_eq!(first, SourcePosition { count: 3, mark: "a b".to_owned() });
    // A later run, and one that knows nothing of it.
    let later = producer.clone().source("file").await.expect("a source");
    assert_eq!(later.position().await.expect("a position"), first);
    let late = source.add(&begin, "x", numbers(0..2)).await;
    assert!(matches!(late, Err(Error::SourceMoved { count: 3 })), "{late:?}");
    assert_eq!(all(&place).await, ["0", "1", "2"]);
    let now = later.position().await.expect("a position");
    // Without scripts the one that came late has put it back; what it has is not added again.
    let left = numbers(now.count..5);
    let (_, end) = later.add(&now, "end", left).await.expect("adds the rest");
    assert_eq!((end.count, all(&place).await.len()), (5, 5));
    assert_eq!(all(&place).await, ["0", "1", "2", "3", "4"]);
    let (none, same) = later.add(&end, "x", numbers(0..0)).await.expect("nothing");
    assert_eq!((none.len(), same), (0, end));
    let other = producer.clone().source("other").await.expect("a source");
    other.add(&begin, "", numbers(5..6)).await.expect("of another source");
    assert_eq!(all(&place).await.len(), 6);

    let many = source.add(&begin, "", numbers(0..1001)).await;
    assert!(matches!(many, Err(Error::Configuration(_))), "{many:?}");
    let wide: Fields = (0..3501).map(|n| (n.to_string(), "")).collect();
    let wide = source.add(&begin, "", [wide]).await;
    assert!(matches!(wide, Err(Error::Configuration(_))), "{wide:?}");
    let empty = producer.source("").await;
    assert!(matches!(empty, Err(Error::Configuration(_))), "{empty:?}");
    assert_eq!(all(&place).await.len(), 6);
}

pub(crate) async fn entries_are_added_together_or_not_at_all(place: Place) {
    let producer = Producer::new(&place.millstream, &place.stream);
    let ids = producer.add_together(numbers(0..100)).await.expect("adds them");
    assert!(ids.len() == 100 && ids.is_sorted());
    let wrong = producer.add_together([Fields::new().with("n", "1"), Fields::new()]).await;
    assert!(matches!(wrong, Err(Error::Configuration(_))), "{wrong:?}");
    assert_eq!(producer.add_together(numbers(0..0)).await.expect("nothing"), []);
    assert_eq!(all(&place).await.len(), 100);
    let odd = [place.stream.as_bytes(), b"\xff"].concat();
    let odd = Producer::new(&place.millstream, &odd);
    odd.add_together(numbers(0..1)).await.expect("a stream of any name");
    let source = odd.clone().source("file").await.expect("a source");
    let begin = source.position().await.expect("a position");
    source.add(&begin, "", numbers(1..2)).await.expect("a stream of any name");
    let entries = StreamManager::new(&place.millstream, odd.stream()).entries(.., 10).await;
    assert_eq!(entries.expect("entries").len(), 2);
}

pub(crate) async fn what_is_put_off_has_all_its_tries(place: Place) {
    place.add(0..2).await;
    let seen = Seen::default();
    let consumer = place.builder("c1").max_retries(1).build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            let times = seen.all().iter().filter(|(n, _)| n == "0").count();
            let is_away = message.text("n") == Some("0") && times < 4;
            let put_off = || HandlerError::put_off(Duration::from_millis(30), "it is away");
            async move { if is_away { Err(put_off()) } else { Ok(()) } }
        }
    });
    seen.wait_for(5).await;
    place.wait_until_nothing_is_pending().await;
    let mut all = seen.all();
    all.sort();
    let once = |n: &str| (n.to_owned(), 1);
    assert_eq!(all, [once("0"), once("0"), once("0"), once("0"), once("1")]);
    let report = health.report();
    assert_eq!((report.failed, report.dead_lettered), (3, 0));
    running.stop().await;
}

pub(crate) async fn what_a_handler_gives_back_was_no_try(place: Place) {
    place.add(0..1).await;
    let consumer = place.builder("c1").max_retries(1).build().await.expect("a consumer");
    let (stop, was_begun) = (consumer.stop_token(), Arc::new(AtomicBool::new(false)));
    let health = consumer.health();
    let running = Running::start(consumer, {
        let was_begun = Arc::clone(&was_begun);
        move |_| {
            was_begun.store(true, Ordering::Relaxed);
            let stop = stop.clone();
            async move {
                stop.cancel();
                Err(HandlerError::give_back("the program ends"))
            }
        }
    });
    running.task.await.expect("it does not panic").expect("it ends in order");
    assert!(was_begun.load(Ordering::Relaxed));
    let report = health.report();
    // Its own last read may have got it once more, and given it back unbegun.
    assert!(report.handed_back >= 1, "{report:?}");
    assert_eq!((report.failed, report.dead_lettered), (0, 0));
    let seen = Seen::default();
    let other = place.builder("c2").max_retries(1).build().await.expect("a consumer");
    let running = Running::noting(other, &seen);
    seen.wait_for(1).await;
    assert_eq!(seen.all(), [("0".to_owned(), 1)]);
    running.stop().await;
}

/// It was delivered to the same consumer before that heard that it was given back, and was taken
/// for what it had already: nobody worked on it until its time was over, and that was a try.
pub(crate) async fn what_is_given_back_comes_again_at_once_and_was_no_try(place: Place) {
    place.add(0..1).await;
    let (rounds, seen) = (20, Seen::default());
    let consumer = place.builder("c1").max_retries(1).build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            let is_last = seen.all().len() == rounds;
            async move { if is_last { Ok(()) } else { Err(HandlerError::give_back("not now")) } }
        }
    });
    seen.wait_for(rounds).await;
    running.stop().await;
    assert_eq!(seen.all(), vec![("0".to_owned(), 1); rounds]);
    let report = health.report();
    assert_eq!((report.failed, report.dead_lettered), (0, 0));
}
