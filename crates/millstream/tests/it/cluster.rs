//! The toolkit on a Cluster: all that it does elsewhere, and what only a Cluster does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::{DeadLetters, Error, Fields, HandlerError, Message, Millstream, Producer};
use millstream_conformance::{Cluster, Program};
use parking_lot::Mutex;

use crate::place::{Place, Running, Seen, until};
use crate::suite::exercise_with;
use crate::trouble::runtime;

/// `None`, with a line that says so, where there is no such server.
pub(crate) fn start() -> Option<Cluster> {
    let program = Program::peer("valkey-9.1").expect("find the server")?;
    Some(Cluster::start(&program, 3).expect("start the Cluster"))
}

pub(crate) fn url(cluster: &Cluster) -> String {
    format!("redis+cluster://{}", cluster.hosts())
}

/// With a stream that has this tag.
pub(crate) async fn place(cluster: &Cluster, tag: &str) -> Place {
    let millstream = Millstream::connect(&url(cluster)).await.expect("connect");
    Place::new(millstream, &format!("{{{tag}}}"))
}

#[test]
fn on_a_valkey_cluster() {
    let Some(cluster) = start() else { return };
    exercise_with(async |name| place(&cluster, name).await);
}

#[test]
fn on_a_valkey_cluster_with_a_user_and_a_password() {
    let Some(program) = Program::peer("valkey-9.1").expect("find the server") else { return };
    let arguments = ["--requirepass", "p@ss/word", "--masterauth", "p@ss/word"];
    let cluster = Cluster::start_with(&program, 3, &arguments).expect("start the Cluster");
    for node in cluster.nodes() {
        let mut client = node.connect().expect("connect");
        client.call(&["AUTH", "p@ss/word"]).expect("an answer");
        let user = ["ACL", "SETUSER", "ada", "on", ">se:cr@t", "~*", "&*", "+@all", "-@admin"];
        let made = client.call(&user).expect("an answer");
        assert!(!made.is_error(), "{made:?}");
    }
    let hosts = cluster.hosts();
    let url = |who: &str| format!("redis+cluster://{who}{hosts}");
    let right = url("ada:se%3Acr%40t@");
    exercise_with(async |name| {
        let millstream = Millstream::connect(&right).await.expect("connect");
        Place::new(millstream, &format!("{{{name}}}"))
    });
    runtime().block_on(async {
        let default = Millstream::connect(&url("default:p%40ss%2Fword@")).await.expect("connect");
        default.add("s", &Fields::new().with("n", "1")).await.expect("add");
        let printed = format!("{default:?}");
        assert!(!printed.contains("p@ss") && !printed.contains("p%40ss"), "{printed}");
        assert!(printed.len() < 20_000, "{} bytes", printed.len());
        for (who, wanted) in [("", "NOAUTH"), ("ada:wrong@", "WRONGPASS"), (":x@", "WRONGPASS")] {
            let refused = Millstream::connect(&url(who)).await.expect_err("it is refused");
            let is_it = matches!(&refused, Error::Refused { code, .. } if code == wanted);
            assert!(is_it && !refused.is_temporary(), "{refused:?}");
        }
        let database = format!("{right}/3");
        let refused = Millstream::connect(&database).await.expect_err("there is one database");
        assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
        assert!(!refused.is_temporary(), "{refused:?}");
    });
}

#[test]
fn a_command_whose_key_is_not_where_others_have_it_finds_its_server() {
    let Some(cluster) = start() else { return };
    runtime().block_on(async {
        let place = Place::connect(&url(&cluster), "any").await;
        for number in 0..20 {
            let stream = format!("s{number}");
            place.millstream.add(&stream, &Fields::new().with("n", "1")).await.expect("add");
            let mut memory = redis::cmd("MEMORY");
            memory.arg("USAGE").arg(&stream);
            let answer = place.millstream.query(&memory).await.expect("an answer");
            assert!(matches!(answer, redis::Value::Int(1..)), "{answer:?}");
        }
    });
}

#[test]
fn a_stream_without_a_tag_has_its_dead_letters_in_its_slot() {
    let Some(cluster) = start() else { return };
    runtime().block_on(async {
        let place = Place::connect(&url(&cluster), "untagged").await;
        place.add(0..3).await;
        let consumer = place.builder("c1").build().await.expect("a consumer");
        let running = Running::start(consumer, |message| async move {
            if message.text("n") == Some("1") { Err(HandlerError::reject("no")) } else { Ok(()) }
        });
        let letters = DeadLetters::of(&place.millstream, "untagged");
        assert_eq!(letters.stream(), b"{untagged}:dlq");
        until("there is a letter", async || {
            letters.list(None, 10).await.is_ok_and(|letters| letters.len() == 1)
        })
        .await;
        let letter = letters.list(None, 10).await.expect("letters").remove(0);
        let requeued = letters.requeue(&letter).await.expect("gives it back");
        assert_eq!(requeued, millstream::Requeued::GivenBack);
        place.wait_until_nothing_is_pending().await;
        running.stop().await;
        let elsewhere = place.builder("c1").dead_letters("elsewhere").build().await;
        assert!(matches!(elsewhere, Err(Error::Configuration(_))), "{elsewhere:?}");
    });
}

