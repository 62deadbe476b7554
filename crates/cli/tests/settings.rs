//! Settings of `millstream serve`: flags, variables and keys of the file; and the way back into it.

#[path = "support/process.rs"]
mod process;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use process::Process;
use redis::{Client, Connection, cmd};
use tempfile::TempDir;

const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// What CONFIG SET can change, with a value that is not the usual one and how CONFIG GET shows it.
const SETTINGS: [(&str, &str, &str); 25] = [
    ("blocked-clients-max", "9", "9"),
    (
        "client-output-buffer-limit",
        "normal 1mb 2 3",
        "normal 1048576 2 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    ),
    ("client-query-buffer-limit", "2mb", "2097152"),
    ("group-consumers-max", "8", "8"),
    ("latency-monitor-threshold", "250", "250"),
    ("maxclients", "77", "77"),
    ("maxmemory", "4gb", "4294967296"),
    ("maxmemory-clients", "20%", "20%"),
    ("maxmemory-hard", "5gb", "5368709120"),
    ("name-bytes-max", "1kb", "1024"),
    ("proto-max-array-len", "2000", "2000"),
    ("proto-max-bulk-len", "3mb", "3145728"),
    ("requirepass", "", ""),
    ("slowlog-log-slower-than", "5000", "5000"),
    ("slowlog-max-len", "99", "99"),
    ("stream-bytes-max", "3gb", "3221225472"),
    ("stream-entries-max", "1000000", "1000000"),
    ("stream-groups-max", "11", "11"),
    ("stream-idmp-duration", "55", "55"),
    ("stream-idmp-maxsize", "66", "66"),
    ("stream-idmp-producers-max", "21", "21"),
    ("stream-node-max-bytes", "8kb", "8192"),
    ("stream-node-max-entries", "12", "12"),
    ("tcp-keepalive", "60", "60"),
    ("timeout", "1234", "1234"),
];

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

fn serve(configure: impl FnOnce(&mut Command)) -> Process {
    Process::start(|command| configure(command.arg("--memory")))
}

fn serve_with(arguments: &[&str]) -> Process {
    serve(|command| {
        command.args(arguments);
    })
}

fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["serve", "--port", "0", "--memory"])
        .env("MILLSTREAM_ADMIN_PORT", "off")
        .args(arguments)
        .output()
        .expect("the binary of this package starts");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn connect(process: &Process) -> Connection {
    connect_to(&format!("redis://{}/", process.address))
}

fn connect_to(url: &str) -> Connection {
    let client = Client::open(url).expect("a well-formed URL");
    let connection = client.get_connection_with_timeout(REPLY_LIMIT).expect("the server accepts");
    connection.set_read_timeout(Some(REPLY_LIMIT)).expect("a limit above zero");
    connection
}

fn setting(connection: &mut Connection, name: &str) -> String {
    let mut found: HashMap<String, String> =
        cmd("CONFIG").arg("GET").arg(name).query(connection).expect("CONFIG GET");
    found.remove(name).unwrap_or_else(|| panic!("there is no {name}"))
}

fn are_set(process: &Process, how: &str) {
    let mut connection = connect(process);
    for (name, _, shown) in SETTINGS {
        assert_eq!(setting(&mut connection, name), shown, "{name} by {how}");
    }
}

#[test]
fn each_changeable_setting_is_a_flag_a_variable_and_a_key() {
    are_set(
        &serve(|command| {
            for (name, value, _) in SETTINGS {
                command.arg(format!("--{name}={value}"));
            }
        }),
        "flags",
    );
    are_set(
        &serve(|command| {
            for (name, value, _) in SETTINGS {
                let name = name.to_uppercase().replace('-', "_");
                command.env(format!("MILLSTREAM_{name}"), value);
            }
        }),
        "variables",
    );
    let directory = scratch();
    let file = directory.path().join("m.toml");
    let line = |(name, value, _): (&str, &str, _)| match value.parse::<i64>() {
        Ok(number) => format!("{name} = {number}\n"),
        Err(_) => format!("{name} = \"{value}\"\n"),
    };
    fs::write(&file, SETTINGS.map(line).concat()).expect("write the file");
    are_set(&serve_with(&["--config", text(&file)]), "keys");
}

