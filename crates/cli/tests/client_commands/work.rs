//! `millstream work`.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines, PipeWriter, Read as _, pipe};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use millstream_conformance::Value;
use serde_json::{Value as Json, json};

use crate::on_all_servers;
use crate::place::{Outcome, Place, signal, until};

on_all_servers!(
    a_command_gets_the_whole_entry,
    fields_set_their_own_variables_only,
    exit_codes_say_what_becomes_of_an_entry,
    a_command_that_is_too_slow_is_ended_with_all_that_it_started,
    ten_megabytes_of_output_neither_block_nor_stay,
    nobody_has_to_read,
    nobody_has_to_hear_what_a_worker_says,
    an_entry_whose_output_is_lost_is_not_acknowledged,
    a_last_line_without_an_end_is_printed_whoever_has_it_open,
    what_a_command_leaves_running_is_ended,
    a_worker_that_is_told_to_end_waits_for_its_commands,
    a_second_signal_ends_commands_and_their_entries_go_to_others,
    a_worker_that_was_killed_leaves_no_command_behind,
    outcomes_are_told_as_json,
    a_missing_command_is_found_out_before_anything_is_read,
);

/// A worker on `orders` and `billing`, by a shell script.
fn command(place: &Place, options: &str, script: &str) -> Command {
    let mut words: Vec<&[u8]> = vec![b"work", b"orders", b"billing", b"--consumer", b"w1"];
    words.extend(options.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes));
    words.extend([&b"--"[..], b"sh", b"-c", script.as_bytes()]);
    place.command(&words)
}

fn run(place: &Place, options: &str, script: &str) -> Outcome {
    let mut command = command(place, &format!("--drain {options}"), script);
    Outcome::of(command.output().expect("the binary of this package starts"))
}

struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn begin(place: &Place, options: &str, script: &str) -> Self {
        let mut command = command(place, options, script);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary of this package starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("it can be read")
    }

    /// Its exit code, and what else it said.
    fn end(mut self) -> Outcome {
        let rest: Vec<String> = self.lines.map_while(Result::ok).collect();
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut stderr).expect("it can be read");
        let code = self.child.wait().expect("it ends").code();
        Outcome { code, stdout: rest.concat(), stderr }
    }
}

fn add(place: &Place, id: u32) {
    place.redis(&format!("XADD orders {id}-1 order_id {id}"));
}

fn pending(place: &Place) -> Vec<Json> {
    let all = place.run("pending ls orders billing --json");
    let all: Json = serde_json::from_str(&all.stdout).expect("it is JSON");
    all["pending"].as_array().expect("a list").clone()
}

/// Whether the process goes on; one that has ended and was not waited for does not.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

fn a_command_gets_the_whole_entry(place: &Place) {
    add(place, 1);
    place.redis_words(&[b"XADD", b"orders", b"2-1", b"a", b"1", b"a", b"x\xff", b"b c", b"\n"]);
    let outcome = run(place, "", "cat");
    let document = |id: &str, fields: &str| {
        format!(
            "{id}  {{\"id\":\"{id}\",\"stream\":\"orders\",\"group\":\"billing\",\
             \"consumer\":\"w1\",\"deliveries\":1,\"fields\":{fields}}}\n"
        )
    };
    let odd = r#"[["a","1"],["a",{"b64":"eP8="}],["b c","\n"]]"#;
    let text = document("1-1", r#"{"order_id":"1"}"#) + &document("2-1", odd);
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), &*text));
    let said = "millstream: consumer w1 of group billing takes from orders\n\
                millstream: 2 entries acknowledged\n";
    assert_eq!(outcome.stderr, said);
    assert_eq!(pending(place), [] as [Json; 0]);
    // Nothing is left; what there is comes to both outputs as it went.
    add(place, 3);
    let outcome = run(place, "--output plain", "echo out; echo err >&2; printf end");
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "out\nend"));
    assert!(outcome.stderr.contains("\nerr\nmillstream: 1 entry acknowledged\n"), "{outcome:?}");
    add(place, 4);
    let outcome = run(place, "--output none", "echo out; echo err >&2");
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), ""));
    assert!(!outcome.stderr.contains("err\n"), "{outcome:?}");
    // Several at once.
    (5..=12).for_each(|id| add(place, id));
    let outcome = run(place, "--concurrency 4", "echo $MILLSTREAM_ID");
    let mut lines: Vec<&str> = outcome.stdout.lines().collect();
    lines.sort();
    let mut wanted: Vec<String> = (5..=12).map(|id| format!("{id}-1  {id}-1")).collect();
    wanted.sort();
    assert_eq!(lines, wanted);
}

