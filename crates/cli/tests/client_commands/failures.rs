//! What is said and done when something is wrong: with the command line, the server, or the way
//! between them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use millstream_conformance::{Program, Server};

use crate::on_all_servers;
use crate::place::{Outcome, Place, millstream, own_program, signal, until};

fn run(command: &mut Command) -> Outcome {
    Outcome::of(command.output().expect("the binary of this package starts"))
}

#[test]
fn nobody_there_is_told_without_the_password() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let url = format!("redis://ada:hunter2@127.0.0.1:{port}");
    let said = run(millstream().args(["stream", "ls", "--url", &url])).failure(1);
    let expected = format!(
        "millstream: cannot connect to redis://ada@127.0.0.1:{port}: the server cannot be reached: "
    );
    assert!(said.starts_with(&expected), "{said}");
    let next = "\n  next: start a server with `millstream serve`, or name another one with --url or \
                REDIS_URL\n";
    assert!(said.ends_with(next), "{said}");
}

#[test]
fn a_wrong_command_line_is_refused_before_anything_is_done() {
    for wrong in [
        &["stream"][..],
        &["stream", "list-all"],
        &["stream", "ls", "--limit", "many"],
        &["stream", "ls", "--timeout", "5"],
        &["stream", "info"],
        &["stream", "info", "a\\y", "--escapes"],
        &["group", "create", "a", "b\\", "--escapes"],
        &["stream", "ls", "--url", "nonsense:hunter2@host"],
        &["stream", "ls", "--url", "http://ada:hunter2@host"],
        &["stream", "ls", "--url", "rediss://ada:hunter2@host#insecure"],
        &["stream", "ls", "--url", ""],
        &["dashboard", "--port", "0", "--url", "http://ada:hunter2@host"],
        &["health", "--url", "redis://ada:hunter2@host"],
        &["health", "--url", "http://ada:hunter2@host"],
        &["serve", "--check-config", "--otlp-endpoint", "https://ada:hunter2@host"],
    ] {
        let said = run(millstream().args(wrong)).failure(2);
        assert!(!said.contains("hunter2") && !said.is_empty(), "{wrong:?}: {said}");
    }
    let said = run(millstream().args(["stream", "info", "a\\y", "--escapes"])).failure(2);
    let text = "millstream: a\\\\y: there is no escape \\y; two backslashes stand for one\n";
    assert_eq!(said, text);
}

/// Symptom: of `--from -1` and the like clap said "to pass '-1' as a value, use '-- -1'", which does
/// not help.
#[test]
fn a_number_below_zero_is_refused_for_what_it_is() {
    for (line, value, option) in [
        ("stream tail s --from", "-1", "--from <ID>"),
        ("stream tail s --from", "-5-1", "--from <ID>"),
        ("stream tail s -n", "-1", "--count <COUNT>"),
        ("stream trim s --maxlen", "-1", "--maxlen <COUNT>"),
        ("stream trim s --maxage", "-5s", "--maxage <TIME>"),
        ("stream policy s --maxage", "-5s", "--maxage <TIME>"),
        ("stream ls --limit", "-1", "--limit <COUNT>"),
        ("stream ls --timeout", "-1s", "--timeout <TIME>"),
        ("group set-id s g", "-5", "<0|$|ID>"),
        ("group create s g --start", "-5", "--start <0|$|ID>"),
        ("pending ack s g 1-1", "-5", "[ID]..."),
        ("schedule add s a=b --in", "-5s", "--in <TIME>"),
        ("schedule add s a=b --at", "-5", "--at <MOMENT>"),
        ("dlq requeue s --all --rate", "-1", "--rate <COUNT>"),
        ("top --interval", "-1s", "--interval <TIME>"),
        ("serve --cache-mb", "-1", "--cache-mb <MIB>"),
        ("serve --tls-port", "-1", "--tls-port <PORT>"),
        ("serve --otlp-sample", "-1", "--otlp-sample <PART>"),
    ] {
        let said = run(millstream().args(line.split(' ')).arg(value)).failure(2);
        let begin = format!("error: invalid value '{value}' for '{option}': ");
        assert!(said.starts_with(&begin) && !said.contains("tip:"), "{line}: {said}");
    }
    // Options are options still.
    for wrong in [
        "pending ack s g 1-1 --nonsense",
        "pending ack s g 1-1 -x",
        "stream ls --limit",
        "schedule add s a=b --in --json",
        "work s g --visibility -- true",
    ] {
        let said = run(millstream().args(wrong.split(' '))).failure(2);
        assert!(!said.contains("invalid value"), "{wrong}: {said}");
    }
}

