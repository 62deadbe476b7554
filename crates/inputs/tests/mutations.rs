//! The inputs of `fuzz/corpus`, and such as random changes make of them. `MILLSTREAM_INPUTS` says
//! how many for each target (default 2000), `MILLSTREAM_INPUT_SEED` where the dice begin;
//! `MILLSTREAM_WRITE_CORPUS=1` writes the inputs that a real store gives.

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use millstream_inputs::{TARGETS, put_pieces, seeds};

const INPUT_BYTES_MAX: usize = 8 << 10;

fn folder(target: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    root.join(target)
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Splitmix64: every seed gives another sequence.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Below `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        self.roll() as usize % end.max(1)
    }
}

/// Numbers on which lengths and counters break.
const WORDS: [&[u8]; 12] = [
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x08",
    b"\xff\xff",
    b"\0\0\0\0",
    b" 18446744073709551615 ",
    b" -9223372036854775808 ",
    b" 9223372036854775807-18446744073709551615 ",
    b" 1e400 ",
    b" COUNT 4294967296 ",
    b"\n",
    b" > ",
    b" nan ",
];

fn change(dice: &mut Dice, input: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = dice.below(input.len() + 1);
    let end = at + dice.below((input.len() - at).min(40) + 1);
    match dice.below(7) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = dice.roll() as u8,
        2 => drop(input.drain(at..end)),
        3 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        4 => {
            let word = WORDS[dice.below(WORDS.len())];
            input.splice(at..end, word.iter().copied());
        }
        5 => {
            let other = &others[dice.below(others.len())];
            let from = dice.below(other.len() + 1);
            let to = from + dice.below((other.len() - from).min(200) + 1);
            input.splice(at..at, other[from..to].iter().copied());
        }
        _ => input.truncate(at.max(input.len() / 2)),
    }
    input.truncate(INPUT_BYTES_MAX);
}

fn run(name: &str) {
    let (_, check) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    let mut inputs = Vec::new();
    for file in fs::read_dir(folder(name)).expect("a folder of inputs for each target") {
        inputs.push(fs::read(file.expect("list").path()).expect("read an input"));
    }
    assert!(!inputs.is_empty(), "no inputs for {name}");
    inputs.sort();
    let try_one = |input: &[u8], what: &str| {
        catch_unwind(|| check(input))
            .unwrap_or_else(|_| panic!("{name}: {what}: {}", input.escape_ascii()))
    };
    // All of them: each that was ever wrong is kept.
    let kept = inputs.iter().filter(|input| try_one(input, "kept")).count();
    // What is always refused says nothing about what lies behind.
    assert!(kept > 0, "{name}: no kept input is accepted");
    let first = number("MILLSTREAM_INPUT_SEED", 1);
    let mut accepted = 0;
    for seed in first..first + number("MILLSTREAM_INPUTS", 2000) {
        let mut dice = Dice(seed);
        let mut input = inputs[dice.below(inputs.len())].clone();
        (0..=dice.below(5)).for_each(|_| change(&mut dice, &mut input, &inputs));
        accepted += u64::from(try_one(&input, &format!("seed {seed}")));
    }
    println!("{name}: {accepted} accepted");
    assert!(accepted > 0, "{name}: no input is accepted");
}

#[test]
fn admin_requests() {
    run("admin_api");
}

#[test]
fn blocks() {
    run("block");
}

#[test]
fn checkpoints() {
    run("checkpoint");
}

#[test]
fn commands() {
    run("command");
}

#[test]
fn images() {
    run("image");
}

#[test]
fn log_records() {
    run("log_record");
}

#[test]
fn stored_files() {
    run("stored_file");
}

/// Writes what others begin with, if it is told to; else sees that it could.
#[test]
fn a_real_store_gives_inputs() {
    let seeds = seeds();
    let together = |records: &[Vec<u8>]| put_pieces(records.iter().map(Vec::as_slice));
    let all = [
        ("log_record", "store", together(&seeds.log_records)),
        ("checkpoint", "store", together(&seeds.checkpoint_records)),
        ("image", "stream", seeds.images[0].clone()),
        ("image", "ordered", seeds.images[1].clone()),
        ("image", "text", seeds.images[2].clone()),
        ("stored_file", "first", vec![0, 16, 0, 0, 0, 255, 255]),
        ("stored_file", "second", vec![1, 40, 0, 0, 0, 0]),
        ("stored_file", "third", vec![2, 200, 1, 0, 0, 128]),
    ];
    for (target, name, bytes) in all {
        assert!(!bytes.is_empty(), "{target}");
        if number("MILLSTREAM_WRITE_CORPUS", 0) == 1 {
            fs::create_dir_all(folder(target)).expect("make the folder");
            fs::write(folder(target).join(name), bytes).expect("write an input");
        }
    }
}
