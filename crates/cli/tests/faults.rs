//! The program itself is wrong: what ends, what goes on, and what is known of it afterwards.

#[path = "support/command_line.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod command_line;
#[path = "support/process.rs"]
mod process;

use std::fs;
use std::path::Path;

use command_line::{connect, millstream};
use process::Process;
use redis::{RedisResult, cmd};
use serde_json::Value;

fn serve(data: &Path, more: &[&str]) -> Process {
    Process::start(|command| {
        command.args(["--enable-debug", "--dir"]).arg(data).args(more);
    })
}

fn check(data: &Path) -> Value {
    let printed = millstream([Path::new("check"), data, Path::new("--json")]).success();
    serde_json::from_str(&printed).expect("it is JSON")
}

#[test]
fn a_panic_in_a_connection_ends_that_connection_only() {
    let root = tempfile::tempdir().expect("a directory");
    let data = root.path().join("data");
    let server = serve(&data, &["--log-format", "json"]);
    let mut other = connect(&server.address);
    let mut wrong = connect(&server.address);
    let _: String = cmd("XADD").arg("s").arg("1-1").arg("f").arg("v").query(&mut wrong).unwrap();
    let answer: RedisResult<String> = cmd("DEBUG").arg("PANIC").arg("CONNECTION").query(&mut wrong);
    let error = answer.expect_err("the connection is gone");
    assert!(error.is_connection_dropped(), "{error}");
    let count: u64 = cmd("XLEN").arg("s").query(&mut other).expect("others go on");
    assert_eq!(count, 1);
    let clients: String = cmd("CLIENT").arg("LIST").query(&mut other).expect("a list");
    assert_eq!(clients.lines().filter(|line| line.contains(" cmd=debug ")).count(), 0, "{clients}");
    let said = server.said();
    let line = said.iter().find(|line| line.contains("a fault of the program")).expect("a line");
    let line: Value = serde_json::from_str(line).expect("lines are JSON");
    assert_eq!(line["level"], "ERROR");
    let message = line["fields"]["message"].as_str().expect("a message");
    assert!(message.contains("/session/own.rs:") && message.contains("/faults/"), "{message}");
    assert!(!message.contains("was asked for"), "what it says may hold data: {message}");
    drop(server);
    let faults = check(&data)["faults"].clone();
    assert_eq!(faults[0]["message"], "DEBUG PANIC CONNECTION was asked for");
}

/// Symptom: a task of the server that panicked was gone, and the server went on without it.
#[test]
fn a_panic_in_a_task_of_the_server_ends_the_process() {
    let root = tempfile::tempdir().expect("a directory");
    let data = root.path().join("data");
    let mut server = serve(&data, &[]);
    let mut client = connect(&server.address);
    let _: String = cmd("XADD").arg("s").arg("1-1").arg("f").arg("v").query(&mut client).unwrap();
    // The process may be gone before it answers.
    let _: RedisResult<String> = cmd("DEBUG").arg("PANIC").arg("CONTROL").query(&mut client);
    let status = server.child.wait().expect("it ends");
    assert!(!status.success(), "{status}");
    let document = check(&data);
    assert_eq!((&document["is_intact"], &document["entries"]), (&true.into(), &1.into()));
    let faults = document["faults"].as_array().expect("a list");
    assert_eq!(faults.len(), 1, "{document}");
    assert_eq!(faults[0]["message"], "DEBUG PANIC CONTROL was asked for");
    assert_eq!(faults[0]["thread"], "millstream-control");
}

#[test]
fn a_panic_within_a_change_ends_the_process_and_check_tells_of_it() {
    let root = tempfile::tempdir().expect("a directory");
    let data = root.path().join("data");
    let mut server = serve(&data, &[]);
    let mut client = connect(&server.address);
    let _: String = cmd("XADD").arg("s").arg("1-1").arg("f").arg("v").query(&mut client).unwrap();
    let answer: RedisResult<String> = cmd("DEBUG").arg("PANIC").query(&mut client);
    answer.expect_err("the process is gone");
    let status = server.child.wait().expect("it ends");
    assert!(!status.success(), "{status}");

    let document = check(&data);
    assert_eq!(document["is_intact"], true, "{document}");
    assert_eq!(document["entries"], 1, "what was confirmed is there");
    let faults = document["faults"].as_array().expect("a list");
    assert_eq!(faults.len(), 1, "{document}");
    assert_eq!(faults[0]["message"], "DEBUG PANIC was asked for");
    assert!(faults[0]["place"].as_str().expect("a place").contains("debug_command.rs:"));
    let backtrace = faults[0]["backtrace"].as_str().expect("a backtrace");
    assert!(backtrace.contains("debug_command"), "{backtrace}");
    let text = millstream([Path::new("check"), &data]).success();
    assert!(text.contains("please report it"), "{text}");
    assert!(text.contains("DEBUG PANIC was asked for"), "{text}");
    assert!(text.ends_with("everything is intact\n"), "{text}");

    // Nobody else may read what may hold data.
    let report = fs::read_dir(data.join("faults")).expect("a folder").next().expect("a file");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = report.expect("an entry").metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // It starts again, and knows what was confirmed.
    let server = serve(&data, &[]);
    let count: u64 = cmd("XLEN").arg("s").query(&mut connect(&server.address)).expect("a number");
    assert_eq!(count, 1);
}
