//! `millstream produce`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};

use millstream_conformance::Value;
use serde_json::{Value as Json, json};

use crate::on_all_servers;
use crate::place::{Outcome, Place, signal, until};

on_all_servers!(
    one_entry_is_added,
    entries_of_standard_input_are_added_in_order,
    lines_are_taken_as_they_are,
    a_line_that_is_no_entry_ends_it_and_is_told,
    what_was_added_is_passed_over,
    a_run_that_was_killed_is_gone_on_with,
    a_server_that_is_away_is_waited_for,
    an_interrupted_run_says_how_far_it_came,
    a_wrong_command_line_adds_nothing,
);

/// Gives it this on standard input.
fn run_with_input(place: &Place, line: &str, input: &[u8]) -> Outcome {
    let mut child = begin_with_pipe(place, line);
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end before it has read all.
    _ = stdin.write_all(input);
    drop(stdin);
    Outcome::of(child.wait_with_output().expect("it ends"))
}

fn begin_with_pipe(place: &Place, line: &str) -> Child {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut command = place.command(&words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary of this package starts")
}

/// Fields of all entries.
fn entries(place: &Place, stream: &str) -> Vec<Json> {
    let all = place.run(&format!("stream tail {stream} --from 0 --json")).success();
    let fields = |line: &str| -> Json {
        let entry: Json = serde_json::from_str(line).expect("it is JSON");
        entry["fields"].clone()
    };
    all.lines().map(fields).collect()
}

fn length(place: &Place, stream: &str) -> i64 {
    match place.redis(&format!("XLEN {stream}")) {
        Value::Int(length) => length,
        other => panic!("{other:?}"),
    }
}

/// With ids in one form.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| {
        let parts = word.split_once('-');
        parts.is_some_and(|(ms, seq)| ms.len() == 13 && seq.parse::<u64>().is_ok())
    };
    let word = |word: &str| {
        if is_id(word.trim_end_matches([';', '\n'])) {
            word.replace(word.trim_end_matches([';', '\n']), "ID")
        } else {
            word.to_owned()
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn one_entry_is_added(place: &Place) {
    let id = place.run("produce orders order_id=7 note=a=b empty=").success();
    assert_eq!(without_ids(&id), "ID\n");
    assert_eq!(entries(place, "orders"), [json!({"order_id": "7", "note": "a=b", "empty": ""})]);
    let document = place.run("produce orders n=1 --json").json();
    assert_eq!(document["stream"], "orders");
    assert_eq!(without_ids(document["id"].as_str().expect("a text")), "ID");

    place.run_words(&[b"produce", b"odd\xff\n", b"f\xff=a\nb", b"f\xff=2"]).success();
    let all = place.run_words(&[b"produce", b"odd\\xff\\n", b"x\\x3d=\\0", b"--escapes"]);
    all.success();
    let tail = place.run_words(&[b"stream", b"tail", b"odd\xff\n", b"--json"]).success();
    let fields: Vec<Json> = tail
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).expect("JSON")["fields"].clone())
        .collect();
    let odd_name = json!({"b64": "Zv8="});
    assert_eq!(fields, [json!([[odd_name, "a\nb"], [odd_name, "2"]]), json!({"x=": "\0"})]);
    for number in 0..300 {
        place.redis(&format!("XADD long 1-{} n 1", number + 1));
    }
    place.run("produce long n=2 --maxlen 100").success();
    assert!((100..=250).contains(&length(place, "long")), "{}", length(place, "long"));

    let said = place.run("produce missing n=1 --must-exist").failure(1);
    assert!(said.contains("there is no stream missing at "), "{said}");
    place.redis("SET text x");
    let said = place.run("produce text n=1").failure(1);
    assert!(said.starts_with("millstream: cannot add to stream text at "), "{said}");
    assert!(said.contains("WRONGTYPE") && said.contains("\n  next: "), "{said}");
    let said = run_with_input(place, "produce text -", b"{\"n\":1}\n").failure(1);
    assert!(
        said.starts_with("millstream: nothing was added to text: cannot add to stream text at "),
        "{said}"
    );
}

