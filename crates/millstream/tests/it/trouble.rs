//! Servers that die, hang and lose what they had, while workers work.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::{Error, Fields, HandlerError, Message, Millstream, StreamConsumer};
use millstream_conformance::{Program, Server};
use tokio::time::sleep;

use crate::place::{GROUP, Place, Running, Seen, until};

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn url(server: &Server) -> String {
    format!("redis://127.0.0.1:{}", server.port())
}

/// Adds messages one by one, however often the server is away; returns the numbers that were
/// confirmed. What was not is added again under a number of its own.
async fn produce(millstream: Millstream, stream: String, count: usize) -> Vec<usize> {
    let mut confirmed = Vec::new();
    let mut number = 0;
    while confirmed.len() < count {
        let fields = Fields::new().with("n", number.to_string());
        match millstream.add(&stream, &fields).await {
            Ok(_) => confirmed.push(number),
            Err(error) => {
                assert!(error.is_temporary(), "{error}");
                sleep(Duration::from_millis(20)).await;
            }
        }
        number += 1;
        if number % 20 == 0 {
            // About as fast as the server is killed.
            sleep(Duration::from_millis(2)).await;
        }
    }
    confirmed
}

/// Every message that was confirmed is handled, while the server is killed and hangs. Returns how
/// many were handled more than once.
fn at_least_once(program: &Program, arguments: &[&str]) -> usize {
    let mut server = Server::start_with(program, arguments).expect("start the server");
    let runtime = runtime();
    let url = url(&server);
    let place = runtime.block_on(Place::connect(&url, "trouble"));
    let seen = Seen::default();
    let workers: Vec<Running> = (1..=3)
        .map(|number| {
            let builder = place.builder(&format!("c{number}")).concurrency(4);
            let consumer = runtime.block_on(builder.build()).expect("a consumer");
            let _context = runtime.enter();
            Running::noting(consumer, &seen)
        })
        .collect();
    let producing = runtime.spawn(produce(place.millstream.clone(), place.stream.clone(), 3000));
    for round in 0..4 {
        std::thread::sleep(Duration::from_millis(150));
        if round % 2 == 0 {
            server.kill().expect("kill it");
            std::thread::sleep(Duration::from_millis(100));
            server.start_again().expect("start it again");
        } else {
            server.set_stalled(true).expect("stop it");
            std::thread::sleep(Duration::from_secs(1));
            server.set_stalled(false).expect("let it go on");
        }
    }
    runtime.block_on(async {
        let confirmed = producing.await.expect("it does not panic");
        let handled = || {
            let mut handled: BTreeMap<usize, usize> = BTreeMap::new();
            for (number, _) in seen.all() {
                *handled.entry(number.parse().expect("a number")).or_default() += 1;
            }
            handled
        };
        until("all confirmed messages are handled", async || {
            let handled = handled();
            confirmed.iter().all(|number| handled.contains_key(number))
        })
        .await;
        until("nothing is pending", async || {
            let pending = place.monitor().pending(GROUP).await;
            pending.is_ok_and(|pending| pending.total == 0)
        })
        .await;
        for worker in workers {
            worker.stop().await;
        }
        let handled = handled();
        println!("{} handled, {} confirmed", handled.len(), confirmed.len());
        handled.values().filter(|times| **times > 1).count()
    })
}

#[test]
fn nothing_confirmed_is_lost_while_millstream_is_killed_and_hangs() {
    let program = Program::millstream().expect("find the server");
    let twice = at_least_once(&program, &[]);
    println!("{twice} handled more than once");
}

#[test]
fn nothing_confirmed_is_lost_while_redis_is_killed_and_hangs() {
    let Some(program) = Program::peer("redis-8.2").expect("find the server") else { return };
    let twice = at_least_once(&program, &["--appendonly", "yes", "--appendfsync", "always"]);
    println!("{twice} handled more than once");
}

#[test]
fn nothing_confirmed_is_lost_while_valkey_is_killed_and_hangs() {
    let Some(program) = Program::peer("valkey-9.1").expect("find the server") else { return };
    let twice = at_least_once(&program, &["--appendonly", "yes", "--appendfsync", "always"]);
    println!("{twice} handled more than once");
}

#[test]
fn a_worker_says_that_it_cannot_poll_and_works_on_when_it_can() {
    let program = Program::millstream().expect("find the server");
    let mut server = Server::start(&program).expect("start the server");
    let runtime = runtime();
    let place = runtime.block_on(Place::connect(&url(&server), "health"));
    let seen = Seen::default();
    let consumer = runtime.block_on(place.builder("c1").build()).expect("a consumer");
    let health = consumer.health();
    let running = {
        let _context = runtime.enter();
        Running::noting(consumer, &seen)
    };
    runtime.block_on(async {
        until("it polls", async || health.report().since_poll < Duration::from_secs(1)).await;
    });
    server.kill().expect("kill it");
    runtime.block_on(async {
        until("it cannot poll", async || health.report().failed_polls >= 3).await;
        assert!(matches!(
            place.millstream.add("health", &Fields::new().with("n", "1")).await,
            Err(Error::Connection(_))
        ));
    });
    server.start_again().expect("start it again");
    runtime.block_on(async {
        until("it polls again", async || health.report().failed_polls == 0).await;
        place.add(0..1).await;
        seen.wait_for(1).await;
        running.stop().await;
    });
}

#[test]
fn nobody_there_is_an_error_of_the_connection_and_no_address_one_of_the_program() {
    runtime().block_on(async {
        let refused = Millstream::connect("redis://127.0.0.1:1").await;
        assert!(matches!(refused, Err(Error::Connection(_))), "{refused:?}");
        let refused = Millstream::connect("nonsense").await;
        assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    });
}

#[test]
fn what_will_not_get_better_ends_a_worker() {
    let program = Program::millstream().expect("find the server");
    let server = Server::start(&program).expect("start the server");
    runtime().block_on(async {
        let place = Place::connect(&url(&server), "final").await;
        let consumer = place.builder("c1").build().await.expect("a consumer");
        let _: i64 = place.raw("DEL {s}").await;
        let _: String = place.raw("SET {s} x").await;
        let ended = consumer.run(|_: Message| async { Ok::<(), HandlerError>(()) }).await;
        assert!(matches!(ended, Err(Error::Refused { code, .. }) if code == "WRONGTYPE"));
        drop(StreamConsumer::builder(&place.millstream, "other", GROUP));
    });
}
