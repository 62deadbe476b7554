//! `millstream serve` with TLS, as an operator meets it; and all other commands by it.

#[path = "support/process.rs"]
mod process;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use millstream_conformance::Authority;
use process::Process;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// Certificates in files.
struct Place {
    authority: Authority,
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Self { authority: Authority::new(), directory };
        place.write("127.0.0.1");
        fs::write(place.at("ca.crt"), place.authority.pem()).expect("write");
        let _ = place.authority.sign("worker").write(place.directory.path(), "worker");
        place
    }

    /// A new certificate of the server for this name.
    fn write(&self, name: &str) {
        let _ = self.authority.sign(name).write(self.directory.path(), "server");
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn flags(&self) -> Vec<String> {
        let flag = |name: &str, file: &str| format!("--{name}={}", self.at(file).display());
        vec![
            "--tls-port=0".to_owned(),
            flag("tls-cert-file", "server.crt"),
            flag("tls-key-file", "server.key"),
            flag("tls-ca-cert-file", "ca.crt"),
        ]
    }

    fn serve(&self, more: &[&str]) -> Process {
        Process::start(|command| {
            command.arg("--memory").args(self.flags()).args(more);
        })
    }

    /// Runs another command of the program.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.env_remove("REDIS_URL").env_remove("REDISCLI_AUTH");
        outcome(command.current_dir(self.directory.path()).args(arguments))
    }

    fn check_config(&self, more: &[&str]) -> (Option<i32>, String) {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let (code, _, said) = self.run(&[&["serve", "--check-config"], &flags[..], more].concat());
        (code, said)
    }
}

fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        command.output().expect("the binary of this package starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn tls_port(process: &Process) -> u16 {
    let mut lines = process.first_lines.iter();
    let port = lines.find_map(|line| line.split_once("listening for TLS on 127.0.0.1:"));
    port.expect("it says where").1.trim().parse().expect("a port ends the line")
}

/// Waits for a line that it says.
fn await_line(process: &Process, part: &str) {
    let begun = Instant::now();
    let mut all = Vec::new();
    while !all.iter().any(|line: &String| line.contains(part)) {
        assert!(begun.elapsed() < LIMIT, "no {part:?} in {all:?}");
        all.extend(process.said());
        thread::sleep(Duration::from_millis(5));
    }
}

fn hang_up(process: &Process) {
    let command = format!("kill -HUP {}", process.child.id());
    assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success());
}

#[test]
fn commands_by_tls_meet_who_is_right_only() {
    let place = Place::new();
    let process = place.serve(&[]);
    let url = format!("rediss://127.0.0.1:{}", tls_port(&process));
    let own = ["--tls-ca", "ca.crt", "--tls-cert", "worker.crt", "--tls-key", "worker.key"];
    let run = |line: &str, options: &[&str]| {
        let words: Vec<&str> = line.split(' ').chain(["--url", &url]).collect();
        place.run(&[&words[..], options].concat())
    };
    for line in ["produce s n=1", "group create s g", "stream ls", "group info s g", "group ls s"] {
        let (code, _, said) = run(line, &own);
        assert_eq!(code, Some(0), "{line}: {said}");
    }
    let (_, listed, _) = run("stream ls --json", &own);
    assert!(listed.contains("\"length\":1"), "{listed}");
    let (code, _, said) = run("stream ls", &["--tls-ca", "ca.crt"]);
    assert_eq!(code, Some(1), "a certificate is wanted: {said}");
    fs::write(place.at("other.crt"), Authority::new().pem()).expect("write");
    let (code, _, said) = run("stream ls", &["--tls-ca", "other.crt"]);
    assert!(code == Some(1) && said.contains("invalid peer certificate"), "{said}");
    let other = url.replace("127.0.0.1", "localhost");
    let (code, _, said) = place.run(&[&["stream", "ls", "--url", &other], &own[..]].concat());
    assert!(code == Some(1) && said.contains("not valid for name"), "{said}");
}

