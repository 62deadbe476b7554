//! `millstream config print` and `serve --check-config`; what it prints is what a server runs with.

#[path = "support/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use process::Process;
use redis::{Client, cmd};
use serde_json::{Value, json};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    run_with(arguments, &[])
}

fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the binary of this package starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn printed(arguments: &[&str]) -> String {
    let (code, file, said) = run(&[&["config", "print"], arguments].concat());
    assert_eq!((code, said.as_str()), (Some(0), ""));
    file
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// What a server says of its settings.
fn settings(configure: impl FnOnce(&mut Command)) -> BTreeMap<String, String> {
    let process = Process::start(|command| configure(command.arg("--memory")));
    let client = Client::open(format!("redis://{}/", process.address)).expect("a URL");
    let mut connection = client.get_connection().expect("the server accepts");
    cmd("CONFIG").arg("GET").arg("*").query(&mut connection).expect("CONFIG GET")
}

#[test]
fn the_defaults_it_prints_are_those_of_the_server() {
    let file = printed(&[]);
    let lines = file.lines().map(|line| match line.strip_prefix("# ") {
        Some(key) if key.contains(" = ") && !key.contains('<') => key,
        _ => line,
    });
    let is_not_of_the_test = |line: &&str| !line.starts_with("port = ");
    let file: String = lines.filter(is_not_of_the_test).map(|line| format!("{line}\n")).collect();
    let given = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
    assert!(given >= 18, "{given} settings have a default:\n{file}");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("all.toml");
    fs::write(&path, file).expect("write the file");
    let mut plain = settings(|_| {});
    let mut all = settings(|command| {
        command.args(["--config", text(&path)]);
    });
    // The system chose it.
    assert_ne!(plain.remove("port"), all.remove("port"));
    assert_eq!(plain, all);
}

#[test]
fn what_is_given_is_printed_and_means_the_same_read_back() {
    let arguments = [
        "--port=0",
        "--bind=127.0.0.1,-::1",
        "--sync=everysec",
        "--cache-mb=3",
        "--unixsocketperm=700",
        "--enable-debug=local",
        "--timeout=9",
        "--proto-max-bulk-len=2mb",
        "--memory",
        "--group-policy=orders:* * VISIBILITY 500;a b BACKOFF 1 2 3",
    ];
    let file = printed(&arguments);
    for line in [
        "port = 0",
        "bind = \"127.0.0.1 -::1\"",
        "sync = \"everysec\"",
        "cache-mb = 3",
        "unixsocketperm = \"700\"",
        "enable-debug = \"local\"",
        "timeout = 9",
        "proto-max-bulk-len = \"2mb\"",
        "memory = true",
        "group-policy = [\"orders:* * VISIBILITY 500\", \"a b BACKOFF 1 2 3\"]",
        "# maxclients = 10000",
        "# dir = \"./millstream-data\"",
        "# Default: half the cores, 8 at most.",
        "# threads = <COUNT>",
    ] {
        assert!(file.lines().any(|it| it == line), "{line} is missing:\n{file}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.toml");
    fs::write(&path, &file).expect("write the file");
    assert_eq!(printed(&["--config", text(&path)]), file);
    let (code, said, _) = run(&["serve", "--check-config", "--config", text(&path)]);
    assert_eq!((code, said.as_str()), (Some(0), "the settings are right\n"));
}

/// A value of a key that is printed without one, by what stands there in its place.
fn sample(place: &str) -> &str {
    match place {
        "<BOOL>" => "true",
        "<COUNT>" | "<PORT>" => "7",
        "<NAME>" => "['a.example']",
        "<STREAM GROUP ITEM VALUE...>" => "['orders:* * VISIBILITY 500']",
        place if place.starts_with('<') => "'700'",
        default => default,
    }
}

/// Symptom: `otlp-endpoint`, printed like all others, was an unknown field.
#[test]
fn each_key_that_is_printed_is_read_back() {
    let key_of = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
    let is_key = |key: &str| key.chars().all(|it| it.is_ascii_lowercase() || it == '-');
    let file = printed(&[]);
    let all = file.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = "));
    let all: Vec<_> = all.filter(|(key, _)| is_key(key)).collect();
    for key in ["otlp-endpoint", "otlp-sample", "requirepass", "bind"] {
        assert!(all.iter().any(|(it, _)| *it == key), "{key} is missing:\n{file}");
    }
    let given: Vec<_> =
        all.iter().map(|(key, place)| format!("{key} = {}\n", sample(place))).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("all.toml");
    fs::write(&path, given.concat()).expect("write the file");
    let again = printed(&["--config", text(&path), "--show-password"]);
    let known: Vec<_> = again.lines().filter_map(key_of).filter(|key| is_key(key)).collect();
    assert!(all.iter().map(|(key, _)| *key).eq(known), "{again}");
}

/// Symptom: both were flags of `serve` alone.
#[test]
fn where_spans_go_is_a_setting_like_others() {
    let (endpoint, sample) = ("http://127.0.0.1:4318", "0.01");
    let given = [format!("otlp-endpoint = \"{endpoint}\""), format!("otlp-sample = {sample}")];
    let is_in = |file: &str| given.iter().all(|line| file.lines().any(|it| it == line));
    let flags = ["--otlp-endpoint", endpoint, "--otlp-sample", sample];
    assert!(is_in(&printed(&flags)));
    let variables = [("MILLSTREAM_OTLP_ENDPOINT", endpoint), ("MILLSTREAM_OTLP_SAMPLE", sample)];
    let (_, file, _) = run_with(&["config", "print"], &variables);
    assert!(is_in(&file), "{file}");
    // Its password is one like others.
    let flags = ["--otlp-endpoint", "http://ada:hunter2@127.0.0.1:4318"];
    assert!(!printed(&flags).contains("hunter2"));
    let (_, shown, _) = run(&["config", "print", "--json", flags[0], flags[1]]);
    assert!(shown.contains("\"hidden\":[\"otlp-endpoint\"]"), "{shown}");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.toml");
    let check = ["serve", "--check-config", "--config", text(&path)];
    fs::write(&path, given.join("\n")).expect("write the file");
    let (code, said, failure) = run(&check);
    assert_eq!((code, said.as_str()), (Some(0), "the settings are right\n"), "{failure}");
    for (settings, told) in [
        ("otlp-endpoint = '127.0.0.1:4318'", "is not like http://127.0.0.1:4318"),
        ("otlp-sample = 2", "'2' is not between 0 and 1"),
        ("otlp-sample = -0.5", "'-0.5' is not between 0 and 1"),
        ("otlp-sample = nan", "is not between 0 and 1"),
    ] {
        fs::write(&path, settings).expect("write the file");
        let (code, _, failure) = run(&check);
        assert!(code == Some(2) && failure.contains(told), "{settings}: {failure}");
    }
}

#[test]
fn policies_in_tables_come_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.toml");
    let table = "[[group-policy]]\nstream = 'o'\nvisibility = 500\ndeadletter = 'x y'\n";
    fs::write(&path, table).expect("write the file");
    let file = printed(&["--config", text(&path)]);
    let again = directory.path().join("again.toml");
    fs::write(&again, &file).expect("write the file");
    assert_eq!(printed(&["--config", text(&again)]), file);
    let (code, document, _) =
        run(&["config", "print", "--json", "--timeout=9", "--config", text(&again)]);
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let policy = json!({"stream": "o", "visibility": 500, "deadletter": "x y"});
    let settings = json!({"timeout": 9, "group-policy": [policy]});
    assert_eq!((code, document), (Some(0), json!({"settings": settings, "hidden": []})));
}

#[test]
fn a_password_is_shown_only_where_that_was_asked() {
    let variables = [("MILLSTREAM_REQUIREPASS", "s3cret")];
    for form in [&["config", "print"][..], &["config", "print", "--json"]] {
        let (code, shown, _) = run_with(form, &variables);
        assert_eq!((code, shown.contains("s3cret")), (Some(0), false), "{shown}");
        assert!(shown.contains("requirepass"), "that there is one is told: {shown}");
    }
    let (_, shown, _) = run_with(&["config", "print", "--show-password"], &variables);
    assert!(shown.contains("\nrequirepass = \"s3cret\"\n"), "{shown}");
}

#[test]
fn wrong_settings_are_found_without_a_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.toml");
    let data = directory.path().join("data");
    for (settings, told) in [
        ("prot = 1", "unknown field `prot`: is `port` meant?"),
        ("timeout = -1", "timeout"),
        ("bind = '0.0.0.0'", "password"),
        ("bind = ''", "listen"),
        ("group-policy = ['o * VISIBILTY 5']", "group-policy"),
        ("group-policy = [7]", "group-policy"),
        ("sync = 'sometimes'", "sometimes"),
        ("port = ", "m.toml"),
    ] {
        fs::write(&path, settings).expect("write the file");
        let arguments = ["serve", "--check-config", "--dir", text(&data), "--config", text(&path)];
        let (code, said, failure) = run(&arguments);
        assert_eq!((code, said.as_str()), (Some(2), ""), "{settings}");
        assert!(failure.contains(told), "{settings}: {failure}");
        assert!(!data.exists(), "{settings}: nothing was made");
    }
    let (code, _, failure) = run(&["config", "print", "--config", "/nowhere.toml"]);
    assert_eq!(code, Some(2), "{failure}");
}

