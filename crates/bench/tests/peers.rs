//! Every workload, a few messages long, on a real Redis against itself.

use std::path::{Path, PathBuf};
use std::process::Command;

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

fn compare(peer: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_millstream-bench"))
        .args(["compare", "--ours-kind", "redis", "--rounds", "1", "--messages", "400"])
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

#[test]
fn every_workload_runs_and_has_its_row() {
    let Some(peer) = peer() else { return };
    let (success, report, progress) = compare(&peer, &["--sync", "no"]);
    assert!(success, "{progress}");
    for workload in millstream_bench::workloads::all() {
        let row =
            format!("| {} | {} |", workload.name, if workload.synced { "always" } else { "no" });
        assert_eq!(report.matches(&row).count(), 2, "{row} in {report}");
    }
    let folder = peer.parent().expect("it has a folder").to_string_lossy().into_owned();
    assert!(!report.contains(&folder), "the report names a folder of this machine");
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
