//! Connections that hang, lead elsewhere, or are refused for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::{ConnectOptions, Error, Fields, Millstream, Producer};
use millstream_conformance::{Cluster, Program, Server, Value};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::place::{Place, Running, Seen, until};
use crate::relay::Relay;
use crate::suite::exercise;
use crate::trouble::runtime;

const PASSWORD: &str = "p@ss/w:rd";
const ENCODED: &str = "p%40ss%2Fw%3Ard";
/// More than anything here may take, and less than what hangs.
const LIMIT: Duration = Duration::from_secs(60);

fn start(arguments: &[&str]) -> Option<Server> {
    let program = Program::peer("valkey-9.1").expect("find the server")?;
    Some(Server::start_with(&program, arguments).expect("start the server"))
}

fn ok(server: &Server, commands: &[&[&str]]) {
    let mut client = server.connect().expect("connect");
    for command in commands {
        let answer = client.call(command).expect("an answer");
        assert!(!answer.is_error(), "{command:?}: {answer:?}");
    }
}

fn one() -> Fields {
    Fields::new().with("n", "1")
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.expect("it does not hang")
}

#[test]
fn a_server_that_is_full_for_a_while_is_no_wrong_password() {
    let Some(server) = start(&["--requirepass", PASSWORD]) else { return };
    let mut admin = server.connect().expect("connect");
    let mut tell = |command: &[&str]| {
        let answer = admin.call(command).expect("an answer");
        assert!(!answer.is_error(), "{command:?}: {answer:?}");
    };
    runtime().block_on(async {
        let url = format!("redis://:{ENCODED}@127.0.0.1:{}", server.port());
        let place = Place::connect(&url, "full").await;
        let (seen, consumer) = (Seen::default(), place.builder("c1").build().await);
        let consumer = consumer.expect("a consumer");
        let health = consumer.health();
        let running = Running::noting(consumer, &seen);
        place.add(0..1).await;
        seen.wait_for(1).await;
        tell(&["AUTH", PASSWORD]);
        tell(&["CONFIG", "SET", "maxclients", "1"]);
        tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        until("it cannot poll", async || health.report().failed_polls >= 2).await;
        let refused = Millstream::connect(&url).await.expect_err("it is full");
        assert!(refused.is_temporary(), "{refused:?}");
        tell(&["CONFIG", "SET", "maxclients", "100"]);
        until("there is a place", async || place.millstream.add("full", &one()).await.is_ok())
            .await;
        seen.wait_for(2).await;
        running.stop().await;
    });
}

#[test]
fn a_password_is_in_nothing_that_is_printed() {
    let Some(server) = start(&["--requirepass", PASSWORD]) else { return };
    runtime().block_on(async {
        let url = format!("redis://:{ENCODED}@127.0.0.1:{}", server.port());
        let options = ConnectOptions::new(&url);
        let millstream = options.connect().await.expect("connect");
        let wrong = ConnectOptions::new(url.replace("rd@", "rd-wrong@"));
        let refused = wrong.connect().await.expect_err("it is wrong");
        assert!(matches!(&refused, Error::Refused { code, .. } if code == "WRONGPASS"));
        let printed = format!("{options:?} {millstream:?} {refused:?} {refused}");
        for secret in [PASSWORD, ENCODED, "ss/w", "ss%2Fw"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    });
}

#[test]
fn on_valkey_by_resp3() {
    let Some(server) = start(&["--requirepass", PASSWORD]) else { return };
    let url = format!("redis://:{ENCODED}@127.0.0.1:{}/1?protocol=resp3", server.port());
    exercise(async || Millstream::connect(&url).await.expect("connect"));
}

#[test]
fn sentinels_that_forget_a_master_for_a_while_end_no_worker() {
    let Some(server) = start(&[]) else { return };
    runtime().block_on(async {
        let relay = Relay::to(server.port()).await;
        let knows = Arc::new(AtomicBool::new(true));
        let sentinel = sentinel_of(relay.port, Arc::clone(&knows)).await;
        let url = format!("redis+sentinel://127.0.0.1:{sentinel}/orders");
        let place = Place::connect(&url, "forgotten").await;
        let seen = Seen::default();
        let consumer = place.builder("c1").build().await.expect("a consumer");
        let health = consumer.health();
        let running = Running::noting(consumer, &seen);
        place.add(0..1).await;
        seen.wait_for(1).await;
        knows.store(false, Ordering::Relaxed);
        ok(&server, &[&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]]);
        until("it cannot poll", async || health.report().failed_polls >= 2).await;
        knows.store(true, Ordering::Relaxed);
        until("it is added", async || place.millstream.add("forgotten", &one()).await.is_ok())
            .await;
        seen.wait_for(2).await;
        running.stop().await;
    });
}