fn fields_set_their_own_variables_only(place: &Place) {
    let words: &[&[u8]] = &[
        b"XADD",
        b"orders",
        b"1-1",
        b"PATH",
        b"/evil",
        b"LD_PRELOAD",
        b"/evil.so",
        b"order id",
        b"x",
        b"order_id",
        b"7\xff\n",
        b"ID",
        b"9-9",
        b"nul",
        b"a\0b",
        b"A=B",
        b"x",
    ];
    place.redis_words(words);
    let mut command = command(place, "--drain --output plain", "env");
    // What the runner of this test has there is not of the case.
    command.env_clear().env("PATH", "/usr/bin:/bin").env("REDIS_URL", place.url());
    command.env("MILLSTREAM_FIELD_STALE", "x").env("MILLSTREAM_ID", "stale");
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(0));
    let mut own: Vec<&[u8]> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"MILLSTREAM_") || line.starts_with(b"LD_"))
        .collect();
    own.sort();
    let expected: [&[u8]; 9] = [
        b"MILLSTREAM_CONSUMER=w1",
        b"MILLSTREAM_DELIVERIES=1",
        b"MILLSTREAM_FIELD_ID=9-9",
        b"MILLSTREAM_FIELD_LD_PRELOAD=/evil.so",
        b"MILLSTREAM_FIELD_ORDER_ID=7\xff",
        b"MILLSTREAM_FIELD_PATH=/evil",
        b"MILLSTREAM_GROUP=billing",
        b"MILLSTREAM_ID=1-1",
        b"MILLSTREAM_STREAM=orders",
    ];
    assert_eq!(own, expected);
}

fn exit_codes_say_what_becomes_of_an_entry(place: &Place) {
    (1..=5).for_each(|id| add(place, id));
    let script = r#"
case $MILLSTREAM_FIELD_ORDER_ID-$MILLSTREAM_DELIVERIES in
    1-*) echo "no such order" >&2; exit 65;;
    2-1) [ -e "$0" ] || { > "$0"; exit 75; };;
    3-1) kill -9 $$;;
    4-*) echo first >&2; echo "is broken" >&2; exit 3;;
esac
echo $MILLSTREAM_DELIVERIES"#;
    let options = "--max-deliveries 2 --backoff none --retry-delay 50ms";
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = command(place, &format!("--drain {options}"), script);
    let output = command.arg(folder.path().join("was-here")).output().expect("it starts");
    let outcome = Outcome::of(output);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let mut lines: Vec<&str> = outcome.stdout.lines().collect();
    lines.sort();
    assert_eq!(lines, ["2-1  1", "3-1  2", "5-1  1"]);
    let ended = "millstream: 3 entries acknowledged, 5 failed tries, 2 dead letters\n";
    assert!(outcome.stderr.ends_with(ended), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("\n1-1  no such order\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("killed by signal 9"), "{}", outcome.stderr);
    let letters = place.run("stream tail orders:dlq --json").success();
    assert!(letters.contains("exit code 65: no such order"), "{letters}");
    assert!(letters.contains("exit code 3: first\\nis broken"), "{letters}");
    assert_eq!(pending(place), [] as [Json; 0]);
}

fn a_command_that_is_too_slow_is_ended_with_all_that_it_started(place: &Place) {
    add(place, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let pids = folder.path().join("pids");
    // One of them does not end when it is told to.
    let script = format!(
        "(trap '' TERM; while :; do sleep 1; done) & echo $! >> {0}; sleep 1000 & echo $! >> {0}; \
         echo waits; wait",
        pids.display()
    );
    let options = "--timeout 300ms --kill-after 200ms --max-deliveries 1";
    let outcome = run(place, options, &script);
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "1-1  waits\n"), "{outcome:?}");
    assert!(outcome.stderr.contains("it took longer than 300ms"), "{outcome:?}");
    assert!(outcome.stderr.ends_with(", 1 failed try, 1 dead letter\n"), "{outcome:?}");
    let pids = std::fs::read_to_string(pids).expect("they are told");
    assert_eq!(pids.lines().count(), 2);
    until("they have ended", || !pids.lines().any(is_running));
}

