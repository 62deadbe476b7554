//! What is seen of a store within the process: which lines in which order, and how they are drawn.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use millstream::redis::cmd;
use millstream::{Millstream, StreamManager};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::columns::GroupColumn;
use super::draw::{Theme, draw};
use super::keys::{Then, press};
use super::look::Looker;
use super::screen::Screen;
use super::survey::{StreamFound, Survey};
use crate::name::Name;
use crate::server::Server;

const PLAIN: Theme = Theme { has_colours: false, is_ascii: false };

/// A screen without a terminal, and a store without a server.
struct Desk {
    millstream: Millstream,
    looker: Looker,
    screen: Screen,
}

impl Desk {
    fn new() -> Self {
        let millstream = Millstream::in_memory().expect("a store");
        let address = "redis://here".to_owned();
        let server = Server { millstream: millstream.clone(), address: address.clone() };
        let looker = Looker::new(server, Vec::new(), Survey::new());
        let second = Duration::from_secs(1);
        let screen = Screen::new(address, "Store".to_owned(), second, GroupColumn::Lag);
        Self { millstream, looker, screen }
    }

    async fn run(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        self.run_words(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()).await;
    }

    async fn run_words(&self, words: &[&[u8]]) {
        let name = std::str::from_utf8(words[0]).expect("a command");
        let mut command = cmd(name);
        words[1..].iter().for_each(|word| _ = command.arg(*word));
        self.millstream.query(&command).await.expect("it is done");
    }

    async fn look(&mut self) {
        let found = self.looker.look(self.screen.wanted()).await.expect("an answer");
        self.screen.take(found);
    }

    async fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                key => KeyCode::Char(key),
            };
            if press(&mut self.screen, KeyEvent::new(code, KeyModifiers::NONE)) == Then::Look {
                self.look().await;
            }
        }
    }

    /// The lines of the screen, without blanks at their ends.
    fn drawn(&mut self, width: u16, height: u16, theme: Theme) -> Vec<String> {
        self.screen.set_height(height);
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(&mut self.screen, &theme, frame)).expect("it is drawn");
        let buffer = terminal.backend().buffer().clone();
        let cells: Vec<_> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        let lines = cells.chunks(usize::from(width).max(1));
        lines.map(|line| line.concat().trim_end().to_owned()).collect()
    }

    /// The first words of the lines of the table.
    fn firsts(&mut self) -> Vec<String> {
        let lines = self.drawn(80, 24, PLAIN);
        let table = lines[3..23].iter().filter(|line| !line.is_empty());
        let first =
            |line: &String| line[1..].split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        table.map(first).collect()
    }
}

async fn desk_with_orders() -> Desk {
    let desk = Desk::new();
    for id in 1..=9 {
        desk.run(&format!("XADD orders {id}-1 order_id {id} note héllo")).await;
    }
    desk.run("XADD invoices 1-1 n 1").await;
    desk.run("XADD bare 1-1 n 1").await;
    for (stream, group) in [("orders", "billing"), ("orders", "audit"), ("invoices", "mail")] {
        desk.run(&format!("XGROUP CREATE {stream} {group} 0")).await;
    }
    desk.run("XREADGROUP GROUP billing ada COUNT 2 STREAMS orders >").await;
    desk.run("XREADGROUP GROUP billing bob COUNT 1 STREAMS orders >").await;
    desk
}