#[test]
fn options_may_stand_anywhere() {
    let place = Place::start("millstream").expect("it is there");
    let url = place.url();
    for words in [
        ["stream", "--url", &url, "ls", "--json"],
        ["stream", "ls", "--json", "--url", &url],
        ["stream", "--json", "ls", "--url", &url],
    ] {
        run(millstream().args(words)).json();
    }
}

fn password_is_asked_for(program: &Program) {
    let server = Server::start_with(program, &["--requirepass", "hunter2"]).expect("it starts");
    let at = format!("127.0.0.1:{}", server.port());
    let ls = |user: &str, password: Option<&str>| {
        let mut command = millstream();
        command.args(["stream", "ls", "--json", "--url", &format!("redis://{user}{at}")]);
        if let Some(password) = password {
            command.env("REDISCLI_AUTH", password);
        }
        run(&mut command)
    };
    let next = "put the password into the variable REDISCLI_AUTH";
    for refused in [ls("", None), ls("", Some("wrong")), ls(":wrong@", None)] {
        let said = refused.failure(1);
        assert!(said.contains(&format!("cannot connect to redis://{at}: ")), "{said}");
        assert!(said.contains(next) && !said.contains("wrong@"), "{said}");
    }
    ls(":hunter2@", None).json();
    ls("", Some("hunter2")).json();
    // The address has the last word.
    ls(":hunter2@", Some("wrong")).json();
    ls(":wrong@", Some("hunter2")).failure(1);
}

#[test]
fn a_password_comes_from_the_address_or_the_environment() {
    password_is_asked_for(&own_program());
    for peer in ["redis-8.2", "valkey-9.1"] {
        if let Some(program) = Program::peer(peer).expect("a peer") {
            password_is_asked_for(&program);
        }
    }
}

/// Symptom: an empty variable was taken for a password, which a server without one refuses.
fn empty_variable_is_no_password(place: &Place) {
    let mut command = place.command(&[b"stream", b"ls", b"--json"]);
    run(command.env("REDISCLI_AUTH", "")).json();
}

/// Symptom: a server that wants no password refused one, and nothing said where it came from.
fn password_that_is_not_wanted_is_told_with_what_to_do(place: &Place) {
    for words in [&["stream", "ls"][..], &["dashboard", "--port", "0"]] {
        let words: Vec<&[u8]> = words.iter().map(|it| it.as_bytes()).collect();
        let mut command = place.command(&words);
        let said = run(command.env("REDISCLI_AUTH", "hunter2")).failure(1);
        let told = format!("millstream: cannot connect to {}: the server says: ERR ", place.url());
        assert!(said.starts_with(&told) && !said.contains("hunter2"), "{said}");
        let next = "\n  next: this server wants no password: unset the variable REDISCLI_AUTH (";
        assert!(said.contains(next), "{said}");
    }
}

/// Symptom: Redis was told to SAVE before it was asked for what it does not have, and what it said
/// was told twice, without its address and what to do.
fn server_of_others_has_no_backup(place: &Place) {
    if place.is_millstream() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("backups");
    let target = target.to_str().expect("temporary paths are UTF-8");
    let said = place.run(&format!("backup {target}")).failure(1);
    let (url, called) = (place.url(), place.called());
    let told = format!("millstream: cannot copy the store at {url}: {called} ");
    assert!(said.starts_with(&told), "{said}");
    let next = " has no command BACKUP\n  next: name a Millstream server with --url or REDIS_URL; \
                others are copied by tools of their own\n";
    assert!(said.ends_with(next), "{said}");
    let ran = place.redis("INFO commandstats");
    let ran = String::from_utf8_lossy(ran.bytes().expect("a text")).into_owned();
    assert!(ran.contains("cmdstat_info") && !ran.contains("cmdstat_save"), "{ran}");
}

on_all_servers!(
    empty_variable_is_no_password,
    password_that_is_not_wanted_is_told_with_what_to_do,
    server_of_others_has_no_backup,
);

/// Symptom: with an empty REDIS_URL "the address is none".
#[test]
fn an_empty_variable_names_no_server() {
    let ls = |command: &mut Command| {
        let Outcome { code, stderr, .. } = run(command.args(["stream", "ls", "no-such-stream"]));
        (code, stderr)
    };
    let (code, said) = ls(millstream().env("REDIS_URL", ""));
    // There may be a server at the usual address.
    assert!(code != Some(2) && said.contains("redis://127.0.0.1:6379"), "{said}");
    assert_eq!((code, said), ls(&mut millstream()));
}

