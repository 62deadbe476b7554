//! The store within the process: what outlives its process, and who may have it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use millstream::{EntryId, Error, Fields, Millstream, OpenOptions, SyncMode, redis};
use millstream_conformance::{Program, Server};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::place::{GROUP, Place, Running, Seen, seen_once};

/// For the process that is killed: where its store is.
const VICTIM: &str = "MILLSTREAM_TEST_VICTIM";

/// Names and values.
type EntryFields = Vec<(String, Vec<u8>)>;

async fn open(directory: &Path) -> Millstream {
    Millstream::open(directory).await.expect("open the store")
}

/// The numbers of all entries, in order.
async fn numbers(millstream: &Millstream, stream: &str) -> Vec<u64> {
    let mut command = redis::cmd("XRANGE");
    command.arg(&[stream, "-", "+"]);
    let answer = millstream.query(&command).await.expect("entries");
    let entries: Vec<(String, Vec<(String, u64)>)> =
        redis::from_redis_value(answer).expect("ids and fields");
    entries.into_iter().map(|(_, fields)| fields[0].1).collect()
}

async fn add(millstream: &Millstream, stream: &str, number: u64) -> Result<EntryId, Error> {
    millstream.add(stream, &Fields::new().with("n", number.to_string())).await
}

#[tokio::test]
async fn what_was_written_is_there_after_a_close_and_after_a_drop() {
    let directory = tempfile::tempdir().expect("a directory");
    for (round, sync) in
        [SyncMode::Always, SyncMode::Everysec, SyncMode::No].into_iter().enumerate()
    {
        let options = OpenOptions::new().sync(sync);
        let millstream = options.open(directory.path()).await.expect("open the store");
        let place = Place::new(millstream.clone(), "orders");
        let seen = Seen::default();
        let running = Running::noting(place.builder("c").build().await.expect("built"), &seen);
        place.add(0..10).await;
        seen.wait_for(10).await;
        place.wait_until_nothing_is_pending().await;
        running.stop().await;
        assert_eq!(seen.all(), seen_once(0..10), "round {round}");
        if round == 0 {
            millstream.close().await.expect("it closes");
            let late = place.millstream.add("orders", &Fields::new().with("n", "1")).await;
            assert!(matches!(late, Err(Error::Store(_))), "{late:?}");
        }
        drop((millstream, place));
        let again = open(directory.path()).await;
        assert_eq!(again.len("orders").await.expect("a length"), 10 * (round as u64 + 1));
    }
}

#[tokio::test]
async fn a_consumer_of_a_store_that_is_closed_ends_with_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = Place::new(open(directory.path()).await, "orders");
    let consumer = place.builder("c").build().await.expect("built");
    let running = Running::noting(consumer, &Seen::default()).task;
    place.millstream.close().await.expect("it closes");
    let ended = running.await.expect("it does not panic");
    assert!(matches!(ended, Err(Error::Store(_))), "{ended:?}");
}

#[tokio::test]
async fn a_directory_has_one_owner_at_a_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open(directory.path()).await;
    let second = Millstream::open(directory.path()).await.expect_err("it is in use");
    assert!(matches!(second, Error::Store(_)));
    let text = second.to_string();
    assert!(text.contains(&std::process::id().to_string()), "says who has it: {text}");
    first.close().await.expect("it closes");
    // `first` still lives, and has let go of it.
    open(directory.path()).await;
}

#[tokio::test]
async fn a_directory_goes_from_server_to_program_and_back() {
    let mut server = Server::start(&Program::millstream().expect("built")).expect("it starts");
    let url = format!("redis://127.0.0.1:{}", server.port());
    let remote = Millstream::connect(&url).await.expect("connect");
    add(&remote, "orders", 1).await.expect("an id");
    let refused = Millstream::open(server.directory()).await.expect_err("the server has it");
    assert!(matches!(refused, Error::Store(_)), "{refused}");
    server.kill().expect("kill it");

    let millstream = open(server.directory()).await;
    assert_eq!(numbers(&millstream, "orders").await, [1]);
    add(&millstream, "orders", 2).await.expect("an id");
    server.start_again().expect_err("this program has it");
    millstream.close().await.expect("it closes");

    let check = Command::new(&server.program().path)
        .arg("check")
        .arg(server.directory())
        .output()
        .expect("run it");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    server.start_again().expect("nobody has it");
    let remote = Millstream::connect(&url).await.expect("connect");
    assert_eq!(numbers(&remote, "orders").await, [1, 2]);
}

/// Writes as fast as it can, and says what was confirmed, until it is killed.
#[tokio::main]
async fn be_the_victim(directory: &str) {
    let millstream = open(Path::new(directory)).await;
    let place = Place::new(millstream.clone(), "orders");
    let seen = Seen::default();
    let _running = Running::noting(place.builder("c").build().await.expect("built"), &seen);
    let mut writing = JoinSet::new();
    for writer in 0..4 {
        let millstream = millstream.clone();
        writing.spawn(async move {
            for number in (writer..u64::MAX).step_by(4) {
                add(&millstream, "orders", number).await.expect("an id");
                println!("confirmed {number}");
            }
        });
    }
    writing.join_all().await;
}