#[tokio::test]
async fn groups_are_drawn_in_the_order_of_a_column() {
    let mut desk = desk_with_orders().await;
    assert_eq!(desk.drawn(80, 24, PLAIN)[1], "looking ...");
    desk.look().await;
    let lines = desk.drawn(80, 24, PLAIN);
    assert_eq!(lines[0], "millstream top  Store  redis://here  every 1s");
    assert_eq!(lines[1], "3 groups, 3 streams  line 1 of 4");
    let header = " STREAM        GROUP            IN/S  OUT/S   LAGv   PEND   OLDEST   CONS   DEAD";
    assert_eq!(lines[2], header);
    let words: Vec<_> = lines[3].split_whitespace().collect();
    assert_eq!(words[..6], [">orders", "audit", "-", "-", "9", "0"]);
    assert_eq!((words[6].ends_with('d'), &words[7..]), (true, &["0", "0"][..]));
    assert_eq!(lines[3].len(), 80, "numbers stand to the right");
    assert!(lines[23].starts_with("? keys"), "{}", lines[23]);
    let by_lag = ["orders audit", "orders billing", "invoices mail", "bare -"];
    assert_eq!(desk.firsts(), by_lag);
    desk.press("j>").await;
    let by_pending = ["orders billing", "invoices mail", "orders audit", "bare -"];
    assert_eq!(desk.firsts(), by_pending);
    assert!(desk.drawn(80, 24, PLAIN)[2].contains("PENDv"));
    // What is not known stays at the end.
    desk.press("r").await;
    assert_eq!(desk.firsts(), ["invoices mail", "orders audit", "orders billing", "bare -"]);
    assert!(desk.drawn(80, 24, PLAIN)[2].contains("PEND^"));
    desk.press("<<<<<").await;
    assert_eq!(desk.firsts(), ["bare -", "invoices mail", "orders audit", "orders billing"]);
    assert!(desk.drawn(80, 24, PLAIN)[2].starts_with(" STREAM^"));
    // The chosen line is the same in all orders.
    let chosen = desk.drawn(80, 24, PLAIN).swap_remove(6);
    assert!(chosen.starts_with(">orders        billing"), "{chosen}");
    // The first one is whatever comes first.
    desk.press("gr").await;
    let first = desk.drawn(80, 24, PLAIN).swap_remove(3);
    assert!(first.starts_with(">orders"), "{first}");
}

#[tokio::test]
async fn a_filter_counts_while_it_is_typed() {
    let mut desk = desk_with_orders().await;
    desk.look().await;
    desk.press("/BILL").await;
    assert_eq!(desk.firsts(), ["orders billing"]);
    assert!(desk.drawn(80, 24, PLAIN)[23].starts_with("/BILL_"));
    desk.press("\nq").await;
    assert!(desk.drawn(80, 24, PLAIN)[1].ends_with("line 1 of 1 with bill"));
    desk.press("\u{1b}").await;
    assert_eq!(desk.firsts().len(), 4);
    desk.press("/nothing of that name\u{1b}").await;
    assert_eq!(desk.firsts().len(), 4);
}

#[tokio::test]
async fn one_goes_down_to_an_entry_and_back() {
    let mut desk = desk_with_orders().await;
    desk.look().await;
    desk.press("j\n").await;
    let lines = desk.drawn(80, 24, PLAIN);
    assert_eq!(lines[1], "orders > billing: in -/s, out -/s, lag 6, pending 3");
    assert!(lines[2].starts_with(" CONSUMER"), "{}", lines[2]);
    assert_eq!(desk.firsts(), ["(all that", "ada 2", "bob 1"]);
    desk.press("j\n").await;
    desk.look().await;
    let lines = desk.drawn(80, 24, PLAIN);
    assert_eq!(lines[1], "orders > billing > ada: page 1, the last one");
    assert_eq!(desk.firsts(), ["1-1 ada", "2-1 ada"]);
    desk.press("j\n").await;
    let lines = desk.drawn(80, 24, PLAIN);
    assert!(lines[1].starts_with("orders > billing > 2-1: of ada, idle "), "{}", lines[1]);
    assert_eq!(lines[3..5], [" order_id = 2", " note = héllo"]);
    // What is acknowledged, and then deleted, meanwhile is told.
    desk.run("XACK orders billing 2-1").await;
    desk.look().await;
    assert_eq!(desk.drawn(80, 24, PLAIN)[1], "orders > billing > 2-1: not pending any more");
    desk.press("\u{1b}").await;
    assert_eq!(desk.firsts(), ["1-1 ada"]);
    desk.press("\u{1b}\u{1b}").await;
    assert_eq!(desk.firsts().len(), 4);
    desk.press("\u{1b}").await;
    assert_eq!(desk.firsts().len(), 4, "there is nothing above");
    desk.press("a").await;
    desk.run("XGROUP DESTROY orders billing").await;
    desk.look().await;
    assert_eq!(desk.drawn(80, 24, PLAIN)[1], "orders > billing: page 1, the group is gone");
}

