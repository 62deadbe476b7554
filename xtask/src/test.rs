//! `cargo xtask test`: the one command that says whether all is well.
//!
//! Every step runs, whatever became of the one before it. The last line counts: tests of cargo,
//! checks of the client programs, and each other step as one. Before it stands what failed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::failures::Failures;
use crate::{checkout, deny, instructions, peers, tidy};

/// What has been counted so far, and what of it failed.
#[derive(Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
    skipped: usize,
    failures: Failures,
}

/// Runs everything.
///
/// # Errors
/// When anything failed; the last line printed has the numbers.
pub(crate) fn run() -> Result<()> {
    let mut count = Count::default();
    let all = ["--workspace", "--all-targets"];
    count.step("fmt", checkout::run(checkout::cargo().args(["fmt", "--all", "--check"])));
    let mut clippy = checkout::cargo();
    clippy.arg("clippy").args(all).args(["--", "--deny", "warnings"]);
    count.step("clippy", checkout::run(&mut clippy));
    let peers_dir = checkout::peers_dir();
    count.step("peers", peers::fetch(&peers_dir));
    // Also what programs outside of cargo run: the server, and the worker of examples/. In another
    // profile than that of the tests, all would be built twice.
    let build = ["build", "--workspace", "--profile", "test"];
    let targets = ["--lib", "--bins", "--tests", "--examples"];
    count.step("build", checkout::run(checkout::cargo().args(build).args(targets)));

    let binary = checkout::target_dir().join("debug").join("millstream");
    let mut tests = checkout::cargo();
    // --nocapture: a test that has nothing to compare with says SKIP, and that must be seen.
    tests.args(["test", "--workspace", "--no-fail-fast", "--", "--nocapture"]);
    tests.env("MILLSTREAM_PEERS", &peers_dir).env("MILLSTREAM_BIN", &binary);
    count.stream(&mut tests, show)?;

    let clients = checkout::root().join("tests/clients/run.py");
    if clients.is_file() {
        let mut python = Command::new("python3");
        python.current_dir(checkout::root()).arg(clients);
        python.env("MILLSTREAM_PEERS", &peers_dir).env("MILLSTREAM_BIN", &binary);
        count.stream(&mut python, show)?;
    } else {
        println!("SKIP: no tests/clients/run.py");
        count.skipped += 1;
    }
    if instructions::has_valgrind() || checkout::peers_required() {
        count.step("instructions", instructions::run(&[]));
    } else {
        println!("SKIP: no valgrind to count instructions with");
        count.skipped += 1;
    }
    match deny::cargo_deny() {
        Err(error) if !checkout::peers_required() => {
            println!("SKIP: {error:#}");
            count.skipped += 1;
        }
        _ => {
            count.step("deny", deny::run(&[]));
            // Their list is on GitHub. Where that cannot be reached nothing is wrong with the code.
            match deny::fetch_advisories() {
                Ok(()) => count.step("advisories", deny::advisories()),
                Err(why) => {
                    println!("advisories: not reachable from here, not looked at ({why:#})");
                }
            }
        }
    }
    count.step("tidy", tidy::run());
    for failure in count.failures.all() {
        println!("{failure}");
    }
    println!("test: {} passed, {} failed, {} skipped", count.passed, count.failed, count.skipped);
    ensure!(count.failed == 0, "not everything passed");
    Ok(())
}

fn show(line: &str) {
    println!("{line}");
}

impl Count {
    /// Counts a step that is not made of tests.
    fn step(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                println!("{name} FAILED: {error:#}");
                self.failures.step(name, &error);
                self.failed += 1;
            }
        }
    }

    /// Runs a command, shows all it writes and counts the tests it tells of.
    fn stream(&mut self, command: &mut Command, show: fn(&str)) -> Result<()> {
        let name = command.get_program().to_string_lossy().into_owned();
        let (reader, writer) = std::io::pipe().context("make a pipe")?;
        let errors = writer.try_clone().context("share the pipe")?;
        let mut child = checkout::as_by_hand(command)
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("run {name}"))?;
        // The command holds the other end of the pipe, which would never come to its end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let failed_before = self.failed;
        for line in BufReader::new(reader).split(b'\n') {
            let line = String::from_utf8_lossy(&line.context("read its output")?).into_owned();
            show(&line);
            self.line(&line);
        }
        let status = child.wait().context("wait for it")?;
        // Ends such as a crash or a build that fails are told by no line.
        if !status.success() && self.failed == failed_before {
            self.step(&name, Err(anyhow::anyhow!("ended with {status}")));
        }
        Ok(())
    }

    fn line(&mut self, line: &str) {
        self.failures.line(line);
        if let Some(result) = line.trim_start().strip_prefix("test result: ") {
            self.passed += number_before(result, "passed");
            self.failed += number_before(result, "failed");
            self.skipped += number_before(result, "ignored");
        } else if let Some(result) = line.strip_prefix("clients: ") {
            self.passed += number_before(result, "passed");
            self.failed += number_before(result, "failed");
            self.skipped += number_before(result, "skipped");
        } else if line.contains("SKIP: ") && !line.starts_with("SKIP: clients") {
            self.skipped += 1;
        }
    }
}

/// The number in front of a word, `0` without one.
fn number_before(text: &str, word: &str) -> usize {
    let words: Vec<&str> = text.split([' ', ',', ';', '.']).filter(|w| !w.is_empty()).collect();
    let at = words.iter().position(|w| *w == word);
    at.and_then(|at| words.get(at.checked_sub(1)?)).and_then(|w| w.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::Count;

    #[test]
    fn lines_are_counted() {
        let mut count = Count::default();
        count.line("test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; finished");
        count.line("clients: 30 passed, 4 failed, 5 skipped");
        count.line("SKIP: no redis-8.6");
        count.line("test foo ... ok");
        assert_eq!((count.passed, count.failed, count.skipped), (42, 5, 8));
    }

    #[test]
    fn a_command_is_counted_by_what_it_says_and_by_how_it_ends() {
        let mut count = Count::default();
        let mut shell = |script: &str| {
            // Shown, these lines would be counted by the run that this test is part of.
            count.stream(Command::new("sh").args(["-c", script]), |_| {}).expect("sh runs");
        };
        shell("echo 'test result: ok. 3 passed; 0 failed; 0 ignored'; echo 'SKIP: x' >&2");
        shell("echo 'test result: FAILED. 0 passed; 2 failed; 0 ignored'; exit 1");
        shell("echo nothing; exit 3");
        assert_eq!((count.passed, count.failed, count.skipped), (3, 3, 1));
        assert_eq!(count.failures.all(), ["FAILED sh: ended with exit status: 3"]);
    }
}
