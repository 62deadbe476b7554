//! What is done to a copy, or to its source, while it is made.

use redis::cmd;

use super::*;
use crate::StreamManager;

/// Another client's commands, from within the copy: on a thread of its own, as that waits for it.
fn meanwhile(millstream: &Millstream, lines: &[&str]) {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(run(millstream, lines));
    };
    std::thread::scope(|scope| scope.spawn(work).join().expect("it does not panic"));
}

async fn run(millstream: &Millstream, lines: &[&str]) {
    for line in lines {
        let mut words = line.split(' ');
        let mut command = cmd(words.next().expect("a command"));
        words.for_each(|word| _ = command.arg(word));
        millstream.query(&command).await.unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

/// A stream of three entries, two of them pending; copied while this is done at one phase.
async fn copied_while(
    phase: CopyPhase,
    lines: &[&str],
) -> (Millstream, Result<StreamCopied, StreamCopyError>) {
    let millstream = Millstream::in_memory().expect("a store");
    run(&millstream, &["XADD s 1-1 n 1", "XADD s 2-1 n 2", "XADD s 3-1 n 3"]).await;
    let read = "XREADGROUP GROUP g ada COUNT 2 STREAMS s >";
    run(&millstream, &["XGROUP CREATE s g 0", read]).await;
    let copy = StreamCopy::new(&millstream, "s", &millstream, "t");
    let mut is_over = false;
    let done = copy.run(|progress| {
        if progress.phase == phase && !is_over {
            is_over = true;
            meanwhile(&millstream, lines);
        }
    });
    let done = done.await;
    assert!(is_over, "it came to that phase");
    let staging = StreamManager::new(&millstream, staging_key::staging_key(b"t"));
    assert_eq!(staging.info().await.expect("an answer"), None, "nothing is left");
    (millstream, done)
}

async fn is_there(millstream: &Millstream) -> bool {
    StreamManager::new(millstream, "t").info().await.expect("an answer").is_some()
}

#[tokio::test]
async fn a_copy_that_somebody_changes_is_found_out_and_goes() {
    let pending = "ada at ";
    for (line, group, what, source, target) in [
        ("XDEL {t}:millstream-copy:t 2-1", None, "entry 2-1", r#"{"n":"2"}"#, "-"),
        ("XACK {t}:millstream-copy:t g 1-1", Some("g"), "pending 1-1", pending, "-"),
        (
            "XCLAIM {t}:millstream-copy:t g bob 0 2-1 JUSTID",
            Some("g"),
            "pending 2-1",
            pending,
            "bob at ",
        ),
        ("XGROUP DELCONSUMER {t}:millstream-copy:t g ada", Some("g"), "consumer ada", "there", "-"),
    ] {
        let (millstream, done) = copied_while(CopyPhase::Copying, &[line]).await;
        let copied = done.expect("it comes to an end");
        assert_eq!((copied.verdict, copied.is_in_place), (CopyVerdict::Different, false));
        assert!(!is_there(&millstream).await, "{line}");
        let told = copied.differences.iter().find(|it| it.what == what);
        let told = told.unwrap_or_else(|| panic!("{line}: {:?}", copied.differences));
        assert_eq!(told.group.as_deref(), group.map(str::as_bytes), "{told:?}");
        assert!(told.source.starts_with(source) && told.target.starts_with(target), "{told:?}");
    }
}

#[tokio::test]
async fn a_source_that_changes_is_no_difference() {
    for (phase, verdict) in [
        (CopyPhase::Copying, CopyVerdict::ChangedMeanwhile),
        // By then it was read again.
        (CopyPhase::Verifying, CopyVerdict::Equal),
    ] {
        let lines = ["XADD s 4-1 n 4", "XACK s g 1-1", "XTRIM s MINID 2-1"];
        let (millstream, done) = copied_while(phase, &lines).await;
        let copied = done.expect("it comes to an end");
        assert_eq!((copied.verdict, copied.is_in_place), (verdict, true));
        assert_eq!((copied.entries, copied.pending, copied.added_meanwhile), (3, 2, Some(1)));
        assert!(is_there(&millstream).await);
    }
    for lines in [&["DEL s"][..], &["DEL s", "XADD s 1-1 n 1"]] {
        let (millstream, done) = copied_while(CopyPhase::Copying, lines).await;
        assert!(matches!(done, Err(StreamCopyError::Vanished)), "{done:?}");
        assert!(!is_there(&millstream).await);
    }
}

#[tokio::test]
async fn what_is_made_under_the_key_meanwhile_stays() {
    let (millstream, done) = copied_while(CopyPhase::Verifying, &["XADD t 9-9 mine 1"]).await;
    assert!(matches!(done, Err(StreamCopyError::Exists)), "{done:?}");
    assert_eq!(millstream.len("t").await.expect("a length"), 1);
}

#[tokio::test]
async fn a_copy_that_another_one_takes_away_says_so() {
    for line in ["DEL {t}:millstream-copy:t", "XGROUP DESTROY {t}:millstream-copy:t g"] {
        let (millstream, done) = copied_while(CopyPhase::Copying, &[line]).await;
        assert!(matches!(done, Err(StreamCopyError::Target(_))), "{done:?}");
        assert!(!is_there(&millstream).await);
    }
}

#[tokio::test]
async fn what_was_delivered_just_behind_the_cut_is_not_pending_in_the_copy() {
    let millstream = Millstream::in_memory().expect("a store");
    let add = "XADD s * n 1";
    let read = "XREADGROUP GROUP g ada COUNT 1 STREAMS s >";
    run(&millstream, &["XGROUP CREATE s g 0 MKSTREAM", add, add, add, read]).await;
    let mut cut = Cut::take(&millstream, b"s").await.expect("an answer").expect("a stream");
    // A clock that was asked by one thread may be ahead of what another one saw before it waited.
    cut.now_ms += 1000;
    run(&millstream, &[read]).await;
    let mut pages = pieces::pending_of(&millstream, b"s", &cut, &cut, 0);
    let (first, second) = (pages.next().await, pages.next().await);
    let first = first.expect("an answer").expect("it was pending");
    assert_eq!(first.id, cut.groups[0].last_delivered);
    assert_eq!(second.expect("an answer"), None);
}

#[tokio::test]
async fn what_is_pending_ahead_of_a_group_that_was_moved_back_is_copied() {
    let millstream = Millstream::in_memory().expect("a store");
    let read = "XREADGROUP GROUP g ada STREAMS s >";
    run(&millstream, &["XADD s 1-1 n 1", "XADD s 2-1 n 2", "XGROUP CREATE s g 0", read]).await;
    run(&millstream, &["XGROUP SETID s g 1-1"]).await;
    // What was delivered within the millisecond of the cut may have been so behind it.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let cut = Cut::take(&millstream, b"s").await.expect("an answer").expect("a stream");
    assert!(cut.groups[0].may_be_pending_ahead);
    let copied = StreamCopy::new(&millstream, "s", &millstream, "t").run(|_| {}).await;
    let copied = copied.expect("it is copied");
    assert_eq!((copied.verdict, copied.pending), (CopyVerdict::Equal, 2));
}