fn entries_of_standard_input_are_added_in_order(place: &Place) {
    let input = br#"{"n":1,"amount":99.90,"items":[1, {"a": null}],"gone":null}

[["a","1"],["a",{"b64":"/w=="}]]
  {"n":"3","ok":true}"#;
    let said = run_with_input(place, "produce orders -", input).success();
    assert_eq!(without_ids(&said), "3 entries were added to orders, the last ID\n");
    assert_eq!(
        entries(place, "orders"),
        [
            json!({"n": "1", "amount": "99.90", "items": "[1,{\"a\":null}]"}),
            json!([["a", "1"], ["a", {"b64": "/w=="}]]),
            json!({"n": "3", "ok": "true"}),
        ]
    );
    let lines: String = (0..5000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let document = run_with_input(place, "produce many --json -", lines.as_bytes()).json();
    let (first, last) = (document["first_id"].clone(), document["last_id"].clone());
    let wanted = json!({
        "stream": "many", "added": 5000, "passed_over": 0, "first_id": first, "last_id": last,
    });
    assert_eq!(document, wanted);
    let numbers: Vec<Json> = (0..5000).map(|n| json!({"n": n.to_string()})).collect();
    assert_eq!(entries(place, "many"), numbers);
    // What comes is added before more does.
    let mut child = begin_with_pipe(place, "produce slow -");
    let mut stdin = child.stdin.take().expect("a pipe");
    for count in 1..=3 {
        stdin.write_all(b"{\"n\":1}\n{\"n\":").expect("it reads");
        until("the first is added", || length(place, "slow") == 2 * count - 1);
        stdin.write_all(b"2}\n").expect("it reads");
        until("the second is added", || length(place, "slow") == 2 * count);
    }
    drop(stdin);
    Outcome::of(child.wait_with_output().expect("it ends")).success();
    let nothing = run_with_input(place, "produce none -", b"\n \n").success();
    assert_eq!(nothing, "0 entries were added to none\n");
}

fn lines_are_taken_as_they_are(place: &Place) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.log");
    std::fs::write(&file, b"{}\n\n \xff\r\nlast").expect("it can be written");
    let file = file.to_str().expect("a text");
    let said = place.run(&format!("produce log --lines text {file} --rate 1000")).success();
    assert_eq!(without_ids(&said), "4 entries were added to log, the last ID\n");
    let odd = json!([["text", {"b64": "IP8N"}]]);
    assert_eq!(
        entries(place, "log"),
        [json!({"text": "{}"}), json!({"text": ""}), odd, json!({"text": "last"})]
    );
}

fn a_line_that_is_no_entry_ends_it_and_is_told(place: &Place) {
    let mut lines: String = (1..=2500).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    lines.push_str("{\"n\":\n{\"n\":2502}\n");
    let said = run_with_input(place, "produce orders -", lines.as_bytes()).failure(1);
    assert_eq!(
        without_ids(&said),
        "millstream: line 2501 of standard input is no entry: EOF while parsing a value at column \
         5\n  2500 entries were added to orders, the last ID\n  next: correct it, and add the \
         rest: `tail -n +2501` prints it\n"
    );
    assert_eq!(length(place, "orders"), 2500);
    let said = run_with_input(place, "produce other -", b"7\n{\"n\":1}\n").failure(1);
    assert!(said.contains("line 1 of standard input is no entry: invalid type"), "{said}");
    assert!(said.contains("\n  nothing was added to other\n  next: "), "{said}");
    assert_eq!(length(place, "other"), 0);
}

fn what_was_added_is_passed_over(place: &Place) {
    let lines = |range: std::ops::Range<u32>| -> Vec<u8> {
        range.flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes()).collect()
    };
    let run = |input: &[u8]| run_with_input(place, "produce orders - --resume today", input);
    let text = "1500 entries were added to orders, the last ID\n";
    assert_eq!(without_ids(&run(&lines(0..1500)).success()), text);
    let text = "0 entries were added to orders; 1500 entries had been added before\n";
    assert_eq!(run(&lines(0..1500)).success(), text);
    let more = run(&lines(0..1501)).success();
    let text = "1 entry was added to orders, the last ID; 1500 entries had been added before\n";
    assert_eq!(without_ids(&more), text);
    // Another file, or less of it.
    for other in [lines(1..2000), lines(0..1000)] {
        let said = run(&other).failure(1);
        let text = "millstream: standard input does not begin with the 1501 entries that an \
                    earlier run with --resume today added\n  nothing was added to orders; 1501 \
                    entries had been added before\n  next: give the file of then, or another \
                    name\n";
        assert_eq!(said, text);
    }
    // A line to be corrected, behind those that were added.
    let wrong = [lines(0..1502), b"x\n".to_vec()].concat();
    let said = run(&wrong).failure(1);
    assert!(said.contains("line 1503 of standard input is no entry: "), "{said}");
    assert!(said.ends_with("next: correct it, and run the same command again\n"), "{said}");
    run(&lines(0..1503)).success();
    let numbers: Vec<Json> = (0..1503).map(|n| json!({"n": n.to_string()})).collect();
    assert_eq!(entries(place, "orders"), numbers);
    // Another name is another source.
    run_with_input(place, "produce orders - --resume tomorrow", &lines(0..1)).success();
    assert_eq!(length(place, "orders"), 1504);
}

