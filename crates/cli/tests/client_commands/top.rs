//! `millstream top`: on a terminal, and without one.

use std::io::Read as _;

use serde_json::{Value as Json, json};

use crate::on_all_servers;
use crate::place::{Outcome, Place, millstream, signal};
use crate::screen::{Screen, lines};
use crate::shown::{shown, shown_json};

on_all_servers!(
    groups_are_watched_down_to_an_entry,
    rates_are_seen_and_other_streams_are_not,
    the_terminal_is_given_back_whatever_ends_it,
    a_server_that_does_not_answer_is_waited_for,
    a_table_and_json_are_for_what_is_no_terminal,
    names_play_no_tricks_on_a_terminal,
    nothing_is_coloured_where_no_colour_is_wanted,
    a_terminal_with_one_screen_shows_no_remains,
);

/// Two streams with three groups, and one without any.
fn orders_and_invoices(place: &Place) {
    for id in 1..=9 {
        place.redis(&format!("XADD orders {id}-1 order_id {id} amount 9.50"));
    }
    place.redis("XADD invoices 1-1 invoice_id 1");
    place.redis("XADD invoices:dlq 1-1 original_id 0-1");
    for (stream, group) in [("orders", "audit"), ("orders", "billing"), ("invoices", "mail")] {
        place.redis(&format!("XGROUP CREATE {stream} {group} 0"));
    }
    place.redis("XREADGROUP GROUP billing ada COUNT 2 STREAMS orders >");
    place.redis("XREADGROUP GROUP billing bob COUNT 1 STREAMS orders >");
    place.redis("XACK orders billing 3-1");
}

fn begin(place: &Place, line: &str) -> Screen {
    let words: Vec<&str> = line.split(' ').collect();
    Screen::begin(&place.url(), &words, &[])
}

/// The first two words of the lines of the table.
fn firsts(screen: &vt100::Screen) -> Vec<String> {
    let all = lines(screen);
    let table = all[3..].iter().take_while(|line| !line.is_empty());
    let first = |line: &String| {
        let words = line.trim_start_matches('>').split_whitespace().take(2);
        words.collect::<Vec<_>>().join(" ")
    };
    table.map(first).collect()
}

fn groups_are_watched_down_to_an_entry(place: &Place) {
    orders_and_invoices(place);
    let mut screen = begin(place, "top --interval 100ms");
    // Not before the second look are there rates.
    let seen = screen.until("rates", |screen| {
        lines(screen)[3].split_whitespace().nth(2).is_some_and(|rate| rate == "0")
    });
    let title = format!("millstream top  {}", place.called());
    assert!(seen[0].starts_with(&title) && seen[0].contains(&place.url()), "{}", seen[0]);
    assert_eq!(seen[1], "3 groups, 3 streams  line 1 of 4");
    // The ages are those of 1970.
    let words = |line: &String| {
        let words = line.trim_start_matches('>').split_whitespace().filter(|it| !is_age(it));
        words.collect::<Vec<_>>().join(" ")
    };
    let table: Vec<String> = seen[2..7].iter().map(words).collect();
    let expected = [
        "STREAM GROUP IN/S OUT/S LAGv PEND OLDEST CONS DEAD",
        "orders audit 0 0 9 0 0 0",
        "orders billing 0 0 6 2 2 0",
        "invoices mail 0 0 1 0 0 1",
        "invoices:dlq - 0 - - - - - -",
    ];
    assert_eq!(table, expected);

    screen.press(">");
    let by_pending = ["orders billing", "invoices mail", "orders audit", "invoices:dlq -"];
    let seen = screen.until("by what is pending", |screen| firsts(screen) == by_pending);
    assert!(seen[2].contains("PENDv"), "{}", seen[2]);
    screen.press("r");
    let turned = ["invoices mail", "orders audit", "orders billing", "invoices:dlq -"];
    screen.until("turned round", |screen| firsts(screen) == turned);
    screen.press("/aud");
    screen.until("filtered", |screen| firsts(screen) == ["orders audit"]);
    screen.press("\x7f\x7f\x7fbill\r");
    screen.until("filtered", |screen| firsts(screen) == ["orders billing"]);

    screen.press("\r");
    screen.until("consumers", |screen| firsts(screen) == ["(all that", "ada 2", "bob 0"]);
    let seen = screen.until_line(" CONSUMER");
    assert_eq!(seen[1], "orders > billing: in 0/s, out 0/s, lag 6, pending 2");
    // By an arrow key, as terminals send it.
    screen.press("\x1b[B\r");
    screen.until("pending entries", |screen| firsts(screen) == ["1-1 ada", "2-1 ada"]);
    screen.press("j\r");
    let seen = screen.until_line(" order_id = 2");
    assert!(seen[1].starts_with("orders > billing > 2-1: of ada, idle "), "{}", seen[1]);
    assert_eq!(seen[4], " amount = 9.50");
    place.redis("XACK orders billing 2-1");
    screen.until_line("orders > billing > 2-1: not pending any more");

    // Another size, there and back.
    screen.resize(40, 120);
    screen.until("a larger screen", |screen| lines(screen)[39].starts_with("? keys"));
    screen.resize(10, 60);
    screen.until("a smaller screen", |screen| lines(screen)[9].starts_with("? keys"));
    screen.resize(24, 80);
    screen.until("the screen of before", |screen| lines(screen)[23].starts_with("? keys"));
    screen.press("\x1b");
    screen.until("what is left", |screen| firsts(screen) == ["1-1 ada"]);
    screen.press("hh");
    screen.until("groups", |screen| firsts(screen) == ["orders billing"]);
    screen.press("?");
    screen.until_line("Keys. Any key goes back.");
    screen.press("xp");
    screen.until("a pause", |screen| lines(screen)[0].ends_with("PAUSED"));
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
    assert!(screen.is_given_back());
}