#[test]
fn a_database_that_is_not_there_is_refused_and_not_tried_again() {
    let millstream = Program::millstream().expect("find the server");
    let ours = Server::start(&millstream).expect("start the server");
    let peer = start(&[]);
    runtime().block_on(async {
        for server in [Some(&ours), peer.as_ref()].into_iter().flatten() {
            let url = format!("redis://127.0.0.1:{}/99", server.port());
            let refused = Millstream::connect(&url).await.expect_err("there is none");
            assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
            assert!(!refused.is_temporary(), "{refused:?}");
        }
    });
}

#[test]
fn what_writes_follows_an_address_that_leads_to_the_next_primary() {
    let (Some(old), Some(new)) = (start(&[]), start(&[])) else { return };
    let (old_port, new_port) = (old.port().to_string(), new.port().to_string());
    runtime().block_on(async {
        let relay = Relay::to(old.port()).await;
        let place = Place::connect(&format!("redis://127.0.0.1:{}", relay.port), "led").await;
        let seen = Seen::default();
        let running = Running::noting(place.builder("c1").build().await.expect("one"), &seen);
        place.add(0..1).await;
        seen.wait_for(1).await;
        place.wait_until_nothing_is_pending().await;
        ok(&new, &[&["REPLICAOF", "127.0.0.1", &old_port]]);
        until("the replica has it", async || {
            let mut client = new.connect().expect("connect");
            matches!(client.call(&["EXISTS", "led"]), Ok(Value::Int(1)))
        })
        .await;
        // Who was there before stays with a server that only takes reads now.
        ok(&new, &[&["REPLICAOF", "NO", "ONE"]]);
        relay.lead_to(new.port());
        ok(&old, &[&["REPLICAOF", "127.0.0.1", &new_port]]);
        until("it is added", async || place.millstream.add("led", &one()).await.is_ok()).await;
        let waiting = place.millstream.clone().with_replicas(1, Duration::from_secs(5));
        until("it is replicated", async || waiting.add("led", &one()).await.is_ok()).await;
        seen.wait_for(3).await;
        running.stop().await;
    });
}

#[test]
fn each_write_waits_for_replicas_for_its_own_time() {
    let Some(server) = start(&[]) else { return };
    runtime().block_on(async {
        let url = format!("redis://127.0.0.1:{}", server.port());
        let millstream = Millstream::connect(&url).await.expect("connect");
        let millstream = millstream.with_replicas(1, Duration::from_secs(1));
        let adding: Vec<_> = (0..24)
            .map(|_| {
                let millstream = millstream.clone();
                tokio::spawn(async move { millstream.add("alone", &one()).await })
            })
            .collect();
        for one in adding {
            let added = one.await.expect("it does not panic");
            let is_alone = matches!(added, Err(Error::Unreplicated { replicas: 0, .. }));
            assert!(is_alone, "{added:?}");
        }
        assert_eq!(millstream.len("alone").await.expect("a length"), 24);
    });
}

#[test]
fn a_consumer_that_waits_for_an_hour_ends_at_once() {
    // Consumers of others look for what was left in between.
    let Some(program) = Program::peer("redis-8.6").expect("find the server") else { return };
    let server = Server::start(&program).expect("start the server");
    runtime().block_on(async {
        let place =
            Place::connect(&format!("redis://127.0.0.1:{}", server.port()), "patient").await;
        let hour = Duration::from_hours(1);
        // Some are told to end while their read is on its way.
        for round in 0..100 {
            let consumer = place.builder("c1").block(hour).build().await.expect("a consumer");
            let running = Running::noting(consumer, &Seen::default());
            tokio::time::sleep(Duration::from_micros(20 * round)).await;
            in_time(running.stop()).await;
        }
        let consumer = place.builder("c1").block(hour).build().await.expect("a consumer");
        let seen = Seen::default();
        let running = Running::noting(consumer, &seen);
        place.add(0..1).await;
        seen.wait_for(1).await;
        place.wait_until_nothing_is_pending().await;
        server.set_stalled(true).expect("stop it");
        in_time(running.stop()).await;
        server.set_stalled(false).expect("let it go on");
    });
}

/// Symptom: "there was no answer within 9.999999845s", where 10 s were allowed.
#[test]
fn it_is_told_how_long_an_answer_was_waited_for() {
    let Some(server) = start(&[]) else { return };
    runtime().block_on(async {
        let url = format!("redis://127.0.0.1:{}", server.port());
        let options = ConnectOptions::new(url).response_timeout(Duration::from_millis(300));
        let millstream = options.connect().await.expect("connect");
        server.set_stalled(true).expect("stop it");
        let error = millstream.len("s").await.expect_err("it hangs").to_string();
        server.set_stalled(false).expect("let it go on");
        assert!(error.ends_with("there was no answer within 300ms"), "{error}");
    });
}

