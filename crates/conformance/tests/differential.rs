//! Random sequences: ours against the newest Redis there is, and real servers against each other,
//! which proves that the comparison neither sees differences where there are none nor overlooks
//! them.

use millstream_conformance::differential::{Features, Plan, run};
use millstream_conformance::{Program, Server};

fn compare(subject: &str, reference: &str, plan: Plan) {
    let Some(subject) = Program::named(subject).expect("find the subject") else { return };
    let Some(reference) = Program::named(reference).expect("find the reference") else { return };
    let features = Features::common(&subject, &reference);
    let mut subject = Server::start(&subject).expect("start the subject");
    let reference = Server::start(&reference).expect("start the reference");
    match run(&mut subject, &reference, features, plan) {
        Ok(n) => {
            eprintln!("{n} sequences, {} and {} agree", subject.program(), reference.program())
        }
        Err(error) => panic!("{error:#}"),
    }
}

/// What the environment says.
fn long_plan() -> Plan {
    Plan::from_environment().expect("read the environment")
}

/// A tenth of the plan, without restarts: peers keep nothing.
fn short_plan() -> Plan {
    let plan = long_plan();
    Plan { sequences: plan.sequences.div_ceil(10), restart_every: 0, ..plan }
}

#[test]
fn millstream_does_what_redis_8_6_does() {
    compare("millstream", "redis-8.6", long_plan());
}

#[test]
fn millstream_does_what_redis_8_2_does() {
    compare("millstream", "redis-8.2", Plan { restart_every: 0, ..long_plan() });
}

#[test]
fn redis_8_6_does_what_redis_8_6_does() {
    compare("redis-8.6", "redis-8.6", short_plan());
}

#[test]
fn redis_8_6_does_what_redis_8_2_does() {
    compare("redis-8.6", "redis-8.2", short_plan());
}

#[test]
fn a_difference_is_found_and_shrunk() {
    let Some(new) = Program::named("redis-8.6").expect("find the subject") else { return };
    let Some(old) = Program::named("redis-8.2").expect("find the reference") else { return };
    let mut subject = Server::start(&new).expect("start the subject");
    let reference = Server::start(&old).expect("start the reference");
    // 8.2 knows neither CLAIM nor IDMP, so some sequence must fail.
    let features = Features { policies: true, claim: true, idmp: true };
    let error = run(&mut subject, &reference, features, short_plan()).expect_err("they differ");
    let text = format!("{error:#}");
    assert!(text.contains("seed ") && text.lines().count() < 12, "not shrunk: {text}");
}