fn is_age(word: &str) -> bool {
    let digits = word.trim_end_matches(['d', 'h', 'm', 's']);
    digits.len() < word.len() && digits.parse::<u64>().is_ok()
}

fn rates_are_seen_and_other_streams_are_not(place: &Place) {
    orders_and_invoices(place);
    let screen = begin(place, "top orders in* --interval 300ms --sort in");
    screen.until_line("3 groups, 3 streams");
    let other = begin(place, "top orders --interval 100ms --sort out");
    other.until_line("2 groups, 1 stream");
    let working = std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let mut client = place.server.connect().expect("it accepts");
            for id in 10..1_000_000 {
                let (id, n) = (format!("{id}-1"), id.to_string());
                client.call(&["XADD", "orders", &id, "order_id", &n]).expect("it answers");
                let read = ["XREADGROUP", "GROUP", "billing", "ada", "NOACK", "COUNT", "9"];
                let read = read.into_iter().chain(["STREAMS", "orders", ">"]).collect::<Vec<_>>();
                client.call(&read).expect("it answers");
                if place.server.directory().join("enough").exists() {
                    return;
                }
            }
        });
        // Groups of one stream have the same rate in; only one of them does something.
        let has_rate = |column: usize, group: &'static str| {
            move |screen: &vt100::Screen| {
                let all = lines(screen);
                let line = all.iter().find(|line| line.contains(group));
                let cell = line.and_then(|line| line.split_whitespace().nth(column));
                cell.is_some_and(|rate| !matches!(rate, "-" | "0"))
            }
        };
        screen.until("a rate in", has_rate(2, "audit"));
        other.until("a rate out", has_rate(3, "billing"));
        std::fs::write(place.server.directory().join("enough"), "").expect("it can be written");
        work.join()
    });
    working.expect("it worked");
}