#[test]
fn a_server_that_is_busy_is_none_that_can_do_nothing() {
    let Some(server) = start(&["--busy-reply-threshold", "1"]) else { return };
    runtime().block_on(async {
        let url = format!("redis://127.0.0.1:{}", server.port());
        let before = Millstream::connect(&url).await.expect("connect").abilities().clone();
        let mut busy = server.connect().expect("connect");
        busy.send(&["EVAL", "while true do end", "0"]).expect("send");
        let mut admin = server.connect().expect("connect");
        until("it is busy", async || says_busy(&server)).await;
        let refused = Millstream::connect(&url).await.expect_err("it is busy");
        assert!(matches!(&refused, Error::Refused { code, .. } if code == "BUSY"), "{refused:?}");
        assert!(refused.is_temporary());
        let killed = admin.call(&["SCRIPT", "KILL"]).expect("an answer");
        assert!(!killed.is_error(), "{killed:?}");
        until("it is not busy", async || !says_busy(&server)).await;
        assert_eq!(*Millstream::connect(&url).await.expect("connect").abilities(), before);
        assert!(before.has_scripts && before.has_auto_claim);
    });
}

/// Symptom: to users whose rules name other keys Millstream was a server without XNACK and IDMP.
#[test]
fn what_a_server_can_do_does_not_hang_on_the_keys_of_a_user() {
    for name in ["millstream", "redis-8.2", "redis-8.6", "valkey-9.1"] {
        let Some(server) = crate::start(name) else { continue };
        runtime().block_on(async {
            let seen_by = async |user: &str| {
                let url = format!("redis://{user}127.0.0.1:{}", server.port());
                Millstream::connect(&url).await.expect("connect").abilities().clone()
            };
            let all = seen_by("").await;
            for keys in ["~orders*", "%R~*", "%W~*"] {
                let user = ["ACL", "SETUSER", "ada", "resetkeys", "on", ">secret", "+@all", keys];
                ok(&server, &[&user]);
                assert_eq!(seen_by("ada:secret@").await, all, "{name}: {keys}");
            }
        });
    }
}

fn says_busy(server: &Server) -> bool {
    let mut client = server.connect().expect("connect");
    matches!(client.call(&["EXISTS", "k"]), Ok(Value::Error(text)) if text.starts_with("BUSY"))
}

#[test]
fn who_may_not_use_client_commands_works_and_ends() {
    let user: &[&str] = &["ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-client"];
    let Some(server) = start(&[]) else { return };
    ok(&server, &[user]);
    runtime().block_on(async {
        let url = format!("redis://worker:secret@127.0.0.1:{}", server.port());
        let place = Place::connect(&url, "limited").await;
        let seen = Seen::default();
        let running = Running::noting(place.builder("c1").build().await.expect("one"), &seen);
        place.add(0..3).await;
        seen.wait_for(3).await;
        place.wait_until_nothing_is_pending().await;
        in_time(running.stop()).await;
    });
}

/// A Sentinel that knows one master, always the same, or nobody.
async fn sentinel_of(master: u16, knows: Arc<AtomicBool>) -> u16 {
    let master = master.to_string();
    let address = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{master}\r\n", master.len());
    answering(move |words| match &*words[0] {
        "SENTINEL" if knows.load(Ordering::Relaxed) => address.clone(),
        "SENTINEL" => "*-1\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    })
    .await
}

/// What answers each command with what this says.
async fn answering(says: impl Fn(&[String]) -> String + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let says = Arc::new(says);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(BufReader::new(client), Arc::clone(&says)));
        }
    });
    port
}

async fn answer(
    mut client: BufReader<TcpStream>,
    says: Arc<impl Fn(&[String]) -> String>,
) -> Option<()> {
    loop {
        let count = number(&mut client).await?;
        let mut words = Vec::new();
        for _ in 0..count {
            let mut word = vec![0; number(&mut client).await? + 2];
            client.read_exact(&mut word).await.ok()?;
            words.push(String::from_utf8_lossy(&word).trim_end().to_owned());
        }
        client.write_all(says(&words).as_bytes()).await.ok()?;
    }
}

/// Behind a `*` or `$`.
async fn number(client: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    client.read_line(&mut line).await.ok()?;
    line.get(1..)?.trim().parse().ok()
}

