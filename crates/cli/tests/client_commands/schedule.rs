//! `millstream schedule`.

use serde_json::{Value as Json, json};

use crate::on_all_servers;
use crate::place::{Outcome, Place};
use crate::shown::{shown, shown_json};

on_all_servers!(
    delayed_entries_are_added_and_listed,
    delayed_entries_are_taken_back,
    delayed_entries_come_at_once,
    what_is_due_is_moved_where_nobody_else_does,
    a_stream_that_is_none_gets_no_delayed_entries,
    hundreds_of_delayed_entries_are_listed_and_changed,
);

/// Far from now, whenever that is.
const FAR: &str = "2100-01-01T00:00:00Z";
const FAR_MS: u64 = 4_102_444_800_000;

/// As Redis and Valkey have it, the number has zeros before it.
fn token(place: &Place, due_ms: u64, number: u64) -> String {
    match place.is_millstream() {
        true => format!("{due_ms}-{number}"),
        false => format!("{due_ms}-{number:016}"),
    }
}

/// What is said about servers without a schedule.
fn said_of_workers(place: &Place, stream: &str, said: &str) -> bool {
    let workers = format!(
        " has no schedule: workers of the toolkit on {stream} move what is due, or `millstream \
         schedule run --due`\n"
    );
    match place.is_millstream() {
        true => said.is_empty(),
        false => {
            said.starts_with(&format!("millstream: {} ", place.called()))
                && said.ends_with(&workers)
        }
    }
}

/// Three of the far future, numbered 1 to 3; the last one is due first.
fn three(place: &Place) -> [String; 3] {
    let add = |at: &str, n: u64| {
        let added = place.run(&format!("schedule add r --at {at} n={n} --json")).json();
        added["token"].as_str().expect("a text").to_owned()
    };
    [add("4102444800001", 1), add("4102444800001", 2), add(FAR, 3)]
}

fn tokens(place: &Place, options: &str) -> Vec<String> {
    let listed = place.run(&format!("schedule ls r --json{options}")).json();
    let rows = listed["scheduled"].as_array().expect("a list");
    rows.iter().map(|row| row["token"].as_str().expect("a text").to_owned()).collect()
}

fn added(place: &Place) -> Vec<Json> {
    let tail = place.run("stream tail r --from 0 --json");
    tail.stdout
        .lines()
        .map(|line| {
            let entry: Json = serde_json::from_str(line).expect("it is JSON");
            entry["fields"].clone()
        })
        .collect()
}

/// What a command says that would change something and was not told to.
#[track_caller]
fn asks(outcome: Outcome, stdout: &str, stderr: &str) {
    let Outcome { code, stdout: said, stderr: complained } = outcome;
    assert_eq!((code, &*said, &*complained), (Some(2), stdout, stderr));
}

fn delayed_entries_are_added_and_listed(place: &Place) {
    let missing = place.run("schedule ls r").failure(1);
    assert!(missing.contains("there is no stream r at "), "{missing}");
    let added = place.run("schedule add r --at 2100-01-01T01:00+01:00 order_id=7 note=a=b");
    let first = token(place, FAR_MS, 1);
    assert_eq!(added.stdout, format!("{first} of stream r is due at {FAR}\n"));
    assert!(added.code == Some(0) && said_of_workers(place, "r", &added.stderr), "{added:?}");
    let second = token(place, FAR_MS + 1, 2);
    assert_eq!(
        place.run("schedule add r --at 4102444800001 text= --json").json(),
        json!({"stream": "r", "token": second, "due_ms": FAR_MS + 1})
    );
    let text = format!(
        "TOKEN  DUE  IN  FIELDS\n{first}  {FAR}  TIME  order_id=7 note=a=b\n\
         {second}  2100-01-01T00:00:00.001Z  TIME  text=\"\"\n"
    );
    assert_eq!(shown(&place.run("schedule ls r").success()), text);
    assert_eq!(
        shown_json(place.run("schedule list r --limit 1 --json").json()),
        json!({
            "scheduled": [{
                "token": first, "due_ms": "N", "in_ms": "N",
                "fields": {"order_id": "7", "note": "a=b"},
            }],
            "is_limited": true,
        })
    );
    let limited = place.run("schedule ls r --limit 1");
    assert_eq!(limited.stderr, "millstream: there are more than 1 entries: see --limit\n");
    // What is due soon comes first.
    let soon = place.run("schedule add r --in 20h n=3 --json").json();
    let now_ms = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    let in_ms = u128::from(soon["due_ms"].as_u64().expect("a number")) - now_ms;
    assert!((71_000_000..=72_000_000).contains(&in_ms), "{in_ms}");
    assert_eq!(tokens(place, "")[0], soon["token"]);
    for wrong in [
        "",
        "n=1",
        "--in 5 n=1",
        "--in 5m",
        "--in 5m n",
        "--in 5m =1",
        "--at 08:00 n=1",
        "--in 5m --at 2100-01-01T00:00:00Z n=1",
        "--at 2100-01-01T00:00:00 n=1",
    ] {
        place.run(format!("schedule add r {wrong}").trim()).failure(2);
    }
    assert_eq!(tokens(place, "").len(), 3);

    place.redis("XADD none 1-1 f v");
    let none = place.run("schedule ls none");
    let text = "millstream: there are no delayed entries of stream none\n";
    assert_eq!((none.code, &*none.stdout, &*none.stderr), (Some(0), "", text));

    // Names and values are any bytes.
    let words: [&[u8]; 7] =
        [b"schedule", b"add", b"r\xff", b"--at", FAR.as_bytes(), b"n\xfe=\x1b[2J", b"--json"];
    let document = place.run_words(&words).json();
    assert_eq!(document["stream"], json!({"b64": "cv8="}));
    let listed = place.run_words(&[b"schedule", b"ls", b"r\\xff", b"--escapes"]).success();
    assert!(listed.ends_with("  n\\xfe=\\u{1b}[2J\n"), "{listed}");
}