fn ten_megabytes_of_output_neither_block_nor_stay(place: &Place) {
    add(place, 1);
    // Without a line end, and with many of them.
    let script = "peak() { sed -n 's/VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$PPID/status; }\n\
                  before=$(peak)\n\
                  head -c 10000000 /dev/zero\n\
                  yes 123456789 | head -c 10000000 >&2\n\
                  echo $(peak) $before > $0";
    let folder = tempfile::tempdir().expect("a folder");
    let peaks = folder.path().join("peaks");
    let mut command = command(place, "--drain --output plain", script);
    command.arg(&peaks);
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout.len(), 10_000_000);
    assert!(output.stderr.len() > 10_000_000);
    let peaks = std::fs::read_to_string(peaks).expect("they are told");
    let peaks: Vec<u64> = peaks.split_whitespace().map(|it| it.parse().expect("KiB")).collect();
    assert!(peaks[0] - peaks[1] < 8 << 10, "it grew by {} KiB", peaks[0] - peaks[1]);
}

#[test]
fn output_that_is_taken_slowly_is_all_there() {
    let place = &Place::start("millstream").expect("it is there");
    add(place, 1);
    let script = "head -c 3000000 /dev/zero; echo; echo the end";
    let mut running = Running::begin(place, "--drain --output plain", script);
    // For what others left running it would have given up by then.
    std::thread::sleep(Duration::from_millis(2500));
    let long = running.line();
    assert_eq!((long.len(), &*running.line()), (3_000_000, "the end"));
    assert_eq!(running.end().code, Some(0));
}

fn nobody_has_to_read(place: &Place) {
    let value = vec![b'x'; 1 << 20];
    place.redis_words(&[b"XADD", b"orders", b"1-1", b"large", &value]);
    let outcome = run(place, "", "exit 0");
    assert!(outcome.stderr.ends_with("millstream: 1 entry acknowledged\n"), "{outcome:?}");
    add(place, 2);
    let outcome = run(place, "", "exec <&- >&- 2>&-; exit 0");
    assert!(outcome.stderr.ends_with("millstream: 1 entry acknowledged\n"), "{outcome:?}");
    // It is the reader of the worker that goes away: it ends in order.
    (3..=400).for_each(|id| add(place, id));
    let mut running = Running::begin(place, "", "head -c 2000 /dev/zero | tr '\\0' x; echo");
    running.line();
    let Running { mut child, lines } = running;
    drop(lines);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Nobody reads it any more.
fn closed_pipe() -> PipeWriter {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    writer
}

fn full_disk() -> File {
    File::options().write(true).open("/dev/full").expect("it is there")
}

/// Symptom: a worker ended with a panic at the first thing that it could not say, and its entry
/// stayed pending.
fn nobody_has_to_hear_what_a_worker_says(place: &Place) {
    let script = "echo $MILLSTREAM_DELIVERIES; [ $MILLSTREAM_DELIVERIES = 2 ]";
    for (id, stderr) in [(1, Stdio::from(closed_pipe())), (2, full_disk().into())] {
        add(place, id);
        let mut command = command(place, "--drain --backoff none", script);
        let outcome = Outcome::of(command.stderr(stderr).output().expect("it starts"));
        assert_eq!(outcome.success(), format!("{id}-1  1\n{id}-1  2\n"));
        assert_eq!(pending(place), [] as [Json; 0]);
    }
}

/// Symptom: a last line without a line feed was lost where something that the command had left
/// behind, in a session of its own, had its output open.
fn a_last_line_without_an_end_is_printed_whoever_has_it_open(place: &Place) {
    add(place, 1);
    // Longer than such a one is waited for; it ends by itself.
    let outcome = run(place, "", "printf done; setsid sleep 5 &");
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "1-1  done\n"), "{}", outcome.stderr);
    assert_eq!(pending(place), [] as [Json; 0]);
}

