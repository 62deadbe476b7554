//! `docs/command-line.md`: its examples run and print what stands there, and every command has its
//! section.

use std::path::Path;

use serde_json::Value as Json;

use crate::console_examples::{Example, console_examples};
use crate::place::{Outcome, Place, millstream};
use crate::shown::{shown, shown_json};

/// The address that the examples have.
const ADDRESS: &str = "redis://127.0.0.1:6379";

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
    std::fs::read_to_string(path).expect("the page is there")
}

/// Words as a shell splits them, with single quotes at most.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in command.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    assert!(!is_quoted, "a quote is open: {command}");
    words.push(word);
    words
}

/// With one name for ids that the server made: those of the examples themselves are older.
fn without_new_ids(printed: &str) -> String {
    const OLDER: u64 = 1_764_200_000_000;
    let is_of_id = |c: char| c.is_ascii_digit() || c == '-';
    let mut text = String::new();
    for part in printed.split_inclusive(|c| !is_of_id(c)) {
        let id = part.trim_end_matches(|c| !is_of_id(c));
        let ms = id.split_once('-').and_then(|(ms, _)| ms.parse::<u64>().ok());
        match ms.is_some_and(|ms| (OLDER..10 * OLDER).contains(&ms)) {
            true => text.push_str(&part.replace(id, "ID")),
            false => text.push_str(part),
        }
    }
    text
}

/// In a form that two runs have in common.
fn comparable(printed: &str) -> String {
    let printed = &without_new_ids(printed);
    let line = |line: &str| match serde_json::from_str::<Json>(line) {
        Ok(document @ Json::Object(_)) => shown_json(document).to_string() + "\n",
        _ => shown(line),
    };
    printed.lines().map(line).collect()
}

#[test]
fn the_examples_print_what_stands_there() {
    let place = Place::start("millstream").expect("it is there");
    let examples = console_examples(&page());
    assert!(examples.len() > 30, "only {} examples were found", examples.len());
    for Example { line, command, printed } in examples {
        let (said_only, is_quiet) = match command.strip_suffix(" 2>/dev/null") {
            Some(command) => (command, true),
            None => (&*command, false),
        };
        let all = words(&said_only.replace(ADDRESS, &place.url()));
        let all: Vec<&[u8]> = all.iter().map(|word| word.as_bytes()).collect();
        let (program, arguments) = all.split_first().expect("a program");
        if *program == b"redis-cli" {
            assert_eq!(printed, "", "line {line}: what redis-cli prints is not looked at");
            place.redis_words(arguments);
            continue;
        }
        assert_eq!(*program, b"millstream", "line {line}");
        let Outcome { stdout, stderr, .. } = place.run_words(arguments);
        let stderr = if is_quiet { String::new() } else { stderr };
        // The usual address need not be named in a command that is to be typed.
        let said = (stdout + &stderr).replace(&format!(" --url {}", place.url()), "");
        let said = said.replace(&place.url(), ADDRESS);
        assert_eq!(comparable(&said), comparable(&printed), "line {line}: {command}");
    }
}

#[test]
fn every_command_has_its_section() {
    let page = page();
    let mut commands = 0;
    for noun in ["stream", "group", "consumer", "pending", "dlq", "schedule"] {
        let help = millstream().args([noun, "--help"]).output().expect("it starts");
        let help = Outcome::of(help).success();
        let (_, list) = help.split_once("Commands:\n").expect("a list");
        let list = list.lines().take_while(|line| line.starts_with(' '));
        // What a long line goes on with stands further to the right.
        let verbs =
            list.filter_map(|line| line.strip_prefix("  ")).filter(|it| !it.starts_with(' '));
        for verb in verbs.filter_map(|line| line.split(' ').next()).filter(|verb| *verb != "help") {
            assert!(page.contains(&format!("\n### {noun} {verb}\n")), "{noun} {verb}");
            assert!(page.contains(&format!("$ millstream {noun} {verb} ")) || verb == "ls");
            commands += 1;
        }
    }
    assert_eq!(commands, 28, "all of them were found");
    for verb in ["import", "export"] {
        assert!(page.contains(&format!("\n## {verb}\n")), "{verb}");
        assert!(page.contains(&format!("$ millstream {verb} ")), "{verb}");
    }
}
