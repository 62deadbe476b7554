//! Every workload, a few messages long, on a real Redis against itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use millstream_bench::pairing::Pairing;
use millstream_bench::server::{Server, ServerKind, ServerProgram, SyncMode};
use millstream_bench::workload::Round;
use millstream_bench::workloads;

/// The Redis to test with; none, with a line that says so, where no peer was fetched.
fn peer() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let folder =
        std::env::var_os("MILLSTREAM_PEERS").map_or(workspace.join(".peers"), PathBuf::from);
    let program = folder.join("redis-8.6");
    if program.exists() {
        return Some(program);
    }
    assert!(
        std::env::var_os("MILLSTREAM_REQUIRE_PEERS").is_none(),
        "a peer is required, but {} is missing",
        program.display()
    );
    eprintln!("skipped: no peer at {}", program.display());
    None
}

/// Runs a part of the bench with a Redis as both servers.
fn bench(part: &str, peer: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_millstream-bench"))
        .args([part, "--ours-kind", "redis", "--rounds", "1", "--messages", "400"])
        .arg("--ours")
        .arg(peer)
        .arg("--peer")
        .arg(peer)
        .args(arguments)
        .output()
        .expect("run the bench");
    let text = |bytes| String::from_utf8(bytes).expect("the bench writes UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn compare(peer: &Path, arguments: &[&str]) -> (bool, String, String) {
    bench("compare", peer, arguments)
}

fn goals(peer: &Path, arguments: &[&str]) -> (bool, String, String) {
    bench("goals", peer, arguments)
}

#[test]
fn every_workload_runs_and_has_its_row() {
    let Some(peer) = peer() else { return };
    let (success, report, progress) = compare(&peer, &["--sync", "no"]);
    assert!(success, "{progress}");
    for workload in workloads::all() {
        let row =
            format!("| {} | {} |", workload.name, if workload.synced { "always" } else { "no" });
        assert_eq!(report.matches(&row).count(), 2, "{row} in {report}");
    }
    let folder = peer.parent().expect("it has a folder").to_string_lossy().into_owned();
    assert!(!report.contains(&folder), "the report names a folder of this machine");
}

#[test]
fn every_goal_is_measured_and_has_its_row() {
    let Some(peer) = peer() else { return };
    let (success, report, progress) = goals(&peer, &["--command", "the command"]);
    assert!(success, "{progress}");
    for workload in workloads::all() {
        for goal in workload.goals {
            let Pairing { ours, peer } = goal.pairing;
            let row = format!("| {} | {ours} / {peer} | {} |", workload.name, goal.bound);
            assert_eq!(report.matches(&row).count(), 1, "{row} in {report}");
        }
    }
    for row in ["| no | answered | p99 ", "| everysec | delivered | p99.9 ", "| always | answered"]
    {
        assert!(report.contains(row), "{row} in {report}");
    }
    assert!(report.contains("### Memory") && report.contains("goal 48"), "{report}");
    assert!(report.contains("400 entries and pending, 400 consumers"), "{report}");
    assert!(report.contains("```sh\nthe command\n```"), "{report}");
    let folder = peer.parent().expect("it has a folder").to_string_lossy().into_owned();
    assert!(!report.contains(&folder), "the report names a folder of this machine");
}

/// A server that lacks a command which the measurement or the check after it needs.
#[test]
fn goals_are_not_measured_on_wrong_answers() {
    let Some(peer) = peer() else { return };
    for (command, only) in [
        ("XACK", "deliver-10"),
        ("XPENDING", "pending-claim"),
        ("XLEN", "produce-8x16"),
        ("XRANGE", "mixed"),
        ("XACK", "latency"),
        ("XAUTOCLAIM", "flat"),
        ("XREADGROUP", "memory"),
    ] {
        let rename = format!("--ours-arg={command}");
        let arguments = ["--only", only, "--ours-arg=--rename-command", &rename, "--ours-arg="];
        let (success, _, progress) = goals(&peer, &arguments);
        assert!(!success, "{only} without {command}");
        assert!(progress.contains("unknown command"), "{only} without {command}: {progress}");
    }
}

/// Runs a workload on `peer` while somebody else runs `disturbance` on its key; says what the
/// clients and the check after them found.
fn disturbed(peer: &Path, workload: &str, disturbance: &[&str]) -> Vec<String> {
    let program = ServerProgram { path: peer, kind: ServerKind::Redis, extra: &[] };
    let server = Server::start(&program, SyncMode::No).expect("start the peer");
    let workload = workloads::named(&[workload.to_owned()]).expect("a known name")[0];
    let round = Round { address: server.address, key: "key".to_owned(), messages: 400 };
    let prepared = (workload.prepare)(&round).expect("prepare the round");
    let mut control = round.connect().expect("connect");
    if !disturbance.is_empty() {
        control.call(disturbance).expect("disturb the round");
    }
    let clients = prepared.clients.into_iter().map(std::thread::spawn).collect::<Vec<_>>();
    let clients = clients.into_iter().map(|client| client.join().expect("no panic").map(|_| ()));
    let mut outcomes: Vec<_> = clients.collect();
    // Only now: the check is for what all clients leave behind.
    outcomes.push((prepared.check)(&mut control));
    outcomes.into_iter().filter_map(|outcome| Some(format!("{:#}", outcome.err()?))).collect()
}

#[test]
fn what_is_missing_or_too_much_in_the_end_fails_the_round() {
    let Some(peer) = peer() else { return };
    let another = ["XADD", "key", "*", "field", "value"];
    let lost = ["XGROUP", "DELCONSUMER", "key", "g", "c0"];
    for (workload, disturbance, fault) in [
        ("produce-8x16", another, "the stream has 385 entries, not 384"),
        ("deliver-10", another, "the stream has 385 entries, not 384"),
        ("deliver-joined-10", another, "the stream has 385 entries, not 384"),
        ("deliver-1", another, "the stream has 401 entries, not 400"),
        ("pending-read", another, "the stream has 401 entries, not 400"),
        ("scan", another, "the stream has 1001 entries, not 1000"),
        ("mixed", another, "the stream has 28001 entries, not 28000"),
        ("pending-claim", lost, "a page has 0 entries instead of 100"),
        ("pending-history", lost, "a page has 0 entries instead of 100"),
    ] {
        assert_eq!(disturbed(&peer, workload, &[]), [""; 0], "{workload} undisturbed");
        let faults = disturbed(&peer, workload, &disturbance).join("; ");
        assert!(faults.contains(fault), "{workload}: {faults}");
    }
}

#[test]
fn a_server_that_answers_wrongly_fails_the_run() {
    let Some(peer) = peer() else { return };
    let arguments = ["--sync", "no", "--workload", "cycle-1", "--ours-arg=--rename-command"];
    let (success, _, progress) =
        compare(&peer, &[&arguments[..], &["--ours-arg=XACK", "--ours-arg="]].concat());
    assert!(!success);
    assert!(progress.contains("unknown command"), "{progress}");
}
