//! Arbitrary lines as commands: words with blanks between them, any other bytes in the words.

use millstream_command::{Answer, ReplyEncoder, is_data_command, run, table};
use millstream_engine::{Engine, Now, Options};
use millstream_resp::{Decoder, Protocol};

/// Lines after this are left out: each is run, and all that there is is checked at the end.
const LINES_MAX: usize = 64;
/// A string is made as long as it is asked to be: that is no finding, only slow.
const OFFSET_DIGITS_MAX: usize = 5;

/// Every command answers with one well-formed reply in either protocol, and leaves a sound state.
///
/// # Panics
/// If not.
pub fn check_commands(data: &[u8]) -> bool {
    let mut has_run = false;
    let mut now = Now { wall_ms: 1_700_000_000_000, monotonic_ms: 0 };
    let engine = Engine::in_memory(&Options::default(), now);
    for line in data.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let args: Vec<&[u8]> =
            line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        let Ok(spec) = table::resolve(&args) else { continue };
        if !is_data_command(spec.id) || is_costly(&args) {
            continue;
        }
        let mut txn = engine.lock(now);
        txn.begin();
        let answer = run(spec, &args, 0, true, &mut txn);
        txn.finish();
        drop(txn);
        has_run = true;
        if let Answer::Reply(reply) = answer {
            for protocol in [Protocol::Resp2, Protocol::Resp3] {
                check_reply(ReplyEncoder::new(reply.clone(), protocol), &args);
            }
        }
        now = Now { wall_ms: now.wall_ms + 7, monotonic_ms: now.monotonic_ms + 7 };
        let _ = engine.run_due(now, 100);
    }
    engine.lock(now).check();
    has_run
}

fn is_costly(args: &[&[u8]]) -> bool {
    args[0].eq_ignore_ascii_case(b"setrange") && args[2].len() > OFFSET_DIGITS_MAX
}

fn check_reply(mut encoder: ReplyEncoder, args: &[&[u8]]) {
    let mut bytes = Vec::new();
    while !encoder.is_done() {
        encoder.step(&mut bytes, usize::MAX);
    }
    match Decoder::new().decode(&bytes) {
        Ok(Some((_, length))) if length == bytes.len() => {}
        other => panic!("{args:?} is answered by no reply: {other:?}: {}", bytes.escape_ascii()),
    }
}
