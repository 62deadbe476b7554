//! `import` and `export`: what is refused, left out, replaced, interrupted, and found to differ.

use std::time::{Duration, Instant};

use millstream_conformance::{Program, Server, Value};

use crate::on_all_servers;
use crate::place::{Outcome, Place, millstream, signal};
use crate::shown::shown;
use crate::transfer::import;

on_all_servers!(streams_that_a_user_may_not_see_are_passed_over);

fn two() -> [Place; 2] {
    [(); 2].map(|()| Place::start("millstream").expect("it is there"))
}

const HEADER: &str = "STREAM  ENTRIES  GROUPS  PENDING  SIZE  TIME  OUTCOME\n";

#[test]
fn what_is_there_is_left_alone_unless_that_is_asked_for() {
    let [source, target] = two();
    for key in ["a", "b", "c"] {
        source.redis(&format!("XADD {key} 1-1 n 1"));
    }
    target.redis("XADD b 9-9 mine 1");
    target.redis("SET c text");
    let said = import(&source, &target, &[b"--all"]).failure(1);
    assert_eq!(
        said,
        "millstream: nothing was copied, TARGET has 2 keys already: b, c\n  next: --skip-existing \
         leaves them as they are, --replace takes their place, --as gives a copy another key\n"
    );
    assert_eq!(target.redis("DBSIZE"), Value::Int(2));
    let asked = import(&source, &target, &[b"--all", b"--replace"]);
    assert_eq!(asked.code, Some(2), "{asked:?}");
    assert_eq!(asked.stdout, "2 keys at TARGET would be replaced: b, c\n");
    assert_eq!(asked.stderr, "millstream: nothing was copied; --yes does it\n");
    assert_eq!(target.redis("DBSIZE"), Value::Int(2));
    let dry = import(&source, &target, &[b"--all", b"--replace", b"--dry-run"]).success();
    let expected = "a  1  0  0  -  -  would be copied\nb  1  0  0  -  -  would be replaced\n\
                    c  1  0  0  -  -  would be replaced\n";
    assert_eq!(shown(&dry), format!("{HEADER}{expected}"));
    let skipped = import(&source, &target, &[b"--all", b"--skip-existing"]).success();
    let expected = "a  1  0  0  SIZE  TIME  verified\nb  -  -  -  -  -  skipped\n\
                    c  -  -  -  -  -  skipped\n1 entry  SIZE  TIME  RATE\n";
    assert_eq!(shown(&skipped), format!("{HEADER}{expected}"));
    assert_eq!(target.redis("XLEN b"), Value::Int(1));
    import(&source, &target, &[b"--match", b"[bc]", b"--replace", b"--yes"]).success();
    for key in ["b", "c"] {
        assert_eq!(target.redis(&format!("XRANGE {key} - +")), source.redis("XRANGE a - +"));
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let [source, target] = two();
    source.redis("XADD a 1-1 n 1");
    source.redis("SET text x");
    let cases: [(&[&[u8]], &str); 2] = [
        (&[], "name streams by their keys or with --match, or say --all"),
        (&[b"--all", b"--as", b"x"], "--as is for one stream, named by its key"),
    ];
    for (words, text) in cases {
        let text = format!("millstream: {text}\n");
        assert_eq!(import(&source, &target, words).failure(2), text);
    }
    let same = import(&source, &source, &[b"a"]).failure(2);
    assert!(same.starts_with("millstream: both are the same server: "), "{same}");
    // By whatever name; another database of it is another place.
    let by_name = format!("redis://localhost:{}", source.server.port());
    let renamed = [&b"import"[..], b"--from", by_name.as_bytes(), b"a", b"--replace", b"-y"];
    let same = source.run_words(&renamed).failure(2);
    assert!(same.starts_with("millstream: both are the same server: "), "{same}");
    let database = format!("{by_name}/1");
    source.run_words(&[b"export", b"--to", database.as_bytes(), b"a"]).success();
    let missing = import(&source, &target, &[b"a", b"nothing"]).failure(1);
    assert!(missing.starts_with("millstream: there is no stream nothing at SOURCE\n"), "{missing}");
    let other = import(&source, &target, &[b"a", b"text"]).failure(1);
    assert!(other.contains("WRONGTYPE"), "{other}");
    // Neither was half done.
    assert_eq!(target.redis("DBSIZE"), Value::Int(0));
    let none = import(&source, &target, &[b"--match", b"z*"]);
    assert_eq!(none.stderr, "millstream: no streams to copy at SOURCE\n");
    // With another key it may be the same server.
    import(&source, &source, &[b"a", b"--as", b"copy"]).success();
    assert_eq!(source.redis("XRANGE copy - +"), source.redis("XRANGE a - +"));
}

#[test]
fn a_copy_that_differs_is_not_kept() {
    let Some(source) = Place::start("valkey-9.1") else { return };
    let target = Place::start("millstream").expect("it is there");
    source.redis("XADD s 1-1 n 1");
    // Valkey alone takes more than were ever added.
    source.redis("XGROUP CREATE s g 0 ENTRIESREAD 999");
    target.redis("XADD s 9-9 mine 1");
    let words: [&[u8]; 3] = [b"s", b"--replace", b"--yes"];
    let outcome = import(&source, &target, &words);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let expected = "s  1  1  0  SIZE  TIME  different, not kept\n\
                    s: entries-read of group g: 999 at the source, 1 in the copy\n\
                    1 entry  SIZE  TIME  RATE\n";
    assert_eq!(shown(&outcome.stdout), format!("{HEADER}{expected}"));
    assert_eq!(
        outcome.stderr,
        "millstream: 1 stream differed after copying, and TARGET has what it had before\n  next: \
         look at the differences; --accept-differences keeps such a copy\n"
    );
    assert_eq!(target.redis("XLEN s"), Value::Int(1));
    assert_eq!(target.redis("XINFO GROUPS s"), Value::Array(vec![]));
    assert_eq!(target.redis("DBSIZE"), Value::Int(1));
    let kept = import(&source, &target, &[&words[..], &[b"--accept-differences"]].concat());
    let expected = "s  1  1  0  SIZE  TIME  different\n\
                    s: entries-read of group g: 999 at the source, 1 in the copy\n\
                    1 entry  SIZE  TIME  RATE\n";
    assert_eq!(shown(&kept.success()), format!("{HEADER}{expected}"));
    assert_eq!(target.redis("XRANGE s - +"), source.redis("XRANGE s - +"));
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_interrupted_import_clears_up_and_after_a_killed_one_the_next_one_does() {
    let [source, target] = two();
    source.feed((1..=50_000).map(|n| format!("XADD s {n}-1 n {n}")));
    let url = source.url();
    let staging = "EXISTS {s}:millstream-copy:s";
    let child = target.begin(&format!("import --from {url} s"));
    until("something is written", || target.redis(staging) == Value::Int(1));
    signal(&child, "-INT");
    let outcome = Outcome::of(child.wait_with_output().expect("it ends"));
    assert_eq!(
        outcome.failure(1),
        "millstream: interrupted: streams are there whole or not at all, what was half written \
         is not\n"
    );
    assert_eq!(target.redis("DBSIZE"), Value::Int(0));
    let mut child = target.begin(&format!("import --from {url} s"));
    until("something is written", || target.redis(staging) == Value::Int(1));
    signal(&child, "-KILL");
    assert_eq!(child.wait().expect("it ends").code(), None);
    assert_eq!(target.redis("EXISTS s"), Value::Int(0));
    assert_eq!(target.redis(staging), Value::Int(1));
    // It is nobody's stream: who copies all from there does not get it.
    let none = import(&target, &source, &[b"--all", b"--dry-run"]);
    assert_eq!(none.stderr, "millstream: no streams to copy at SOURCE\n");
    import(&source, &target, &[b"s"]).success();
    assert_eq!(target.redis(staging), Value::Int(0));
    assert_eq!(target.redis("XLEN s"), Value::Int(50_000));
}

#[test]
fn a_target_that_goes_away_is_told() {
    let [source, mut target] = two();
    source.feed((1..=50_000).map(|n| format!("XADD s {n}-1 n {n}")));
    let child = target.begin(&format!("import --from {} s", source.url()));
    let staging = "EXISTS {s}:millstream-copy:s";
    until("something is written", || target.redis(staging) == Value::Int(1));
    target.server.kill().expect("it ends");
    let outcome = Outcome::of(child.wait_with_output().expect("it ends"));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let begin = format!("millstream: cannot write the copy of stream s at {}: ", target.url());
    assert!(outcome.stderr.starts_with(&begin), "{outcome:?}");
    assert!(shown(&outcome.stdout).ends_with("s  -  -  -  -  -  failed\n"), "{outcome:?}");
}

#[test]
fn each_server_has_a_password_of_its_own() {
    let program = crate::place::own_program();
    let start = |password| Server::start_with(&program, &["--memory", "--requirepass", password]);
    let [source, target] = ["sesame", "hunter2"].map(|it| start(it).expect("it starts"));
    let url = |server: &Server| format!("redis://127.0.0.1:{}", server.port());
    let mut client = source.connect().expect("it accepts");
    client.call(&["AUTH", "sesame"]).expect("it answers");
    client.call(&["XADD", "s", "1-1", "n", "1"]).expect("it answers");
    let import = |from_password: &str| {
        let mut command = millstream();
        command.args(["import", "s", "--url", &url(&target)]).env("REDISCLI_AUTH", "hunter2");
        command.env("MILLSTREAM_FROM", url(&source)).env("MILLSTREAM_FROM_AUTH", from_password);
        Outcome::of(command.output().expect("it starts"))
    };
    let refused = import("hunter2").failure(1);
    assert!(refused.contains("of --from: MILLSTREAM_FROM_AUTH"), "{refused}");
    assert!(!refused.contains("sesame") && !refused.contains("hunter2"), "{refused}");
    import("sesame").success();
}

#[test]
fn streams_go_to_a_cluster_and_back() {
    let Some(program) = Program::peer("valkey-9.1").expect("a peer") else { return };
    let cluster = millstream_conformance::Cluster::start(&program, 3).expect("start the Cluster");
    let url = format!("redis+cluster://{}", cluster.hosts());
    let [source, target] = two();
    for n in 0..20 {
        let key = format!("s{n}}}");
        source.redis(&format!("XADD {key} 1-1 n {n}"));
        source.redis(&format!("XGROUP CREATE {key} g 0"));
        source.redis(&format!("XREADGROUP GROUP g c STREAMS {key} >"));
    }
    let url = url.as_bytes();
    let there = source.run_words(&[b"export", b"--all", b"--json", b"--to", url]).json();
    let back = target.run_words(&[b"import", b"--all", b"--json", b"--from", url]).json();
    for document in [there, back] {
        let streams = document["streams"].as_array().expect("a list");
        assert_eq!(streams.len(), 20, "{document}");
        assert!(streams.iter().all(|it| it["outcome"] == "verified" && it["pending"] == 1));
    }
    assert_eq!(target.redis("XPENDING s7} g"), source.redis("XPENDING s7} g"));
}

/// Symptom: `import --all` and `--match` of a user who may not see one of the streams failed, and
/// copied nothing that came behind it.
fn streams_that_a_user_may_not_see_are_passed_over(source: &Place) {
    let target = Place::start("millstream").expect("it is there");
    for key in ["a", "secret", "z"] {
        source.redis(&format!("XADD {key} 1-1 n 1"));
    }
    // It is nothing that would have to be replaced.
    target.redis("XADD secret 9-9 mine 1");
    source.redis("ACL SETUSER auditor on >pw ~a ~z +@all");
    let at = source.url().replace("redis://", "redis://auditor@");
    let url = source.url().replace("redis://", "redis://auditor:pw@");
    let import = |options: &str| target.run(&format!("import --from {url} {options}"));
    let notice = format!("millstream: 1 stream at {at} is not for this user (ACL)\n");
    let dry = import("--all --dry-run");
    let text = "a  1  0  0  -  -  would be copied\nsecret  -  -  -  -  -  not permitted\n\
                z  1  0  0  -  -  would be copied\n";
    assert_eq!((dry.code, &dry.stderr), (Some(0), &notice));
    assert_eq!(shown(&dry.stdout), format!("{HEADER}{text}"));
    let done = import("--match *");
    let text = "a  1  0  0  SIZE  TIME  verified\nsecret  -  -  -  -  -  not permitted\n\
                z  1  0  0  SIZE  TIME  verified\n2 entries  SIZE  TIME  RATE\n";
    assert_eq!((done.code, &done.stderr), (Some(0), &notice));
    assert_eq!(shown(&done.stdout), format!("{HEADER}{text}"));
    assert_eq!(target.redis("XLEN secret"), Value::Int(1));
    // One that is named is wanted.
    let said = import("secret --as copy").failure(1);
    assert!(said.contains("cannot look at stream secret at "), "{said}");
}
