//! The inputs of `fuzz/corpus`, and such as random changes make of them. `MILLSTREAM_INPUTS` says
//! how many for each target (default 2000), `MILLSTREAM_INPUT_SEED` where the dice begin.

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use fastrand::Rng;
use millstream_inputs::TARGETS;

const INPUT_BYTES_MAX: usize = 8 << 10;

pub(crate) fn folder(target: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    root.join(target)
}

pub(crate) fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
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

fn change(dice: &mut Rng, input: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = dice.usize(..=input.len());
    let end = at + dice.usize(..=(input.len() - at).min(40));
    match dice.u8(..7) {
        0 if at < input.len() => input[at] ^= 1 << dice.u8(..8),
        1 if at < input.len() => input[at] = dice.u8(..),
        2 => drop(input.drain(at..end)),
        3 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        4 => {
            let word = dice.choice(WORDS).expect("there are some");
            input.splice(at..end, word.iter().copied());
        }
        5 => {
            let other = &others[dice.usize(..others.len())];
            let from = dice.usize(..=other.len());
            let to = from + dice.usize(..=(other.len() - from).min(200));
            input.splice(at..at, other[from..to].iter().copied());
        }
        _ => input.truncate(at.max(input.len() / 2)),
    }
    input.truncate(INPUT_BYTES_MAX);
}

pub(crate) fn run(name: &str) {
    let (_, check) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    run_with(name, *check);
}

/// With a check that is not among the targets of this crate.
pub(crate) fn run_with(name: &str, check: fn(&[u8]) -> bool) {
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
        let mut dice = Rng::with_seed(seed);
        let mut input = inputs[dice.usize(..inputs.len())].clone();
        (0..=dice.u8(..5)).for_each(|_| change(&mut dice, &mut input, &inputs));
        accepted += u64::from(try_one(&input, &format!("seed {seed}")));
    }
    println!("{name}: {accepted} accepted");
    assert!(accepted > 0, "{name}: no input is accepted");
}