#[test]
fn a_busy_stream_does_not_starve_those_of_other_slots() {
    let Some(cluster) = start() else { return };
    runtime().block_on(async {
        let place = Place::connect(&url(&cluster), "busy").await;
        let quiet: Vec<String> = (0..8).map(|number| format!("quiet:{number}")).collect();
        place.add(0..2000).await;
        let mut builder = place.builder("c1").concurrency(1);
        for stream in &quiet {
            let fields = Fields::new().with("n", "0");
            place.millstream.add(stream, &fields).await.expect("add");
            builder = builder.and_stream(stream);
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let consumer = builder.build().await.expect("a consumer");
        let running = Running::start(consumer, {
            let order = Arc::clone(&order);
            move |message: Message| {
                order.lock().push(message.stream().to_owned());
                async { Ok(()) }
            }
        });
        until("all are handled", async || order.lock().len() == 2008).await;
        running.stop().await;
        let order = order.lock();
        let last = order.iter().rposition(|stream| stream.starts_with("quiet"));
        // Each waits for its turn among nine at most, once it was read.
        assert!(last.is_some_and(|last| last < 1000), "{last:?}");
    });
}

#[test]
fn an_entry_that_replicas_do_not_have_is_no_success() {
    let Some(cluster) = start() else { return };
    runtime().block_on(async {
        let place = Place::connect(&url(&cluster), "replicated").await;
        let fields = Fields::new().with("n", "1");
        let within = Duration::from_secs(5);
        let one = place.millstream.clone().with_replicas(1, within);
        one.add("replicated", &fields).await.expect("a replica has it");
        let two = one.with_replicas(2, Duration::from_millis(50));
        let refused = two.add("replicated", &fields).await;
        let Err(Error::Unreplicated { replicas, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(replicas, 1);
        assert_eq!(place.millstream.len("replicated").await.expect("a length"), 2);
    });
}

#[test]
fn entries_that_are_added_together_stay_in_order_while_their_slot_moves() {
    let Some(cluster) = start() else { return };
    let runtime = runtime();
    let millstream = runtime.block_on(Millstream::connect(&url(&cluster))).expect("connect");
    let (stream, slot) = ("moving", cluster.slot_of("moving").expect("a slot"));
    let is_over = Arc::new(AtomicBool::new(false));
    let producing = runtime.spawn({
        let (millstream, is_over) = (millstream.clone(), Arc::clone(&is_over));
        async move {
            let producer = Producer::new(&millstream, stream);
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                let some = (number..number + 50).map(|n| Fields::new().with("n", n.to_string()));
                producer.add_all(some).await.expect("adds them");
                number += 50;
            }
            number
        }
    });
    for round in 0..6 {
        let from = cluster.owner_of(stream).expect("an owner");
        let to = (from + 1) % 3;
        cluster
            .move_slot(slot, from, to, |_| {})
            .unwrap_or_else(|error| panic!("{round}: {error}"));
    }
    is_over.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        let count: usize = producing.await.expect("it does not panic");
        let range = redis::cmd("XRANGE").arg(&[stream, "-", "+"]).to_owned();
        let answer = millstream.query(&range).await.expect("all of them");
        let entries: Vec<(String, Vec<String>)> = redis::from_redis_value(answer).expect("entries");
        let numbers: Vec<usize> =
            entries.iter().map(|(_, fields)| fields[1].parse().expect("a number")).collect();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>());
        println!("{count} were added while the slot moved 6 times");
    });
}

#[test]
fn a_node_that_hangs_holds_up_its_own_streams_only_and_goes_on() {
    let Some(cluster) = start() else { return };
    let runtime = runtime();
    let seen = Seen::default();
    let streams = |owner: usize| {
        let all = (0..).map(|number| format!("s{number}"));
        let mut of = all.filter(|name| cluster.owner_of(name).expect("an owner") == owner);
        of.next().expect("there is one")
    };
    let (hanging, other) = (streams(0), streams(1));
    let place = runtime.block_on(Place::connect(&url(&cluster), &hanging));
    let running = runtime.block_on(async {
        let builder = place.builder("c1").and_stream(&other).block(Duration::from_secs(1));
        Running::noting(builder.build().await.expect("a consumer"), &seen)
    });
    // Hangs for a shorter time than the others need to notice.
    cluster.nodes()[0].set_stalled(true).expect("stop it");
    runtime.block_on(async {
        let fields = Fields::new().with("n", "other");
        place.millstream.add(&other, &fields).await.expect("add");
        seen.wait_for(1).await;
    });
    std::thread::sleep(Duration::from_millis(1500));
    cluster.nodes()[0].set_stalled(false).expect("let it go on");
    runtime.block_on(async {
        place.add(0..1).await;
        seen.wait_for(2).await;
        running.stop().await;
    });
    assert_eq!(seen.all(), [("other".to_owned(), 1), ("0".to_owned(), 1)]);
}

#[test]
fn a_plain_address_of_one_node_is_refused_with_a_hint() {
    let Some(cluster) = start() else { return };
    runtime().block_on(async {
        let plain = format!("redis://127.0.0.1:{}", cluster.nodes()[0].port());
        let millstream = Millstream::connect(&plain).await.expect("a node answers");
        let mut refused = None;
        for number in 0..100 {
            let added = millstream.add(&format!("s{number}"), &Fields::new().with("n", "1")).await;
            refused = refused.or(added.err());
        }
        let Some(Error::Configuration(text)) = refused else { panic!("{refused:?}") };
        assert!(text.contains("redis+cluster://"), "{text}");
    });
    let Some(server) = crate::start("valkey-9.1") else { return };
    runtime().block_on(async {
        let url = format!("redis+cluster://127.0.0.1:{}", server.port());
        let refused = Millstream::connect(&url).await;
        let Err(Error::Refused { text, .. }) = refused else { panic!("{refused:?}") };
        assert!(text.contains("cluster support disabled"), "{text}");
    });
}