#[test]
fn a_wrong_value_is_refused_with_its_name() {
    for (name, value) in [
        ("timeout", "-1"),
        ("stream-idmp-maxsize", "many"),
        ("proto-max-bulk-len", "1"),
        ("unixsocketperm", "888"),
        ("enable-debug", "perhaps"),
    ] {
        let (code, said) = refused(&[&format!("--{name}={value}")]);
        assert_eq!(code, Some(2), "{name}: {said}");
        assert!(said.contains(name), "{said}");
    }
    let (code, said) = refused(&["--bind", ""]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nothing to listen on"), "{said}");
}

#[test]
fn config_rewrite_keeps_the_file_and_is_true_at_the_next_start() {
    let directory = scratch();
    let file = directory.path().join("m.toml");
    let before = "# The mill.\nmemory = true # nothing to keep\ntimeout = 5 # seconds\n";
    fs::write(&file, before).expect("write the file");
    let process = Process::start(|command| {
        command.args(["--config", "m.toml"]).current_dir(directory.path());
    });
    let mut connection = connect(&process);
    let mut call = |line: &str| {
        let (name, arguments) = line.split_once(' ').expect("a command with arguments");
        cmd(name).arg(arguments.split(' ').collect::<Vec<_>>()).query::<String>(&mut connection)
    };
    call("CONFIG SET timeout 500 stream-node-max-bytes 1kb").expect("CONFIG SET");
    assert_eq!(call("CONFIG REWRITE").expect("CONFIG REWRITE"), "OK");
    assert_eq!(
        fs::read_to_string(&file).expect("read the file"),
        "# The mill.\nmemory = true # nothing to keep\ntimeout = 500 # seconds\n\
         stream-node-max-bytes = 1024\n"
    );
    fs::remove_file(&file).expect("remove the file");
    let error = call("CONFIG REWRITE").expect_err("there is no file");
    assert!(error.to_string().contains("m.toml"), "{error}");
    fs::write(&file, "memory = true\ntimeout = 500\n").expect("write the file");
    let process = serve_with(&["--config", text(&file)]);
    assert_eq!(setting(&mut connect(&process), "timeout"), "500");
}

#[test]
fn a_unix_socket_is_listened_on_beside_tcp_or_alone() {
    let directory = scratch();
    let path = directory.path().join("m.sock");
    let arguments = ["--unixsocket", text(&path), "--unixsocketperm", "700"];
    let url = format!("redis+unix://{}", path.display());
    let process = serve_with(&arguments);
    let mut connection = connect_to(&url);
    assert_eq!(setting(&mut connection, "unixsocketperm"), "700");
    assert_eq!(setting(&mut connect(&process), "unixsocket"), text(&path));
    let (code, said) = refused(&arguments);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another server"), "{said}");
    // Killed, so that its file stays.
    drop(process);
    assert!(path.exists());
    let process = serve_with(&[&["--bind", ""], &arguments[..]].concat());
    assert_eq!(process.address, text(&path));
    assert_eq!(setting(&mut connect_to(&url), "bind"), "");
}

#[test]
fn debug_has_to_be_enabled() {
    let ask = |arguments: &[&str]| {
        let process = serve_with(arguments);
        cmd("DEBUG").arg("SLEEP").arg(0).query::<String>(&mut connect(&process))
    };
    assert!(ask(&[]).is_err_and(|error| error.to_string().contains("enable-debug-command")));
    for flag in ["--enable-debug", "--enable-debug=yes", "--enable-debug=local"] {
        assert_eq!(ask(&[flag]).expect("it is allowed"), "OK", "{flag}");
    }
    assert!(ask(&["--enable-debug=no"]).is_err());
}