fn delayed_entries_are_taken_back(place: &Place) {
    let [first, second, third] = three(place);
    assert_eq!(tokens(place, ""), [&*third, &first, &second]);
    let cancel = |options: &str| place.run(&format!("schedule cancel r {options}"));
    let gone = token(place, 7, 7);
    let text = format!(
        "1 delayed entry of stream r was cancelled\n\
         1 delayed entry was left alone, as not there: {gone}\n"
    );
    assert_eq!(cancel(&format!("{gone} {first} {first}")).success(), text);
    let no = "millstream: nothing was cancelled; --yes does it\n";
    asks(cancel("--all"), "2 delayed entries of stream r would be cancelled\n", no);
    asks(cancel("--due"), "0 delayed entries of stream r would be cancelled\n", no);
    assert_eq!(tokens(place, "").len(), 2);
    assert_eq!(
        cancel("--all --limit 1 --yes --json").json(),
        json!({
            "stream": "r", "cancelled": 1, "left_alone": 0, "left_alone_ids": [], "failed": 0,
            "failures": [], "is_dry_run": false,
        })
    );
    assert_eq!(tokens(place, ""), [&*second]);
    for wrong in ["", "x", "1", "1-x", "1-1 --all", "1-1 --yes", "--all --due", "--all --rate 0"] {
        cancel(wrong.trim()).failure(2);
    }
    place.run("schedule cancel none 1-1").failure(1);
}

fn delayed_entries_come_at_once(place: &Place) {
    let [first, second, _] = three(place);
    let run = |options: &str| place.run(&format!("schedule run r {options}"));
    let text = "2 delayed entries of stream r were appended\n";
    assert_eq!(run(&format!("{second} {first}")).success(), text);
    assert_eq!(added(place), [json!({"n": "2"}), json!({"n": "1"})]);
    let no = "millstream: nothing was appended; --yes does it\n";
    asks(run("--all"), "1 delayed entry of stream r would be appended\n", no);
    assert_eq!(run("--all --yes --rate 1000 --json").json()["appended"], 1);
    assert_eq!(added(place).len(), 3);
    assert_eq!(run("--all --yes").success(), "0 delayed entries of stream r were appended\n");
    if place.is_millstream() {
        let [first, ..] = three(place);
        place.redis("XCFGSET r MAXLEN 3 OVERFLOW REJECT");
        let outcome = run(&first);
        let begin = format!(
            "0 delayed entries of stream r were appended\n{first}: the server says: STREAMFULL "
        );
        assert!(outcome.stdout.starts_with(&begin), "{outcome:?}");
        let text = "millstream: 1 delayed entry could not be appended; it waits as before\n";
        assert_eq!((outcome.code, &*outcome.stderr), (Some(1), text));
        assert_eq!(tokens(place, "").len(), 3);
    }
}

fn what_is_due_is_moved_where_nobody_else_does(place: &Place) {
    three(place);
    place.run("schedule add r --at 2020-01-01T00:00:00Z n=4 --json").json();
    let run = place.run("schedule run r --due --yes --json").json();
    if !place.is_millstream() {
        assert_eq!(run["appended"], 1);
    }
    let begun = std::time::Instant::now();
    while added(place).is_empty() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it did not come");
    }
    assert_eq!(added(place), [json!({"n": "4"})]);
    assert_eq!(tokens(place, "").len(), 3);
}

fn a_stream_that_is_none_gets_no_delayed_entries(place: &Place) {
    place.redis("SET r precious");
    let said = place.run("schedule add r --in 5m n=1").failure(1);
    let text = "millstream: cannot delay an entry of stream r at ";
    assert!(said.starts_with(text) && said.contains(": the server says: WRONGTYPE "), "{said}");
    let said = place.run("schedule ls r").failure(1);
    assert!(said.contains(": the server says: WRONGTYPE "), "{said}");
}

fn hundreds_of_delayed_entries_are_listed_and_changed(place: &Place) {
    const COUNT: u64 = 345;
    if place.is_millstream() {
        place.feed((1..=COUNT).map(|n| format!("XSCHEDULE ADD r AT {FAR_MS} n {n}")));
    } else {
        // As the toolkit has them.
        place.feed((1..=COUNT).flat_map(|n| {
            let token = token(place, FAR_MS, n);
            let packed = format!("1:n{}:{n}", n.to_string().len());
            [
                format!("ZADD {{r}}:delayed {FAR_MS} {token}"),
                format!("HSET {{r}}:delayed:payloads {token} {packed}"),
            ]
        }));
    }
    let all: Vec<String> = (1..=COUNT).map(|number| token(place, FAR_MS, number)).collect();
    assert_eq!(tokens(place, " --limit 0"), all);
    assert_eq!(tokens(place, " --limit 150"), all[..150]);
    let text = "150 delayed entries of stream r were appended\n";
    assert_eq!(place.run("schedule run r --all --limit 150 --yes").success(), text);
    let numbers = (1..=150).map(|n: u64| json!({"n": n.to_string()}));
    assert!(added(place).into_iter().eq(numbers), "they came in their order");
    let text = "195 delayed entries of stream r were cancelled\n";
    assert_eq!(place.run("schedule cancel r --all --yes").success(), text);
    assert_eq!(tokens(place, ""), Vec::<String>::new());
    assert_eq!(added(place).len(), 150);
}