#[tokio::test]
async fn pending_entries_come_in_pages_of_what_there_is_room_for() {
    let mut desk = Desk::new();
    desk.run("XGROUP CREATE s g 0 MKSTREAM").await;
    for id in 1..=25 {
        desk.run(&format!("XADD s {id}-1 n {id}")).await;
    }
    desk.run("XREADGROUP GROUP g c COUNT 25 STREAMS s >").await;
    desk.look().await;
    desk.drawn(80, 14, PLAIN);
    desk.press("a").await;
    desk.drawn(80, 14, PLAIN);
    desk.look().await;
    let seen = |desk: &mut Desk| {
        let lines = desk.drawn(80, 14, PLAIN);
        let id = |line: &String| {
            let line = line.trim_start_matches(['>', ' ']);
            line.split(' ').next().unwrap_or_default().to_owned()
        };
        (lines[1].clone(), id(&lines[3]), id(&lines[12]))
    };
    let page = |text: &str, first: &str, last: &str| {
        (format!("s > g: page {text}"), first.to_owned(), last.to_owned())
    };
    assert_eq!(seen(&mut desk), page("1, more below", "1-1", "10-1"));
    desk.press(" ").await;
    assert_eq!(seen(&mut desk), page("2, more below", "11-1", "20-1"));
    desk.press("jjjjjjjjjj").await;
    assert_eq!(seen(&mut desk), page("3, the last one", "21-1", ""));
    desk.press(" ").await;
    assert_eq!(seen(&mut desk).0, "s > g: page 3, the last one");
    desk.press("k").await;
    assert_eq!(seen(&mut desk).0, "s > g: page 3, the last one");
    desk.press("gk").await;
    assert_eq!(seen(&mut desk), page("1, more below", "1-1", "10-1"));
}

#[tokio::test]
async fn names_play_no_tricks_and_screens_have_any_size() {
    let mut desk = Desk::new();
    let odd: &[u8] = b"\x1b[2J\xff\r\n";
    desk.run_words(&[b"XADD", odd, b"1-1", b"\x1b[31m", b"a\nb\x07\xfe"]).await;
    desk.run_words(&[b"XGROUP", b"CREATE", odd, "注文".as_bytes(), b"0"]).await;
    desk.run_words(&[b"XREADGROUP", b"GROUP", "注文".as_bytes(), b"\x1b", b"STREAMS", odd, b">"])
        .await;
    desk.look().await;
    let lines = desk.drawn(120, 24, PLAIN);
    assert!(lines[3].starts_with(r">\u{1b}[2J\xff\r\n"), "{}", lines[3]);
    // A wide character takes two cells, the second of which is blank.
    assert!(lines[3].contains("注 文"), "{}", lines[3]);
    let ascii = Theme { is_ascii: true, ..PLAIN };
    assert!(desk.drawn(120, 24, ascii)[3].contains(r"\u{6ce8}\u{6587}"));
    desk.press("\nj\n\n").await;
    desk.look().await;
    let lines = desk.drawn(120, 24, PLAIN);
    assert!(lines[3].contains(r"\u{1b}[31m = a\nb\u{7}\xfe"), "{}", lines[3]);
    for height in 0..12 {
        for width in 0..90 {
            desk.drawn(width, height, ascii);
        }
    }
    desk.press("\u{1b}\u{1b}\u{1b}?").await;
    assert!(desk.drawn(80, 24, PLAIN).concat().contains("Ctrl-Z"));
    for (width, columns) in [(80, "DEAD"), (72, "OLDEST"), (40, "LAGv"), (30, "GROUP")] {
        desk.press("?").await;
        let header = &desk.drawn(width, 10, PLAIN)[2];
        assert!(header.contains(columns) && header.chars().count() <= usize::from(width));
        desk.press("?").await;
    }
}