#[test]
fn what_the_server_says_plays_no_tricks_with_the_terminal() {
    let place = Place::start("millstream").expect("it is there");
    place.redis_words(&[b"SET", b"\x1b[2J", b"x"]);
    let said = place.run_words(&[b"stream", b"info", b"\x1b[2J"]).failure(1);
    let expected = format!(
        "millstream: cannot look at stream \\u{{1b}}[2J at {}: the server says: WRONGTYPE Operation \
         against a key holding the wrong kind of value\n  next: the key holds no stream; \
         `millstream stream ls` shows those that there are\n",
        place.url()
    );
    assert_eq!(said, expected);
    let mut group = place.command(&[b"group", b"info", b"s\xff", b"g\x07\xff"]);
    place.redis_words(&[b"XADD", b"s\xff", b"1-1", b"f", b"v"]);
    let said = run(&mut group).failure(1);
    assert!(said.contains("the stream s\\xff at"), "{said}");
    assert!(said.contains("has no group g\\u{7}\\xff\n"), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::start("millstream").expect("it is there");
    // More than a pipe holds.
    place.feed((1..=5000).map(|id| format!("XADD s {id}-1 text {}", "x".repeat(40))));
    let mut child = place.begin("stream tail s --from 0");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    lines.next().expect("a line").expect("it can be read");
    drop(lines);
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("it can be read");
    let status = child.wait().expect("it ends");
    assert_eq!((status.code(), &*stderr), (Some(0), ""));
}

/// Symptom: a command that had something to say ended with a panic where nobody heard it.
#[test]
fn a_notice_that_cannot_be_written_is_no_failure() {
    let place = Place::start("millstream").expect("it is there");
    let (reader, closed) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = File::options().write(true).open("/dev/full").expect("it is there");
    for stderr in [Stdio::from(closed), full.into()] {
        let mut command = place.command(&[b"stream", b"ls", b"zzz*"]);
        run(command.stderr(stderr)).success();
    }
}

#[test]
fn a_server_that_hangs_is_given_up_in_time() {
    let place = Place::start("millstream").expect("it is there");
    place.server.set_stalled(true).expect("it stops");
    let begun = Instant::now();
    let outcome = place.run("stream ls --timeout 300ms");
    place.server.set_stalled(false).expect("it goes on");
    let said = outcome.failure(1);
    assert!(said.contains("there was no answer within 300ms\n"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_goes_away_in_the_middle_is_told() {
    let mut place = Place::start("millstream").expect("it is there");
    place.server.set_stalled(true).expect("it stops");
    let mut child = place.begin("stream ls");
    place.server.kill().expect("it ends");
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("it can be read");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("millstream: cannot "), "{stderr}");
    assert!(stderr.contains("the server cannot be reached: "), "{stderr}");
    assert!(stderr.contains("\n  next: "), "{stderr}");
}

#[test]
fn what_is_followed_goes_on_once_the_server_is_back() {
    let mut place = Place::start("millstream").expect("it is there");
    place.redis("XADD s 1-1 n 1");
    let mut child = place.begin("stream tail s --follow");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("it can be read");
    assert_eq!(next(), "1-1  n=1");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut told = || said.next().expect("a line").expect("it can be read");
    until("it waits for more", || {
        let clients = place.redis("CLIENT LIST");
        String::from_utf8_lossy(clients.bytes().expect("a text")).contains("cmd=xread ")
    });
    place.redis("CLIENT KILL TYPE normal SKIPME yes");
    let lost = told();
    assert!(lost.starts_with(&format!("millstream: lost {}: ", place.url())), "{lost}");
    assert_eq!(told(), "millstream: going on behind 1-1");
    place.redis("XADD s 2-1 n 2");
    assert_eq!(next(), "2-1  n=2");
    place.server.kill().expect("it ends");
    assert!(told().ends_with("; trying again"));
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Whether the process has a handler for SIGINT by now.
#[cfg(target_os = "linux")]
fn watches_for_interrupts(child: &std::process::Child) -> bool {
    let path = format!("/proc/{}/status", child.id());
    let status = std::fs::read_to_string(path).expect("it goes on");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
    let caught = u64::from_str_radix(caught.trim(), 16).expect("a number");
    // The signal 2 is bit 1.
    caught & 0b10 != 0
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_command_says_so() {
    let place = Place::start("millstream").expect("it is there");
    place.server.set_stalled(true).expect("it stops");
    let mut child = place.begin("stream ls");
    let begun = Instant::now();
    while !watches_for_interrupts(&child) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it watches for nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "-INT");
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("it can be read");
    let status = child.wait().expect("it ends");
    place.server.set_stalled(false).expect("it goes on");
    let text = "millstream: interrupted: what was under way may have been done or not\n";
    assert_eq!((status.code(), &*stderr), (Some(1), text));
}
