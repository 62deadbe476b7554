//! Bytes that come from files and from clients, changed at random: refused, or sound.
//! `MILLSTREAM_WRITE_CORPUS=1` writes the inputs that a real store gives.

#[path = "support/changed_inputs.rs"]
mod changed_inputs;
#[path = "../../resp/tests/it/checks/mod.rs"]
mod checks;

use std::fs;

use changed_inputs::{folder, number, run, run_with};
use millstream_inputs::{put_pieces, seeds};
use millstream_resp::{DecodeLimits, RequestLimits};

#[test]
fn access_rules() {
    run("acl");
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
fn settings() {
    run("config");
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

/// Bytes of clients: the first says how they are cut, as in the fuzz target.
#[test]
fn requests() {
    run_with("request_parser", |data| {
        checks::check_request_input(data);
        let input = data.get(1..).unwrap_or_default();
        !checks::reference::parse(input, &RequestLimits::default()).requests.is_empty()
    });
}

/// Bytes of servers, in the same way.
#[test]
fn replies() {
    run_with("value_decoder", |data| {
        checks::check_value_input(data);
        let input = data.get(1..).unwrap_or_default();
        let limits = DecodeLimits::default();
        !checks::decode_in_pieces(input, input.len().max(1), limits).0.is_empty()
    });
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
