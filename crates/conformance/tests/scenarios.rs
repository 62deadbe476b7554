//! The corpus on our server, and on every peer that is there, which proves that it is true.

use millstream_conformance::scenario::{corpus, run};
use millstream_conformance::{Program, Server};

fn replay_on(name: &str) {
    let Some(program) = Program::named(name).expect("find the server") else { return };
    let server = Server::start(&program).expect("start the server");
    let report = run(&server, &corpus().expect("read the scenarios"));
    eprintln!("{name}: {report}");
    assert!(report.replies > 0, "nothing was compared");
    assert!(report.failures.is_empty(), "{name} differs from the scenarios, see above");
}

#[test]
fn millstream_answers_as_the_scenarios_say() {
    replay_on("millstream");
}

#[test]
fn redis_8_6_answers_as_the_scenarios_say() {
    replay_on("redis-8.6");
}

#[test]
fn redis_8_2_answers_as_the_scenarios_say() {
    replay_on("redis-8.2");
}

#[test]
fn valkey_9_1_answers_as_the_scenarios_say() {
    replay_on("valkey-9.1");
}

#[test]
fn what_we_answer_otherwise_is_explained() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../COMPAT.md");
    let corpus = corpus().expect("read the scenarios");
    for scenario in &corpus {
        for key in scenario.compat_keys() {
            let compat = std::fs::read_to_string(path).expect("read COMPAT.md");
            assert!(compat.contains(key), "{}: COMPAT.md has no {key:?}", scenario.name());
        }
    }
}
