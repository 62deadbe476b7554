//! Odd bytes: ours against Redis 8.6, and Redis 8.6 against 8.2, which proves the cases.

use millstream_conformance::raw::{Case, cases, compare, unauthenticated_cases};
use millstream_conformance::{Program, Server};

fn compare_on(subject: &str, arguments: &[&str], reference: &str, cases: &[Case]) {
    let Some(subject) = Program::named(subject).expect("find the subject") else { return };
    let Some(reference) = Program::named(reference).expect("find the reference") else { return };
    let subject = Server::start_with(&subject, arguments).expect("start the subject");
    let reference = Server::start_with(&reference, arguments).expect("start the reference");
    if let Err(error) = compare(&subject, &reference, cases) {
        panic!("{error:#}");
    }
}

const PASSWORD: [&str; 2] = ["--requirepass", "secret"];

#[test]
fn millstream_answers_odd_bytes_as_redis_does() {
    compare_on("millstream", &[], "redis-8.6", &cases());
}

#[test]
fn millstream_answers_strangers_as_redis_does() {
    compare_on("millstream", &PASSWORD, "redis-8.6", &unauthenticated_cases());
}

#[test]
fn redis_answers_odd_bytes_as_redis_does() {
    compare_on("redis-8.6", &[], "redis-8.2", &cases());
}

#[test]
fn redis_answers_strangers_as_redis_does() {
    compare_on("redis-8.6", &PASSWORD, "redis-8.2", &unauthenticated_cases());
}