/// Symptom: entries were acknowledged whose output a full disk did not take, and the exit code was
/// 0.
fn an_entry_whose_output_is_lost_is_not_acknowledged(place: &Place) {
    (1..=3).for_each(|id| add(place, id));
    let none_acknowledged = "millstream: 0 entries acknowledged, ";
    for options in ["--drain", "--drain --output plain", "--drain --json"] {
        let mut command = command(place, options, "echo $MILLSTREAM_ID");
        let said = Outcome::of(command.stdout(full_disk()).output().expect("it starts")).failure(1);
        let why = "millstream: cannot write what commands print to standard output: No space left \
                   on device (os error 28); entries whose output was lost were given back\n  \
                   next: ";
        assert!(said.contains(why) && said.contains(none_acknowledged), "{said}");
    }
    let mut errors = command(place, "--drain", "echo $MILLSTREAM_ID >&2");
    let outcome = Outcome::of(errors.stderr(full_disk()).output().expect("it starts"));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    // A reader may go away, but what it did not take is not done.
    let mut closed = command(place, "--drain", "echo $MILLSTREAM_ID");
    let outcome = Outcome::of(closed.stdout(closed_pipe()).output().expect("it starts"));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains(none_acknowledged), "{outcome:?}");
    // None of that was a try.
    let outcome = run(place, "", "echo $MILLSTREAM_DELIVERIES");
    let mut lines: Vec<&str> = outcome.stdout.lines().collect();
    lines.sort();
    assert_eq!(lines, ["1-1  1", "2-1  1", "3-1  1"], "{outcome:?}");
}

fn what_a_command_leaves_running_is_ended(place: &Place) {
    add(place, 1);
    let outcome = run(place, "", "sleep 1000 & echo $!");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let pid = outcome.stdout.trim().strip_prefix("1-1  ").expect("its number").to_owned();
    until("it has ended", || !is_running(&pid));
}

