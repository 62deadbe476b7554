//! "Five minutes" of the README: a shell is told what stands there, one line after the other, on a
//! server that was just started, and prints what stands below each.

#[path = "support/console_examples.rs"]
mod console_examples;
#[path = "support/process.rs"]
mod process;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use console_examples::{Example, console_examples};
use process::Process;

/// Stands behind what a command printed.
const END: &str = "--- that was all of it ---";

fn section() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let (_, section) = page.split_once("\n## Five minutes\n").expect("it has that section");
    section.split("\n## ").next().expect("it begins").to_owned()
}

/// bash, as it runs in a terminal but for colours and bars.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Shell {
    fn start(directory: &Path, url: &str) -> Self {
        symlink(env!("CARGO_BIN_EXE_millstream"), directory.join("millstream")).expect("link");
        let mut child = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", directory.display()))
            .env("HOME", directory)
            .env("LANG", "C.UTF-8")
            .env("REDIS_URL", url)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash starts");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, stdin, stdout }
    }

    /// What the command prints on standard output.
    fn run(&mut self, command: &str) -> String {
        writeln!(self.stdin, "{command}\necho '{END}'").expect("it reads");
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).expect("text") > 0, "{command}: it ended");
            match line.strip_suffix('\n') {
                Some(END) => return printed,
                _ => printed.push_str(&line),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What two runs have in common: `ID` and `TIME` in place of those, `WORKER` in place of the name
/// of a consumer, which has that of the machine in it, and one blank between words.
fn comparable(printed: &str) -> String {
    printed.lines().map(|line| comparable_line(line) + "\n").collect()
}

fn comparable_line(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let words = words.into_iter().map(|word| {
        let id = word.split_once('-').filter(|(ms, _)| ms.len() == 13);
        let is_id = id.is_some_and(|(ms, seq)| [ms, seq].iter().all(|it| is_number(it)));
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let is_time = unit.len() < word.len() && matches!(unit, "ms" | "s" | "m" | "h" | "d");
        let host = word.rsplit_once('-').filter(|(_, number)| is_number(number));
        match (is_id, is_time, host) {
            (true, ..) => "ID",
            (_, true, _) => "TIME",
            (.., Some(_)) => "WORKER",
            _ => word,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn the_first_five_minutes_are_as_they_stand_in_the_readme() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("orders-data");
    let server = Process::start(|command| {
        command.arg("--dir").arg(&data);
    });
    let mut shell = Shell::start(directory.path(), &format!("redis://{}", server.address));
    let examples = console_examples(&section());
    assert!(examples.len() >= 10, "only {} commands were found", examples.len());
    for Example { line, command, printed } in examples {
        let found = shell.run(&command);
        let found = found.replace(&server.address, "127.0.0.1:6379");
        assert_eq!(comparable(&found), comparable(&printed), "line {line}: {command}\n{found}");
    }
}