/// What a store shows of a stream.
async fn found(millstream: &Millstream, key: &str) -> StreamFound {
    let info = StreamManager::new(millstream, key).info().await.expect("an answer");
    let groups = millstream::ConsumerGroupManager::new(millstream, key).groups().await;
    let groups = groups.expect("groups").into_iter().map(|group| (group, Some(0))).collect();
    StreamFound { info: info.expect("it is there"), groups }
}

#[tokio::test]
async fn rates_come_from_what_was_counted_between_two_looks() {
    let desk = Desk::new();
    desk.run("XGROUP CREATE s g 0 MKSTREAM").await;
    desk.run("XADD s 1-1 n 1").await;
    let (key, begun) = ("s".into(), Instant::now());
    let mut survey = Survey::new();
    let mut rates = async |seconds: u64| {
        let at = begun + Duration::from_secs(seconds);
        survey.take_stream(&key, at, found(&desk.millstream, "s").await);
        let line = survey.lines().remove(0);
        (line.rate_in, line.rate_out)
    };
    assert_eq!(rates(0).await, (None, None));
    for id in 2..=9 {
        desk.run(&format!("XADD s {id}-1 n 1")).await;
    }
    desk.run("XREADGROUP GROUP g c COUNT 6 STREAMS s >").await;
    // What is pending is not done.
    assert_eq!(rates(2).await, (Some(4.0), Some(0.0)));
    desk.run("XACK s g 1-1 2-1 3-1").await;
    assert_eq!(rates(4).await, (Some(0.0), Some(1.5)));
    // A group that was moved back did nothing.
    desk.run("XGROUP SETID s g 0").await;
    assert_eq!(rates(5).await.1, None);
    desk.run("DEL s").await;
    desk.run("XGROUP CREATE s g 0 MKSTREAM").await;
    assert_eq!(rates(6).await.0, None);
}

#[tokio::test]
async fn a_look_asks_for_so_much_and_no_more_and_in_the_end_for_all() {
    const STREAMS: usize = 5000;
    let desk = Desk::new();
    desk.run("XGROUP CREATE s g 0 MKSTREAM").await;
    let found = found(&desk.millstream, "s").await;
    let mut survey = Survey::new();
    let keys: Vec<bytes::Bytes> = (0..STREAMS).map(|it| format!("s{it:04}").into()).collect();
    survey.note_keys(keys.clone());
    let mut seen = std::collections::BTreeSet::new();
    let now = Instant::now();
    let mut looks = 0;
    while seen.len() < STREAMS {
        let due = survey.due_streams(&keys[77..78], true);
        assert!(due.len() <= 700, "{} at once", due.len());
        assert_eq!(due[0], keys[77], "what is on the screen comes first");
        for key in due {
            survey.take_stream(&key, now, found.clone());
            seen.insert(key);
        }
        looks += 1;
        assert!(looks < 20, "{} of {STREAMS} after {looks} looks", seen.len());
    }
    assert_eq!(survey.lines().len(), STREAMS);
    assert!(looks >= 7);
    // One that costs more than a look may is looked at less often.
    let group = found.groups[0].clone();
    let heavy = StreamFound { groups: vec![group; 200_000], ..found };
    survey.take_stream(&keys[77], now, heavy);
    let times = (0..20).filter(|_| survey.due_streams(&keys[77..78], false).len() == 1).count();
    assert!((1..=5).contains(&times), "{times} times");
    survey.forget(&keys[0]);
    assert_eq!(survey.lines().len(), STREAMS - 1);
}

#[test]
fn names_with_wildcards_are_patterns() {
    let name = |text: &str| Name::parse(OsStr::new(text), false).expect("a name");
    let store = Millstream::in_memory().expect("a store");
    let source = |names: &[&str]| {
        super::source::Source::new(&store, names.iter().map(|it| name(it)).collect())
    };
    assert!(source(&["orders", "a b"]).is_exact());
    for pattern in ["orders:*", "order?", "[ab]", r"a\*"] {
        assert!(!source(&[pattern]).is_exact(), "{pattern}");
    }
    assert!(!source(&[]).is_exact());
}