fn a_run_that_was_killed_is_gone_on_with(place: &Place) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("orders.jsonl");
    let lines: String = (0..3000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    std::fs::write(&file, lines).expect("it can be written");
    let command = format!("produce orders {} --resume night", file.display());
    for killed in 1..=3 {
        let mut child = place.begin(&format!("{command} --rate 3000"));
        until("some are added", || length(place, "orders") >= killed * 700);
        child.kill().expect("it goes on");
        child.wait().expect("it ends");
    }
    assert!(length(place, "orders") < 3000);
    let said = place.run(&command).success();
    assert!(said.contains(" had been added before\n"), "{said}");
    let numbers: Vec<Json> = (0..3000).map(|n| json!({"n": n.to_string()})).collect();
    assert_eq!(entries(place, "orders"), numbers);
}

fn a_server_that_is_away_is_waited_for(place: &Place) {
    let lines = |range: std::ops::Range<u32>| -> Vec<u8> {
        range.flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes()).collect()
    };
    let command = "produce orders - --resume night --timeout 1s";
    let mut child = begin_with_pipe(place, &format!("{command} --retry-for 20s"));
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&lines(0..100)).expect("it reads");
    until("they are added", || length(place, "orders") == 100);
    place.server.set_stalled(true).expect("it stops");
    stdin.write_all(&lines(100..200)).expect("it reads");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut said = String::new();
    stderr.read_line(&mut said).expect("it can be read");
    place.server.set_stalled(false).expect("it goes on");
    assert!(said.ends_with("; it is tried again\n"), "{said}");
    drop(stdin);
    let mut stdout = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut stdout).expect("it can be read");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(stdout.starts_with("200 entries were added to orders"), "{stdout}");
    let numbers: Vec<Json> = (0..200).map(|n| json!({"n": n.to_string()})).collect();
    assert_eq!(entries(place, "orders"), numbers);
    // Without that it fails, and says what is not known.
    let mut child = begin_with_pipe(place, "produce plain - --timeout 1s");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&lines(0..100)).expect("it reads");
    until("they are added", || length(place, "plain") == 100);
    place.server.set_stalled(true).expect("it stops");
    stdin.write_all(&lines(100..150)).expect("it reads");
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("it can be read");
    place.server.set_stalled(false).expect("it goes on");
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    assert!(
        without_ids(&said).starts_with(
            "millstream: 100 entries were added to plain, the last ID; 50 entries behind that may \
             be there, all or none: cannot add to stream plain at "
        ),
        "{said}"
    );
}

fn an_interrupted_run_says_how_far_it_came(place: &Place) {
    for name in ["-INT", "-TERM"] {
        let mut child = begin_with_pipe(place, "produce orders -");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(b"{\"n\":1}\n{\"n\":2}\n").expect("it reads");
        until("they are added", || length(place, "orders") == 2);
        signal(&child, name);
        let outcome = Outcome::of(child.wait_with_output().expect("it ends"));
        let text = "millstream: interrupted: 2 entries were added to orders, the last ID\n";
        assert_eq!(without_ids(&outcome.failure(1)), text);
        place.redis("DEL orders");
        drop(stdin);
    }
}

fn a_wrong_command_line_adds_nothing(place: &Place) {
    for (wrong, says) in [
        ("orders", "<FIELD=VALUE|FILE>"),
        ("orders amount", "cannot read amount: "),
        ("orders /", "cannot read /: "),
        ("orders n=1 amount", "amount is no field: write FIELD=VALUE"),
        ("orders =1", "=1 has no name before the =: write FIELD=VALUE"),
        ("orders n=1 --lines text", "--lines is for entries of a file"),
        ("orders n=1 --resume x", "--resume is for entries of a file"),
        ("orders n=1 --rate 5", "--rate is for entries of a file"),
        ("orders - --rate 0", "--rate"),
        ("orders - --maxlen 0", "--maxlen"),
        ("orders - --retry-for 1m", "--resume <NAME>"),
    ] {
        let said = place.run(&format!("produce {wrong}")).failure(2);
        assert!(said.contains(says), "{wrong}: {said}");
    }
    assert_eq!(length(place, "orders"), 0);
    let said = place.run_words(&[b"produce", b"orders", b"-", b"--resume", b""]).failure(2);
    assert!(said.contains("a source has a name"), "{said}");
}