#[test]
fn a_worker_leaves_dead_connections_to_master_and_sentinel() {
    let Some(server) = start(&[]) else { return };
    runtime().block_on(async {
        let master = Relay::to(server.port()).await;
        let sentinel = sentinel_of(master.port, Arc::new(AtomicBool::new(true))).await;
        let sentinel = Relay::to(sentinel).await;
        let url = format!("redis+sentinel://127.0.0.1:{}/orders", sentinel.port);
        let place = Place::connect(&url, "dead").await;
        let seen = Seen::default();
        // Nothing else is asked that would find out.
        let builder = place.builder("c1").delayed_messages(false).consumer_ttl(None);
        let running = Running::noting(builder.build().await.expect("a consumer"), &seen);
        place.add(0..1).await;
        seen.wait_for(1).await;
        master.freeze();
        sentinel.freeze();
        let direct = format!("redis://127.0.0.1:{}", server.port());
        let direct = Millstream::connect(&direct).await.expect("connect");
        direct.add("dead", &one()).await.expect("add");
        in_time(seen.wait_for(2)).await;
        in_time(running.stop()).await;
    });
}

/// The answer to this write is lost on its way, and the write is there once.
async fn is_added_once(millstream: &Millstream, relays: &[Relay]) {
    for write in [millstream.clone(), millstream.clone().with_replicas(1, LIMIT)] {
        write.add("once", &one()).await.expect("add");
        let before = millstream.len("once").await.expect("a length");
        relays.iter().for_each(|relay| relay.swallow(true));
        let lost = in_time(write.add("once", &one())).await;
        relays.iter().for_each(|relay| relay.swallow(false));
        assert!(matches!(lost, Err(Error::Connection(_))), "{lost:?}");
        until("it can be asked", async || millstream.len("once").await.is_ok()).await;
        assert_eq!(millstream.len("once").await.expect("a length"), before + 1);
    }
}

#[test]
fn what_may_have_been_done_is_not_sent_again() {
    let (Some(server), Some(replica)) = (start(&[]), start(&[])) else { return };
    ok(&replica, &[&["REPLICAOF", "127.0.0.1", &server.port().to_string()]]);
    runtime().block_on(async {
        let relay = [Relay::to(server.port()).await];
        let plain = format!("redis://127.0.0.1:{}", relay[0].port);
        is_added_once(&Millstream::connect(&plain).await.expect("connect"), &relay).await;
        let sentinel = sentinel_of(relay[0].port, Arc::new(AtomicBool::new(true))).await;
        let watched = format!("redis+sentinel://127.0.0.1:{sentinel}/orders");
        is_added_once(&Millstream::connect(&watched).await.expect("connect"), &relay).await;
    });
}

#[test]
fn what_may_have_been_done_is_not_sent_again_on_a_cluster() {
    let Some(program) = Program::peer("valkey-9.1").expect("find the server") else { return };
    let (runtime, mut relays) = (runtime(), Vec::new());
    let cluster = Cluster::start_behind(&program, 3, &[], |port| {
        let relay = runtime.block_on(Relay::to(port));
        let port = relay.port;
        relays.push(relay);
        port
    });
    let cluster = cluster.expect("start the Cluster");
    runtime.block_on(async {
        let url = format!("redis+cluster://{}", cluster.hosts());
        is_added_once(&Millstream::connect(&url).await.expect("connect"), &relays).await;
    });
}

#[test]
fn of_many_only_what_a_demoted_master_refused_is_sent_again() {
    let added = Arc::new(Mutex::new(Vec::new()));
    let says = {
        let added = Arc::clone(&added);
        move |words: &[String]| match &*words[0] {
            "ROLE" => "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".to_owned(),
            "XADD" if words[1] == "many" => {
                let mut added = added.lock();
                added.push(words.last().cloned().unwrap_or_default());
                // It is demoted after the first one, and gets over it.
                let is_refused = (2..=3).contains(&added.len());
                if is_refused { "-READONLY no\r\n" } else { "$3\r\n1-1\r\n" }.to_owned()
            }
            _ => "-ERR unknown command\r\n".to_owned(),
        }
    };
    runtime().block_on(async {
        let master = answering(says).await;
        let sentinel = sentinel_of(master, Arc::new(AtomicBool::new(true))).await;
        let url = format!("redis+sentinel://127.0.0.1:{sentinel}/orders");
        let millstream = Millstream::connect(&url).await.expect("connect");
        let three = (0..3).map(|number| Fields::new().with("n", number.to_string()));
        let ids = Producer::new(&millstream, "many").add_all(three).await.expect("adds them");
        assert_eq!(ids.len(), 3);
    });
    assert_eq!(*added.lock(), ["0", "1", "2", "1", "2"]);
}
