//! The toolkit on a server that Sentinels watch.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream::{ConnectOptions, Error, Fields, Millstream};
use millstream_conformance::{Program, SERVICE, Sentinels};
use tokio::time::sleep;

use crate::place::{Place, Running, Seen, until};
use crate::suite::exercise;
use crate::trouble::runtime;

const PASSWORD: &str = "p@ss/word";

fn start(name: &str, password: Option<&str>) -> Option<Sentinels> {
    let program = Program::peer(name).expect("find the server")?;
    Some(Sentinels::start(&program, password).expect("start Sentinels and servers"))
}

fn url(sentinels: &Sentinels) -> String {
    format!("redis+sentinel://{}/{SERVICE}", sentinels.hosts())
}

#[test]
fn on_valkey_with_sentinels() {
    let Some(sentinels) = start("valkey-9.1", None) else { return };
    let url = url(&sentinels);
    exercise(async || Millstream::connect(&url).await.expect("connect"));
}

#[test]
fn on_valkey_with_sentinels_and_a_user_with_a_password() {
    let Some(mut sentinels) = start("valkey-9.1", Some(PASSWORD)) else { return };
    for server in 0..2 {
        let mut client = sentinels.server_mut(server).connect().expect("connect");
        client.call(&["AUTH", PASSWORD]).expect("an answer");
        let user = ["ACL", "SETUSER", "ada", "on", ">se:cr@t", "~*", "&*", "+@all"];
        let made = client.call(&user).expect("an answer");
        assert!(!made.is_error(), "{made:?}");
    }
    let url = format!("redis+sentinel://ada:se%3Acr%40t@{}/{SERVICE}", sentinels.hosts());
    let options = ConnectOptions::new(url).sentinel_credentials(Some("default"), PASSWORD);
    exercise(async || options.connect().await.expect("connect"));
}

/// Kills the master twice while messages flow, and once it only hangs: all that a replica had is
/// handled.
fn follow_the_master(name: &str) {
    let Some(mut sentinels) = start(name, None) else { return };
    let runtime = runtime();
    let place = runtime.block_on(Place::connect(&url(&sentinels), "followed"));
    let seen = Seen::default();
    let running = runtime.block_on(async {
        let builder = place.builder("c1").concurrency(4).max_retries(1000);
        Running::noting(builder.build().await.expect("a consumer"), &seen)
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let millstream = place.millstream.clone().with_replicas(1, Duration::from_secs(1));
    let producing = runtime.spawn(async move {
        let (mut confirmed, mut number, mut stopped) = (Vec::new(), 0, stopped);
        while stopped.try_recv().is_err() {
            let fields = Fields::new().with("n", number.to_string());
            match millstream.add("followed", &fields).await {
                Ok(_) => confirmed.push(number.to_string()),
                Err(Error::Unreplicated { .. }) => {}
                Err(error) => assert!(error.is_temporary(), "{error}"),
            }
            number += 1;
            sleep(Duration::from_millis(2)).await;
        }
        confirmed
    });
    for round in 0..2 {
        let master = sentinels.master(None).expect("a master");
        let count = seen.all().len();
        runtime.block_on(seen.wait_for(count + 50));
        sentinels.server_mut(master).kill().expect("kill it");
        sentinels.wait_for_master(1 - master, None).unwrap_or_else(|e| panic!("{round}: {e}"));
        sentinels.server_mut(master).start_again().expect("start it again");
        sentinels.wait_until_all_are_known(None).expect("it becomes a replica");
    }
    let count = seen.all().len();
    runtime.block_on(seen.wait_for(count + 50));
    stop.send(()).expect("it produces");
    runtime.block_on(async {
        let confirmed = producing.await.expect("it does not panic");
        until("all that was confirmed is handled", async || {
            let handled: BTreeSet<String> = seen.all().into_iter().map(|(n, _)| n).collect();
            confirmed.iter().all(|number| handled.contains(number))
        })
        .await;
        running.stop().await;
        println!("{} confirmed, {} handled", confirmed.len(), seen.all().len());
    });
}

#[test]
fn workers_follow_the_master_of_valkey() {
    follow_the_master("valkey-9.1");
}

#[test]
fn workers_follow_the_master_of_redis() {
    follow_the_master("redis-8.2");
}

#[test]
fn passwords_of_servers_and_sentinels_and_names_that_nobody_knows() {
    let Some(sentinels) = start("valkey-9.1", Some(PASSWORD)) else { return };
    runtime().block_on(async {
        let hosts = sentinels.hosts();
        let encoded = PASSWORD.replace('@', "%40").replace('/', "%2F");
        let right = format!("redis+sentinel://:{encoded}@{hosts}/{SERVICE}");
        let options = ConnectOptions::new(&right).sentinel_credentials(None, PASSWORD);
        let millstream = options.connect().await.expect("connect");
        millstream.add("s", &Fields::new().with("n", "1")).await.expect("add");

        let refused = |connected: Result<Millstream, Error>| match connected {
            Err(Error::Refused { code, .. }) => code,
            other => panic!("{other:?}"),
        };
        let wrong = ConnectOptions::new(&right).sentinel_credentials(None, "wrong");
        assert_eq!(refused(wrong.connect().await), "WRONGPASS");
        assert_eq!(refused(ConnectOptions::new(&right).connect().await), "NOAUTH");
        let wrong = format!("redis+sentinel://:wrong@{hosts}/{SERVICE}");
        let wrong = ConnectOptions::new(wrong).sentinel_credentials(None, PASSWORD);
        assert_eq!(refused(wrong.connect().await), "WRONGPASS");

        let unknown = format!("redis+sentinel://:{encoded}@{hosts}/nobody");
        let unknown = ConnectOptions::new(unknown).sentinel_credentials(None, PASSWORD);
        let refused = unknown.connect().await;
        let Err(Error::Configuration(text)) = refused else { panic!("{refused:?}") };
        assert!(text.contains("nobody"), "{text}");
    });
}