fn the_terminal_is_given_back_whatever_ends_it(place: &Place) {
    orders_and_invoices(place);
    let started = || {
        let screen = begin(place, "top");
        screen.until_line("3 groups, 3 streams");
        assert!(!screen.is_given_back());
        screen
    };
    for name in ["-TERM", "-HUP", "-INT"] {
        let mut screen = started();
        signal(&screen.child, name);
        assert_eq!((screen.end(), screen.is_given_back()), (Some(0), true), "{name}");
    }
    let mut screen = started();
    screen.press("\x03");
    assert_eq!((screen.end(), screen.is_given_back()), (Some(0), true), "Ctrl-C");
    // Stopped by its key, and by a signal.
    let mut screen = started();
    for stop in [None, Some("-TSTP")] {
        match stop {
            None => screen.press("\x1a"),
            Some(name) => signal(&screen.child, name),
        }
        screen.until("the screen of before", |screen| !screen.alternate_screen());
        let state = format!("/proc/{}/stat", screen.child.id());
        let is_stopped = || std::fs::read_to_string(&state).is_ok_and(|stat| stat.contains(") T "));
        while !is_stopped() {
            std::thread::yield_now();
        }
        assert!(screen.is_given_back());
        signal(&screen.child, "-CONT");
        screen.until_line("3 groups, 3 streams");
        assert!(!screen.is_given_back());
    }
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

fn a_server_that_does_not_answer_is_waited_for(place: &Place) {
    orders_and_invoices(place);
    let mut screen = begin(place, "top --interval 100ms --timeout 300ms");
    screen.until_line("3 groups, 3 streams");
    place.server.set_stalled(true).expect("it is stopped");
    let seen = screen.until_line("LOST, tried again every 100ms: ");
    assert!(seen[3].contains("audit"), "what was seen stays: {}", seen[3]);
    // Keys are heard meanwhile.
    screen.press("?");
    screen.until_line("Keys. Any key goes back.");
    screen.press("?");
    place.server.set_stalled(false).expect("it goes on");
    place.redis("XADD orders 99-1 n 1");
    screen.until("it is found again", |screen| {
        let all = lines(screen);
        all[23].starts_with("? keys") && all[3].split_whitespace().nth(4) == Some("10")
    });
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

fn a_table_and_json_are_for_what_is_no_terminal(place: &Place) {
    orders_and_invoices(place);
    let table = shown(&place.run("top --once --interval 100ms").success());
    assert_eq!(
        table,
        "STREAM  GROUP  IN/S  OUT/S  LAG  PENDING  OLDEST  CONSUMERS  DEAD\n\
         orders  audit  0  0  9  0  TIME  0  0\n\
         orders  billing  0  0  6  2  TIME  2  0\n\
         invoices  mail  0  0  1  0  TIME  0  1\n\
         invoices:dlq  -  0  -  -  -  -  -  -\n"
    );
    let document = place.run("top invoices --once --interval 100ms --json").json();
    assert_eq!(
        shown_json(document),
        json!({"groups": [{
            "stream": "invoices", "group": "mail", "length": 1, "in_per_second": 0.0,
            "out_per_second": 0.0, "lag": 1, "pending": 0, "oldest_pending_ms": null,
            "oldest_undelivered_ms": "N", "consumers": 0, "dead_letters": 1, "blocked_by": null,
        }], "is_limited": false})
    );
    let none = place.run("top nothing --once --interval 100ms").failure(1);
    assert!(none.contains("there is no stream nothing at "), "{none}");
    let none = place.run("top nothing* --once --interval 100ms");
    assert_eq!((none.code, none.stdout.lines().count()), (Some(0), 1));
    assert_eq!(none.stderr, format!("millstream: no such streams at {}\n", place.url()));

    // One document after the other, until it is told to end.
    let mut endless = place.begin("top --json --interval 100ms --sort stream");
    let stdout = std::io::BufReader::new(endless.stdout.take().expect("a pipe"));
    let two = std::io::BufRead::lines(stdout).take(2);
    let two: Vec<Json> =
        two.map(|line| serde_json::from_str(&line.expect("a line")).expect("it is JSON")).collect();
    assert!(two.iter().all(|document| document["groups"][0]["stream"] == "invoices"), "{two:?}");
    signal(&endless, "-INT");
    assert_eq!(endless.wait().expect("it ends").code(), Some(0));

    let refused = place.run("top").failure(2);
    assert!(refused.contains("top needs a terminal"), "{refused}");
    assert!(refused.contains("next: `millstream top --once`"), "{refused}");
    place.run("top --once --interval 1ms").failure(2);
    place.run("top --once --sort beauty").failure(2);
}

fn names_play_no_tricks_on_a_terminal(place: &Place) {
    let odd: &[u8] = b"\x1b[2J\x1b]0;title\x07\xff\n";
    place.redis_words(&[b"XADD", odd, b"1-1", b"\x1b[31mred", b"\x1bc\x9b2J\xfe"]);
    place.redis_words(&[b"XGROUP", b"CREATE", odd, odd, b"0"]);
    place.redis_words(&[b"XREADGROUP", b"GROUP", odd, odd, b"STREAMS", odd, b">"]);
    let mut screen = begin(place, "top --interval 100ms");
    screen.resize(24, 200);
    let seen = screen.until_line(r">\u{1b}[2J\u{1b}]0;title\u{7}\xff\n ");
    assert_eq!(seen[3].matches(r"\u{1b}]0;title\u{7}\xff\n ").count(), 2, "{}", seen[3]);
    screen.press("\r");
    screen.until_line(r" \u{1b}[2J\u{1b}]0;title\u{7}\xff\n ");
    screen.press("j\r");
    screen.until_line(r">1-1");
    screen.press("\r");
    screen.until_line(r" \u{1b}[31mred = \u{1b}c\x9b2J\xfe");
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

fn nothing_is_coloured_where_no_colour_is_wanted(place: &Place) {
    place.redis("XADD orders 1-1 n 1");
    place.redis("XGROUP CREATE orders billing 0");
    let colours = |screen: &vt100::Screen| {
        let (lines, columns) = screen.size();
        let cells = (0..lines).flat_map(|line| (0..columns).map(move |column| (line, column)));
        let cells = cells.filter_map(|(line, column)| screen.cell(line, column));
        cells.filter(|cell| [cell.fgcolor(), cell.bgcolor()] != [vt100::Color::Default; 2]).count()
    };
    for (environment, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
        let words = ["top", "--interval", "100ms", "--timeout", "300ms"];
        let mut screen = Screen::begin(&place.url(), &words, environment);
        screen.until_line("1 group, 1 stream");
        assert_eq!(colours(&screen.now()), 0, "nothing is wrong yet");
        place.server.set_stalled(true).expect("it is stopped");
        screen.until_line("LOST");
        assert_eq!(colours(&screen.now()) > 0, is_coloured);
        place.server.set_stalled(false).expect("it goes on");
        screen.press("q");
        assert_eq!(screen.end(), Some(0));
    }
}

/// Over ssh, and in GNU screen, which has no second screen by default.
fn a_terminal_with_one_screen_shows_no_remains(place: &Place) {
    place.redis("XADD orders 1-1 n 1");
    let mut screen = Screen::begin_on_only_screen(&place.url(), &["top"]);
    let seen = screen.until_line("0 groups, 1 stream");
    assert_eq!(seen.iter().find(|line| line.contains("what a shell left")), None);
    screen.press("q");
    assert_eq!(screen.child.wait().expect("it ends").code(), Some(0));
    let seen = screen.until("a cursor below", |screen| screen.cursor_position() == (23, 0));
    assert!(seen[23].is_empty() && !screen.now().hide_cursor(), "{seen:?}");
}

/// Symptom: a terminal window that was closed ended it with a panic.
#[test]
fn a_terminal_that_goes_away_ends_it_without_a_panic() {
    let place = Place::start("millstream").expect("it is there");
    let (mut terminal, other_end) = pty_process::blocking::open().expect("a terminal");
    terminal.resize(pty_process::Size::new(24, 80)).expect("it has a size");
    let command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["top", "--url", &place.url()])
        .env("TERM", "xterm-256color");
    let mut child = command.spawn(other_end).expect("the binary of this package starts");
    let (mut drawn, mut bytes) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&drawn).contains("millstream top") {
        let count = terminal.read(&mut bytes).expect("it draws");
        drawn.extend_from_slice(&bytes[..count]);
    }
    drop(terminal);
    // The signal comes first, or that the terminal cannot be read.
    let code = child.wait().expect("it ends").code();
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
}

#[test]
fn a_terminal_that_cannot_be_drawn_on_is_refused() {
    // Nobody is there, and it is not asked for.
    let mut screen = Screen::begin("redis://127.0.0.1:1", &["top"], &[("TERM", "dumb")]);
    screen.until_line("millstream: the terminal cannot be drawn on");
    assert_eq!(screen.end(), Some(2));
    let mut screen = Screen::begin("redis://127.0.0.1:1", &["top"], &[]);
    screen.until_line("millstream: cannot connect to redis://127.0.0.1:1");
    assert_eq!((screen.end(), screen.is_given_back()), (Some(1), true));
    let help = Outcome::of(millstream().args(["top", "--help"]).output().expect("it starts"));
    assert!(help.success().contains("Examples:\n  millstream top\n"));
}