/// Symptom: a backup took no options for TLS.
#[test]
fn a_backup_is_made_by_tls() {
    let place = Place::new();
    let process = Process::start(|command| {
        command.arg("--dir").arg(place.at("data")).args(place.flags());
    });
    let url = format!("rediss://127.0.0.1:{}", tls_port(&process));
    let line = ["backup", "backups", "--url", &url, "--tls-ca", "ca.crt"];
    let own = ["--tls-cert", "worker.crt", "--tls-key", "worker.key"];
    let (code, _, said) = place.run(&[&line[..], &own].concat());
    assert_eq!((code, &*said), (Some(0), ""));
    let (code, _, said) = place.run(&line);
    assert!(code == Some(1) && said.contains("cannot connect to "), "{said}");
}

#[test]
fn sighup_takes_new_certificates_and_keeps_the_old_ones_where_they_are_wrong() {
    let place = Place::new();
    let process = place.serve(&["--tls-auth-clients=no"]);
    let url = format!("rediss://127.0.0.1:{}", tls_port(&process));
    let ask = || place.run(&["stream", "ls", "--url", &url, "--tls-ca", "ca.crt"]);
    assert_eq!(ask().0, Some(0));
    place.write("elsewhere.example");
    assert_eq!(ask().0, Some(0), "nothing is read unless it is said");
    hang_up(&process);
    await_line(&process, "SIGHUP: the files of TLS were read again");
    let (code, _, said) = ask();
    assert!(code == Some(1) && said.contains("not valid for name"), "{said}");
    place.write("127.0.0.1");
    hang_up(&process);
    await_line(&process, "SIGHUP: the files of TLS were read again");
    fs::write(place.at("server.key"), "no key").expect("write");
    hang_up(&process);
    await_line(&process, "SIGHUP: TLS stays as it was: tls-key-file: ");
    assert_eq!(ask().0, Some(0));
}

#[test]
fn sighup_does_no_harm_without_tls() {
    let process = Process::start(|command| {
        command.arg("--memory");
    });
    hang_up(&process);
    await_line(&process, "SIGHUP: nothing is read again");
}

#[test]
fn check_config_finds_what_a_start_would_stumble_over() {
    let place = Place::new();
    assert_eq!(place.check_config(&[]).0, Some(0));
    let is_refused = |more: &[&str], why: &str| {
        let (code, said) = place.check_config(more);
        assert!(code == Some(2) && said.contains(why), "{more:?}: {said}");
    };
    is_refused(&["--tls-protocols", "SSLv3"], "neither TLSv1.2 nor TLSv1.3");
    is_refused(&["--bind", "0.0.0.0"], "without a password");
    let (code, said) = place.check_config(&["--bind", "0.0.0.0", "--port", "off"]);
    assert_eq!(code, Some(0), "certificates keep strangers out: {said}");
    let more = ["--bind", "0.0.0.0", "--port", "off", "--tls-auth-clients", "optional"];
    is_refused(&more, "without a password");
    let line = ["serve", "--check-config", "--tls-port=0"];
    let (code, _, said) = place.run(&line);
    assert!(code == Some(2) && said.contains("TLS needs tls-cert-file"), "{said}");
    let more = ["--tls-cert-file=server.crt", "--tls-key-file=server.key"];
    let (code, _, said) = place.run(&[&line[..], &more].concat());
    assert!(code == Some(2) && said.contains("say tls-auth-clients no"), "{said}");
    let (code, _, said) = place.run(&["serve", "--check-config", "--port", "off"]);
    assert!(code == Some(2) && said.contains("nothing to listen on"), "{said}");
    fs::write(place.at("server.key"), &place.authority.sign("x").key).expect("write");
    is_refused(&[], "is not the one of the certificate");
    fs::remove_file(place.at("server.key")).expect("remove");
    is_refused(&[], "server.key: No such file");
    let _ = place.authority.sign_expired("x").write(place.directory.path(), "server");
    let (code, said) = place.check_config(&[]);
    assert!(code == Some(0) && said.contains("warning: the certificate in "), "{said}");
    assert!(said.contains(" expired at 2020-02-01"), "{said}");
}