/// Symptom: `millstream wo` was completed no further than to `work` and the guard of its commands,
/// and flags for tests were offered.
#[test]
fn what_is_hidden_is_offered_by_no_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, failure) = run(&["completions", shell]);
        assert_eq!((code, failure.as_str()), (Some(0), ""), "{shell}");
        assert!(script.contains("cache-mb") && script.contains("pending"), "{shell}");
        for hidden in ["guard", "log-segment-kb", "checkpoint-log-kb"] {
            assert!(!script.contains(hidden), "{shell} offers {hidden}");
        }
    }
    // Nor as what may have been meant.
    let (code, _, failure) = run(&["work-guar"]);
    assert!(code == Some(2) && !failure.contains("work-guard"), "{failure}");
}

#[test]
fn shells_and_man_get_what_they_need() {
    for (shell, word) in [
        ("bash", "_millstream()"),
        ("zsh", "#compdef millstream"),
        ("fish", "complete -c millstream"),
    ] {
        let (code, script, _) = run(&["completions", shell]);
        assert_eq!(code, Some(0), "{shell}");
        assert!(script.contains(word) && script.contains("check-config"), "{shell}");
        // What some call ls.
        assert!(script.contains("list"), "{shell}");
    }
    let (code, _, _) = run(&["completions", "cmd.exe"]);
    assert_eq!(code, Some(2));
    let (_, script, _) = run(&["completions", "bash"]);
    for word in ["--version", "--tls-cert-file", "config__subcmd__print", "group", "set-id"] {
        assert!(script.contains(word), "{word} is missing");
    }
    let (code, page, _) = run(&["man"]);
    assert!(code == Some(0) && page.contains(".TH millstream 1"), "{page}");
    let directory = tempfile::tempdir().expect("a directory");
    let pages = directory.path().join("man1");
    let (code, _, failure) = run(&["man", "--dir", text(&pages)]);
    assert_eq!((code, failure.as_str()), (Some(0), ""));
    let page = fs::read_to_string(pages.join("millstream-stream-ls.1")).expect("its page");
    assert!(page.contains("\\-\\-limit") && page.contains("Examples"), "{page}");
}