fn a_worker_that_is_told_to_end_waits_for_its_commands(place: &Place) {
    let folder = tempfile::tempdir().expect("a folder");
    for (signal_name, id) in [("-TERM", 1), ("-INT", 10)] {
        add(place, id);
        add(place, id + 1);
        let go = folder.path().join(signal_name);
        let script =
            format!("echo begins; while [ ! -e {} ]; do sleep 0.01; done; echo done", go.display());
        let mut running = Running::begin(place, "", &script);
        assert_eq!(running.line(), format!("{id}-1  begins"));
        signal(&running.child, signal_name);
        let mut stderr = BufReader::new(running.child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains("ending: what runs may end within 30s") {
            assert_ne!(stderr.read_line(&mut said).expect("it can be read"), 0, "{said}");
        }
        std::fs::write(&go, "").expect("it can be written");
        stderr.read_to_string(&mut said).expect("it can be read");
        assert_eq!(running.line(), format!("{id}-1  done"));
        assert!(running.lines.next().is_none(), "nothing else is begun");
        assert_eq!(running.child.wait().expect("it ends").code(), Some(0), "{said}");
        assert!(said.ends_with("millstream: 1 entry acknowledged\n"), "{said}");
        let outcome = run(place, "", "echo other");
        assert_eq!(outcome.stdout, format!("{}-1  other\n", id + 1));
    }
}

fn a_second_signal_ends_commands_and_their_entries_go_to_others(place: &Place) {
    add(place, 1);
    let mut running = Running::begin(
        place,
        "",
        "trap 'echo told; exit 0' TERM; echo $$; while :; do sleep 0.01; done",
    );
    let pid = running.line().strip_prefix("1-1  ").expect("its number").to_owned();
    signal(&running.child, "-TERM");
    let mut stderr = BufReader::new(running.child.stderr.take().expect("a pipe"));
    let mut said = String::new();
    while !said.contains("ending: ") {
        assert_ne!(stderr.read_line(&mut said).expect("it can be read"), 0, "{said}");
    }
    assert!(is_running(&pid));
    signal(&running.child, "-TERM");
    stderr.read_to_string(&mut said).expect("it can be read");
    assert_eq!(running.line(), "1-1  told");
    assert_eq!(running.child.wait().expect("it ends").code(), Some(0), "{said}");
    assert!(!is_running(&pid));
    // Whatever it returned, it was kept from its work; that was no try.
    assert!(said.ends_with("millstream: 0 entries acknowledged, 1 given back\n"), "{said}");
    let outcome = run(place, "", "echo $MILLSTREAM_DELIVERIES");
    assert_eq!(outcome.stdout, "1-1  1\n");
}

fn a_worker_that_was_killed_leaves_no_command_behind(place: &Place) {
    add(place, 1);
    let script = "(trap '' TERM; while :; do sleep 1; done) & echo $! $$; wait";
    let options = "--visibility 400ms --kill-after 200ms --backoff none --max-deliveries 5";
    let mut running = Running::begin(place, options, script);
    let pids = running.line().strip_prefix("1-1  ").expect("its numbers").to_owned();
    let pids: Vec<&str> = pids.split(' ').collect();
    assert!(pids.iter().all(|pid| is_running(pid)));
    running.child.kill().expect("it goes on");
    running.child.wait().expect("it ends");
    until("they have ended", || !pids.iter().any(|pid| is_running(pid)));
    // And another one gets the entry.
    let mut words: Vec<&[u8]> = vec![b"work", b"orders", b"billing", b"--consumer", b"w2"];
    words.extend([&b"--drain"[..], b"--visibility", b"400ms"]);
    words.extend([&b"--"[..], b"sh", b"-c", b"echo $MILLSTREAM_DELIVERIES"]);
    let outcome = Outcome::of(place.command(&words).output().expect("it starts"));
    assert_eq!(outcome.stdout, "1-1  2\n", "{outcome:?}");
}

fn outcomes_are_told_as_json(place: &Place) {
    add(place, 1);
    place.redis_words(&[b"XADD", b"orders", b"2-1", b"order_id", b"2"]);
    let script = "printf 'a\\n\\377'; [ $MILLSTREAM_FIELD_ORDER_ID = 1 ] || exit 65";
    let outcome = run(place, "--json", script);
    let mut lines: Vec<Json> = Vec::new();
    for line in outcome.stdout.lines() {
        let mut line: Json = serde_json::from_str(line).expect("it is JSON");
        if let Some(time) = line.get_mut("duration_ms") {
            assert!(time.is_u64(), "{time}");
            *time = "N".into();
        }
        lines.push(line);
    }
    let ended = |id: &str, code: i32| {
        json!({"id": id, "deliveries": 1, "exit_code": code, "signal": null,
            "is_timed_out": false, "duration_ms": "N"})
    };
    let became = |id: &str, outcome: &str| json!({"id": id, "deliveries": 1, "outcome": outcome});
    for wanted in [
        json!({"id": "1-1", "output": "stdout", "line": "a"}),
        json!({"id": "1-1", "output": "stdout", "line": {"b64": "/w=="}}),
        ended("1-1", 0),
        became("1-1", "acknowledged"),
        ended("2-1", 65),
        became("2-1", "failed"),
        became("2-1", "dead_lettered"),
    ] {
        let at = lines.iter().position(|line| *line == wanted);
        lines.remove(at.unwrap_or_else(|| panic!("{wanted}: {}", outcome.stdout)));
    }
    assert_eq!(lines.len(), 2, "the output of the second: {lines:?}");
}

fn a_missing_command_is_found_out_before_anything_is_read(place: &Place) {
    add(place, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("no-program");
    std::fs::write(&file, "x").expect("it can be written");
    let file = file.to_str().expect("a text");
    let work = |command: &str| place.run(&format!("work orders billing --drain -- {command}"));
    for (command, why) in [
        ("no-such-command-anywhere a", "it is in no folder of PATH"),
        ("./no/such/command", "No such file or directory (os error 2)"),
        (file, "it is not executable"),
        ("/", "it is no file"),
    ] {
        let name = command.split(' ').next().expect("a word");
        let text = format!("millstream: cannot run {name}: {why}; nothing was read\n");
        assert_eq!(work(command).failure(2), text);
    }
    assert_eq!(place.redis("XINFO GROUPS orders"), Value::Array(Vec::new()));
    for wrong in
        ["work orders billing", "work orders", "work orders billing --concurrency 0 -- true"]
    {
        place.run(wrong).failure(2);
    }
    let said = place.run_words(&[b"work", b"s\xff", b"g", b"--", b"true"]).failure(2);
    assert!(said.contains("s\\xff is not UTF-8"), "{said}");
    let said = place.run("work orders none --must-exist -- true").failure(1);
    assert!(said.contains("has no group none\n"), "{said}");
    let said = place.run("work none billing --must-exist -- true").failure(1);
    assert!(said.contains("there is no stream none at "), "{said}");
    assert!(Path::new("/proc/self").exists(), "the other cases look there");
}