#[test]
fn settings_are_flags_variables_and_keys_and_the_passphrase_is_not_printed() {
    let place = Place::new();
    let given = [
        ("tls-port", "7380"),
        ("tls-cert-file", "a.crt"),
        ("tls-key-file", "a.key"),
        ("tls-key-file-pass", "hunter2"),
        ("tls-ca-cert-file", "ca.crt"),
        ("tls-ca-cert-dir", "authorities"),
        ("tls-auth-clients", "optional"),
        ("tls-protocols", "TLSv1.3"),
        ("admin-tls", "true"),
        ("port", "off"),
    ];
    let flags: Vec<String> =
        given.iter().map(|(name, value)| format!("--{name}={value}")).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let words = ["config", "print", "--show-password"];
    let (code, by_flags, said) = place.run(&[&words[..], &flags].concat());
    assert_eq!((code, &*said), (Some(0), ""));
    let variables = given.map(|(name, value)| {
        (format!("MILLSTREAM_{}", name.to_uppercase().replace('-', "_")), value)
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    let (_, by_variables, said) = outcome(command.args(words).envs(variables));
    assert_eq!(by_flags, by_variables, "{said}");
    fs::write(place.at("m.toml"), &by_flags).expect("write");
    let (_, by_file, said) = place.run(&[&words[..], &["--config", "m.toml"]].concat());
    assert_eq!(by_flags, by_file, "{said}");
    for (name, value) in given {
        let is_line = |line: &str| line.starts_with(name) && line.contains(value);
        assert!(by_flags.lines().any(is_line), "{name} in {by_flags}");
    }
    let (_, hidden, _) = place.run(&["config", "print", "--config", "m.toml"]);
    assert!(!hidden.contains("hunter2") && hidden.contains("tls-key-file-pass = <"), "{hidden}");
    let (_, hidden, _) = place.run(&["config", "print", "--config", "m.toml", "--json"]);
    assert!(hidden.contains(r#""hidden":["tls-key-file-pass"]"#), "{hidden}");
}

#[test]
fn tls_may_be_the_only_way_in() {
    let place = Place::new();
    let socket = place.at("socket");
    let socket = socket.to_str().expect("UTF-8");
    // The address of the process is that of its socket.
    let process = Process::start_at("off", |command| {
        let more = ["--memory", "--tls-auth-clients=no", "--unixsocket", socket];
        command.args(more).args(place.flags());
    });
    assert_eq!(process.address, socket);
    assert!(!process.first_lines.iter().any(|line| line.contains("listening on 127.0.0.1")));
    let url = format!("rediss://127.0.0.1:{}", tls_port(&process));
    let (code, ..) = place.run(&["stream", "ls", "--url", &url, "--tls-ca", "ca.crt"]);
    assert_eq!(code, Some(0));
}

#[test]
fn the_dashboard_is_reached_by_https_with_the_same_certificate() {
    let place = Place::new();
    let process = place.serve(&["--admin-port=0", "--admin-tls"]);
    let mut lines = process.first_lines.iter();
    let url = lines.find_map(|line| line.split_once("dashboard on ")).expect("it says where").1;
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let health = |more: &[&str]| place.run(&[&["health", "--url", url.trim()], more].concat());
    let (code, answer, said) = health(&["--tls-ca", "ca.crt"]);
    assert_eq!((code, &*answer, &*said), (Some(0), "ready\n", ""));
    let (code, _, said) = health(&[]);
    assert!(code == Some(1) && said.contains("invalid peer certificate"), "{said}");
    let by_other_name = ["--tls-ca", "ca.crt", "--tls-server-name", "redis.example"];
    let (code, _, said) = health(&by_other_name);
    assert!(code == Some(1) && said.contains("not valid for name"), "{said}");
    place.write("redis.example");
    hang_up(&process);
    await_line(&process, "SIGHUP: the files of TLS were read again");
    assert_eq!(health(&by_other_name).0, Some(0));
    assert_eq!(health(&["--tls-ca", "ca.crt"]).0, Some(1));
    let plain = url.trim().replace("https://", "http://");
    let (code, _, said) = place.run(&["health", "--url", &plain]);
    assert_eq!(code, Some(1), "{said}");
    let (code, _, said) = place.run(&["health", "--url", &plain, "--tls-ca", "ca.crt"]);
    assert!(code == Some(2) && said.contains("https://"), "{said}");
    let (code, _, said) = health(&["--tls-ca", "nowhere.crt"]);
    assert!(code == Some(2) && said.contains("nowhere.crt"), "{said}");
}

#[test]
fn https_alone_wants_a_certificate_of_the_server_and_none_of_clients() {
    let place = Place::new();
    let line = ["serve", "--check-config", "--admin-tls"];
    let (code, _, said) = place.run(&line);
    assert!(code == Some(2) && said.contains("TLS needs tls-cert-file"), "{said}");
    let more = ["--tls-cert-file=server.crt", "--tls-key-file=server.key"];
    assert_eq!(place.run(&[&line[..], &more].concat()).0, Some(0));
}

/// Starts `millstream dashboard` for this server, with the certificate of `worker`; returns where
/// it is.
fn dashboard_elsewhere(place: &Place, process: &Process) -> (Child, String) {
    let url = format!("rediss://127.0.0.1:{}", tls_port(process));
    let own = ["--tls-ca", "ca.crt", "--tls-cert", "worker.crt", "--tls-key", "worker.key"];
    let mut dashboard = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["dashboard", "--json", "--port", "0", "--url", &url])
        .args(own)
        .current_dir(place.directory.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary of this package starts");
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(dashboard.stdout.take().expect("a pipe"));
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("its first line");
    let said: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
    let site = said["url"].as_str().expect("where it is").to_owned();
    (dashboard, site)
}

#[test]
fn a_dashboard_elsewhere_reaches_its_server_by_tls() {
    let place = Place::new();
    let process = place.serve(&[]);
    let (mut dashboard, site) = dashboard_elsewhere(&place, &process);
    let (code, answer, said) = place.run(&["health", "--url", &site]);
    dashboard.kill().expect("it runs");
    dashboard.wait().expect("it ends");
    assert_eq!((code, &*answer), (Some(0), "ready\n"), "{said}");
}

#[test]
fn visitors_of_a_dashboard_are_not_the_user_of_its_certificate() {
    let place = Place::new();
    let process = place.serve(&["--requirepass=secret", "--tls-auth-clients-user=CN"]);
    let client = redis::Client::open(format!("redis://:secret@{}/", process.address));
    let mut admin = client.expect("a URL").get_connection().expect("the server accepts");
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("worker").arg("on").arg("~*").arg("+@all");
    command.exec(&mut admin).expect("a user");
    let (mut dashboard, site) = dashboard_elsewhere(&place, &process);
    // It is itself: without the user `worker` it would get no further than NOAUTH.
    let (code, answer, said) = place.run(&["health", "--url", &site]);
    let host = site.trim_start_matches("http://").trim_end_matches('/');
    let mut visitor = TcpStream::connect(host).expect("it listens");
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    visitor.write_all(request.as_bytes()).expect("send");
    visitor.set_read_timeout(Some(LIMIT)).expect("set a limit");
    let mut page = String::new();
    let read = visitor.read_to_string(&mut page);
    dashboard.kill().expect("it runs");
    dashboard.wait().expect("it ends");
    read.expect("it answers");
    assert_eq!((code, &*answer), (Some(0), "ready\n"), "{said}");
    assert!(page.starts_with("HTTP/1.1 303 ") && page.contains("/login"), "{page}");
}

#[test]
fn the_dashboard_alone_by_tls_does_not_change_what_is_said_of_clients() {
    let place = Place::new();
    let process = Process::start(|command| {
        let flags = place.flags();
        command.arg("--memory").args(&flags[1..3]).args(["--admin-port=0", "--admin-tls"]);
    });
    let client = redis::Client::open(format!("redis://{}/", process.address));
    let mut connection = client.expect("a URL").get_connection().expect("the server accepts");
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("tls-auth-clients");
    let said: (String, String) = command.query(&mut connection).expect("a setting");
    assert_eq!(said.1, "yes");
    // Who signs the certificates of clients is still not asked for.
    hang_up(&process);
    await_line(&process, "SIGHUP: the files of TLS were read again");
}

#[test]
fn config_rewrite_keeps_what_was_set_of_tls() {
    let place = Place::new();
    let file = place.at("m.toml");
    fs::write(&file, "# Ours.\ntls-auth-clients = 'yes'\n").expect("write");
    let process = place.serve(&["--config", path(&file)]);
    let url = format!("redis://{}/", process.address);
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("the server accepts");
    for line in ["CONFIG SET tls-auth-clients optional tls-protocols TLSv1.3", "CONFIG REWRITE"] {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().expect("a word"));
        words.for_each(|word| _ = command.arg(word));
        command.exec(&mut connection).expect(line);
    }
    let text = fs::read_to_string(&file).expect("read");
    let expected = "# Ours.\ntls-auth-clients = \"optional\"\ntls-protocols = \"TLSv1.3\"\n";
    assert_eq!(text, expected);
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