#[test]
fn what_was_confirmed_is_there_after_a_kill_in_the_middle_of_work() {
    if let Ok(directory) = std::env::var(VICTIM) {
        return be_the_victim(&directory);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let name = "embedded::what_was_confirmed_is_there_after_a_kill_in_the_middle_of_work";
    let mut confirmed: Vec<u64> = Vec::new();
    for _ in 0..3 {
        let mut victim = Command::new(std::env::current_exe().expect("the running test"))
            .args(["--exact", name, "--nocapture"])
            .env(VICTIM, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start it");
        let output = BufReader::new(victim.stdout.take().expect("its standard output"));
        let lines = output.lines().map_while(Result::ok);
        let number = |line: String| line.strip_prefix("confirmed ")?.parse::<u64>().ok();
        let mut said = lines.filter_map(number);
        let before = confirmed.len();
        confirmed.extend(said.by_ref().take(300));
        assert_eq!(confirmed.len() - before, 300, "it wrote, and was not killed before");
        victim.kill().expect("kill it");
        // What it said before, and nobody has read yet.
        confirmed.extend(said);
        victim.wait().expect("it is gone");
    }
    let mut there = read_all(directory.path());
    for number in confirmed {
        let at = there.iter().position(|it| *it == number);
        there.swap_remove(at.unwrap_or_else(|| panic!("{number} was confirmed and is lost")));
    }
    // Four writers had at most one each on its way in each round.
    assert!(there.len() <= 12, "{there:?}");
}

#[tokio::main]
async fn read_all(directory: &Path) -> Vec<u64> {
    let millstream = open(directory).await;
    let all = numbers(&millstream, "orders").await;
    let place = Place::new(millstream, "orders");
    let statistics = place.monitor().pending(GROUP).await.expect("the group is there");
    assert!(statistics.total <= all.len() as u64);
    all
}

/// Entries far beyond the cache, read whole, bit by bit, and by a consumer.
#[tokio::test]
async fn entries_that_left_memory_are_read_back_from_disk() {
    const COUNT: usize = 2000;
    let directory = tempfile::tempdir().expect("a directory");
    let options = OpenOptions::new().cache_bytes(1 << 20);
    let millstream = options.open(directory.path()).await.expect("open the store");
    // Does not compress: 8 MiB in all.
    let body = |number: usize| -> Vec<u8> {
        let mut state = number as u64 + 1;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(4096).collect()
    };
    let mut adding = JoinSet::new();
    for writer in 0..8 {
        let millstream = millstream.clone();
        adding.spawn(async move {
            for number in (writer..COUNT).step_by(8) {
                let fields = Fields::new().with("n", number.to_string()).with("body", body(number));
                millstream.add("orders", &fields).await.expect("an id");
            }
        });
    }
    adding.join_all().await;
    millstream.close().await.expect("it closes");

    let millstream = options.open(directory.path()).await.expect("open it again");
    let mut command = redis::cmd("XRANGE");
    command.arg(&["orders", "-", "+"]);
    let answer = millstream.query(&command).await.expect("entries");
    let entries: Vec<(String, EntryFields)> =
        redis::from_redis_value(answer).expect("ids and fields");
    assert_eq!(entries.len(), COUNT);
    for (_, fields) in &entries {
        let number = std::str::from_utf8(&fields[0].1).expect("a number").parse().expect("one");
        assert!(fields[1].1 == body(number), "entry {number} is another one");
    }
    // XDEL looks into blocks.
    let mut delete = redis::cmd("XDEL");
    delete.arg("orders").arg(entries.iter().step_by(2).map(|(id, _)| id).collect::<Vec<_>>());
    millstream.query(&delete).await.expect("a count");
    let place = Place::new(millstream, "orders");
    let seen = Seen::default();
    let running = Running::noting(place.builder("c").build().await.expect("built"), &seen);
    seen.wait_for(COUNT / 2).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    let mut all: Vec<usize> = seen.all().iter().filter_map(|(n, _)| n.parse().ok()).collect();
    all.sort_unstable();
    let mut left: Vec<usize> = entries
        .iter()
        .skip(1)
        .step_by(2)
        .map(|(_, fields)| String::from_utf8_lossy(&fields[0].1).parse().expect("a number"))
        .collect();
    left.sort_unstable();
    assert_eq!(all, left);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn a_store_outlives_the_runtimes_that_use_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = runtime();
    let place = first.block_on(async {
        let place = Place::new(open(directory.path()).await, "orders");
        let consumer = place.builder("c").build().await.expect("built");
        let seen = Seen::default();
        _ = Running::noting(consumer, &seen);
        place.add(0..1).await;
        seen.wait_for(1).await;
        place.wait_until_nothing_is_pending().await;
        place
    });
    // Its consumer goes in the middle of a read.
    drop(first);
    runtime().block_on(async {
        place.add(1..2).await;
        let pending = place.monitor().pending(GROUP).await.expect("the group is there");
        assert_eq!(pending.total, 0, "nothing is delivered to nobody");
        let seen = Seen::default();
        let running = Running::noting(place.builder("d").build().await.expect("built"), &seen);
        seen.wait_for(1).await;
        place.wait_until_nothing_is_pending().await;
        running.stop().await;
        assert_eq!(seen.all(), seen_once(1..2));
    });
    runtime().block_on(place.millstream.close()).expect("it closes");
    runtime().block_on(async {
        assert_eq!(open(directory.path()).await.len("orders").await.expect("a length"), 2);
    });
    drop(place);
}

#[tokio::test]
async fn an_open_that_is_dropped_lets_go_of_the_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut opening = std::pin::pin!(Millstream::open(directory.path()));
    std::future::poll_fn(|context| {
        assert!(opening.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    // Another one in its place.
    opening.set(Millstream::open(directory.path()));
    while let Err(in_use) = Millstream::open(directory.path()).await {
        assert!(matches!(in_use, Error::Store(_)), "{in_use}");
    }
}

#[tokio::test]
async fn a_store_without_a_cache_is_slow_and_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = OpenOptions::new().cache_bytes(0);
    let millstream = options.open(directory.path()).await.expect("open the store");
    for number in 0..5 {
        add(&millstream, "orders", number).await.expect("an id");
    }
    assert_eq!(numbers(&millstream, "orders").await, [0, 1, 2, 3, 4]);
    millstream.close().await.expect("it closes");
}
