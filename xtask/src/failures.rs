//! What failed, to be said once more at the end: the output of a run has tens of thousands of
//! lines, and often no more than its last ones are kept.

use std::collections::HashMap;
use std::mem;

/// Lines of a panic that are kept; behind them comes where it was called from.
const LINES_MAX: usize = 12;

/// Reads along what `cargo test` and the client programs print.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    all: Vec<String>,
    /// The program that runs, as cargo names it.
    program: String,
    /// What the threads of that program last panicked with. Those of a test bear its name.
    panics: HashMap<String, Vec<String>>,
    /// The thread whose panic is being read.
    panicking: Option<String>,
    /// In the list of failed tests, which comes twice when their output was kept.
    is_listing: bool,
    listed: Vec<String>,
}

impl Failures {
    /// A line of output.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(name) = line.trim_start().strip_prefix("Running ") {
            name.clone_into(&mut self.program);
            self.panics.clear();
        } else if let Some(thread) = panicking_thread(line) {
            self.panics.insert(thread.to_owned(), vec![line.to_owned()]);
            self.panicking = Some(thread.to_owned());
        } else if line == "failures:" {
            self.is_listing = true;
            self.listed.clear();
        } else if line.starts_with("test result: ") {
            self.is_listing = false;
            self.end_program();
        } else if let Some(name) = line.strip_prefix("    ").filter(|_| self.is_listing) {
            self.listed.push(name.to_owned());
        } else if line.starts_with("FAILED ") {
            self.all.push(line.to_owned());
        }
        self.panic_line(line);
    }

    /// A step that is no test.
    pub(crate) fn step(&mut self, name: &str, error: &anyhow::Error) {
        self.all.push(format!("FAILED {name}: {error:#}"));
    }

    /// What failed so far, in its order.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    fn panic_line(&mut self, line: &str) {
        let Some(thread) = &self.panicking else { return };
        let said = self.panics.entry(thread.clone()).or_default();
        let is_first = said.len() == 1 && said[0] == line;
        if line.starts_with("stack backtrace:") || said.len() == LINES_MAX {
            self.panicking = None;
        } else if !is_first {
            said.push(line.to_owned());
        }
    }

    fn end_program(&mut self) {
        for test in mem::take(&mut self.listed) {
            let mut told = format!("FAILED {test} of {}", self.program);
            for line in self.panics.get(&test).into_iter().flatten() {
                told.push_str("\n    ");
                told.push_str(line);
            }
            self.all.push(told);
        }
        self.panics.clear();
        self.panicking = None;
    }
}

/// Whose panic a line begins to tell of: `thread 'name' (42) panicked at file:line:column:`.
fn panicking_thread(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("thread '")?.split_once('\'')?;
    rest.contains(" panicked at ").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::Failures;

    #[test]
    fn failed_tests_come_with_their_panics() {
        let output = "     Running tests/it/main.rs (target/debug/deps/it-0123)\n\
            test a::works ... ok\n\
            thread 'a::breaks' (42) panicked at tests/it/a.rs:7:5:\n\
            assertion failed: 1 > 2\n\
            because\n\
            stack backtrace:\n   0: somewhere\n\
            thread 'other' panicked at src/b.rs:1:1:\nexpected\nstack backtrace:\n\
            test a::breaks ... FAILED\n\
            \nfailures:\n\nfailures:\n    a::breaks\n    a::is_silent\n\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored\n\
            \x20    Running unittests src/lib.rs (target/debug/deps/b-0123)\n\
            \x20   no name of a test\n\
            test result: ok. 3 passed; 0 failed; 0 ignored\n\
            FAILED clients: what a client said\n";
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.line(line));
        let place = "of tests/it/main.rs (target/debug/deps/it-0123)";
        let told = [
            format!(
                "FAILED a::breaks {place}\n    \
                 thread 'a::breaks' (42) panicked at tests/it/a.rs:7:5:\n    \
                 assertion failed: 1 > 2\n    because"
            ),
            format!("FAILED a::is_silent {place}"),
            "FAILED clients: what a client said".to_owned(),
        ];
        assert_eq!(failures.all(), told);
    }
}
