//! Users and their rules, where more is to be seen than a reply: every command there is, every key
//! of each, files, time, and what the server itself touches. Replies as such are in the scenarios
//! of `millstream-conformance`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use millstream_command::table::{self, CommandId, CommandSpec, Flag};
use millstream_server::{Config, Server, StartError};

use crate::client::{Client, command, memory, show, start};

/// All that can be run.
fn every_command() -> impl Iterator<Item = &'static CommandSpec> {
    table::all().flat_map(|spec| {
        let itself = (!spec.is_container()).then_some(spec);
        itself.into_iter().chain(spec.subcommands)
    })
}

/// The command with as many arguments as it needs, each of which is this word.
fn line(spec: &CommandSpec, word: &str) -> Vec<String> {
    let mut words: Vec<String> = spec.name.split('|').map(str::to_owned).collect();
    let least = spec.arity.unsigned_abs() as usize;
    words.resize(words.len().max(least), word.to_owned());
    words
}

/// The same with words that the grammar of keys wants.
fn line_with_key(spec: &CommandSpec, key: &str) -> Vec<String> {
    let words: &[&str] = match spec.id {
        CommandId::Xread => &["XREAD", "STREAMS", key, "0"],
        CommandId::Xreadgroup => &["XREADGROUP", "GROUP", "g", "c", "STREAMS", key, ">"],
        _ => return line(spec, key),
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn a_user_without_rights_runs_no_command_alone_or_in_a_transaction() {
    let server = start(Config { debug: millstream_server::DebugAccess::Yes, ..memory() });
    let mut admin = Client::connect(&server);
    assert_eq!(admin.shown("ACL SETUSER u reset on nopass ~* +multi +discard"), "OK");
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("AUTH u x"), "OK");
    let mut refused = 0;
    for spec in every_command() {
        if spec.needs_no_auth() || matches!(spec.id, CommandId::Multi | CommandId::Discard) {
            continue;
        }
        let expected =
            format!("NOPERM User u has no permissions to run the '{}' command", spec.name);
        let line = line(spec, "k").join(" ");
        assert_eq!(client.shown(&line), expected, "{line}");
        assert_eq!(client.shown("MULTI"), "OK");
        assert_eq!(client.shown(&line), expected, "{line} in MULTI");
        assert_eq!(client.shown("DISCARD"), "OK");
        refused += 1;
    }
    assert!(refused > 130, "there are more commands than {refused}");
    assert_eq!(admin.info("acl_access_denied_cmd"), (2 * refused).to_string());
    assert_eq!(admin.shown("DBSIZE"), "0");
}

#[test]
fn every_key_of_every_command_is_looked_at() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    assert_eq!(admin.shown("ACL SETUSER u reset on nopass ~mine +@all"), "OK");
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("AUTH u x"), "OK");
    let mut looked_at = 0;
    for spec in every_command().filter(|spec| !spec.keys.is_empty()) {
        let foreign = line_with_key(spec, "foreign");
        let keys: Vec<usize> =
            table::keys(spec, &foreign).expect("keys").map(|key| key.index).collect();
        assert!(!keys.is_empty(), "{}", spec.name);
        for key in keys {
            let mut words = line_with_key(spec, "mine");
            words[key] = "foreign".to_owned();
            let line = words.join(" ");
            let reply = client.shown(&line);
            assert_eq!(reply, "NOPERM No permissions to access a key", "{line}");
            let dry = admin.shown(&format!("ACL DRYRUN u {line}"));
            assert_eq!(dry, "User u has no permissions to access the 'foreign' key", "{line}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 60, "there are more keys than {looked_at}");
    assert_eq!(admin.info("acl_access_denied_key"), looked_at.to_string());
}

#[test]
fn a_command_that_reads_or_writes_data_is_in_a_category_that_says_so() {
    use millstream_command::table::Category;
    for spec in every_command() {
        let (reads, writes) = (spec.is_readonly(), spec.is_write());
        assert_eq!(reads, spec.categories.contains(Category::Read), "{}", spec.name);
        assert_eq!(writes, spec.categories.contains(Category::Write), "{}", spec.name);
        assert!(spec.keys.is_empty() || reads || writes || is_about_keys(spec), "{}", spec.name);
    }
}

/// Commands that touch no value although they name keys.
fn is_about_keys(spec: &CommandSpec) -> bool {
    spec.id == CommandId::Watch || spec.flags.contains(Flag::Admin)
}

#[test]
fn a_policy_sends_dead_letters_only_where_its_giver_may_write() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    for line in [
        "XGROUP CREATE orders g 0 MKSTREAM",
        "ACL SETUSER u reset on nopass ~orders %R~read ~orders.* +@all",
    ] {
        assert_eq!(admin.shown(line), "OK");
    }
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("AUTH u x"), "OK");
    let refused = "NOPERM No permissions to access a key";
    for (items, reply) in [
        ("DEADLETTER secret", refused),
        ("MAXDELIVERIES 3 deadletter secret", refused),
        ("DEADLETTER read", refused),
        ("DEADLETTER orders.dead", "OK"),
        ("DEADLETTER NONE", "OK"),
        ("MAXDELIVERIES 3", refused),
        ("MAXDELIVERIES 3 DEADLETTER none", refused),
        ("MAXDELIVERIES 3 DEADLETTER orders.dead", "OK"),
        // What it comes to counts, not only what is said.
        ("DEADLETTER NONE", refused),
        ("VISIBILITY 1000", "OK"),
        ("MAXDELIVERIES NONE", "OK"),
        ("DEADLETTER NONE", "OK"),
        ("ORDERBY deadletter VISIBILITY 9", "OK"),
    ] {
        assert_eq!(client.shown(&format!("XGROUP CFGSET orders g {items}")), reply, "{items}");
    }
    assert_eq!(client.shown("XGROUP CREATE orders h 0 CFG DEADLETTER secret"), refused);
    let last = admin.shown("ACL LOG 3");
    assert!(last.contains("secret") && last.contains("orders:dlq"), "{last}");
    // An operator's policy stays as it is, whatever else is changed.
    assert_eq!(admin.shown("XGROUP CFGSET orders g DEADLETTER secret MAXDELIVERIES 2"), "OK");
    assert_eq!(client.shown("XGROUP CFGSET orders g VISIBILITY 5"), "OK");
}

#[test]
fn a_value_with_a_policy_comes_only_under_a_key_whose_letters_one_may_write() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    for line in [
        "XADD theirs 1-1 f v",
        "XGROUP CREATE theirs g 0 CFG MAXDELIVERIES 1 DEADLETTER secret",
        "XADD plain 1-1 f v",
        "XGROUP CREATE plain g 0 CFG MAXDELIVERIES 1",
        "ACL SETUSER u reset on nopass ~mine* ~plain ~plain:dlq ~theirs +@all",
    ] {
        admin.call(line);
    }
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("AUTH u x"), "OK");
    let refused = "NOPERM No permissions to access a key";
    assert_eq!(client.shown("COPY theirs mine"), refused);
    assert_eq!(client.shown("MOVE theirs 1"), refused);
    let image = client.call("DUMP theirs").as_bytes().expect("an image").to_vec();
    let restore = |key: &str| {
        let mut bytes = Vec::new();
        let words: [&[u8]; 4] = [b"RESTORE", key.as_bytes(), b"0", &image];
        millstream_resp::encode_command(&words, &mut bytes);
        bytes
    };
    client.send_bytes(&restore("mine"));
    assert_eq!(show(&client.read()), refused);
    // Its letters go where they went before.
    assert_eq!(client.shown("RENAME theirs mine"), "OK");
    assert_eq!(client.shown("RENAME mine theirs"), "OK");
    // These would go to another stream than before, which is allowed here and not there.
    assert_eq!(client.shown("RENAME plain mine"), "OK");
    assert_eq!(client.shown("RENAME mine theirs"), refused);
    assert_eq!(admin.shown("EXISTS secret theirs:dlq"), "0");
    admin.send_bytes(&restore("again"));
    assert_eq!(show(&admin.read()), "OK");
}

#[test]
fn what_is_queued_before_a_select_runs_once_although_blocks_must_be_loaded() {
    let directory = tempfile::tempdir().expect("a directory");
    let config =
        Config { memory: false, directory: directory.path().to_owned(), cache_mb: 1, ..memory() };
    let server = start(config);
    let mut client = Client::connect(&server);
    client.call("SELECT 1");
    client.call("SET x kept");
    let filler = "v".repeat(2000);
    for number in 1..=4000 {
        client.send(&format!("XADD s {number}-1 f {filler}{number}"));
    }
    for _ in 1..=4000 {
        client.read();
    }
    assert_eq!(client.shown("SAVE"), "OK");
    client.call("SELECT 0");
    client.call("SET x gone");
    for line in ["MULTI", "GET x", "SELECT 1", "XDEL s 1-1", "GET x"] {
        client.call(line);
    }
    assert_eq!(client.shown("EXEC"), "[gone, OK, 1, kept]");
}

#[test]
fn a_monitor_whose_user_may_not_watch_any_more_is_closed() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    assert_eq!(admin.shown("ACL SETUSER u reset on nopass ~* +@all"), "OK");
    assert_eq!(admin.shown("ACL SETUSER v reset on nopass ~* +@all -monitor"), "OK");
    let mut first = Client::connect(&server);
    let mut second = Client::connect(&server);
    for monitor in [&mut first, &mut second] {
        assert_eq!(monitor.shown("AUTH u x"), "OK");
        assert_eq!(monitor.shown("MONITOR"), "OK");
    }
    assert_eq!(second.shown("AUTH v x"), "OK");
    let rest = String::from_utf8(second.read_to_end()).expect("text");
    assert!(!rest.contains("DBSIZE"), "{rest}");
    assert_eq!(admin.shown("ACL SETUSER u -monitor"), "OK");
    assert_eq!(admin.shown("DBSIZE"), "0");
    let rest = String::from_utf8(first.read_to_end()).expect("text");
    assert!(!rest.contains("DBSIZE"), "{rest}");
}

#[test]
fn a_rule_that_the_file_of_users_would_say_otherwise_is_refused() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    for rule in ["+get|a b", "+select|0 +@all", "+get|a\nuser eve on nopass +@all", "(~a) +get)"] {
        let words: [&[u8]; 4] = [b"ACL", b"SETUSER", b"u", rule.as_bytes()];
        let mut bytes = Vec::new();
        millstream_resp::encode_command(&words, &mut bytes);
        client.send_bytes(&bytes);
        let reply = show(&client.read());
        assert!(reply.starts_with("ERR Error in ACL SETUSER modifier"), "{rule}: {reply}");
    }
    assert_eq!(client.shown("ACL GETUSER u"), "nil");
    let mut bytes = Vec::new();
    let words: [&[u8]; 4] = [b"ACL", b"SETUSER", b"", b"on"];
    millstream_resp::encode_command(&words, &mut bytes);
    client.send_bytes(&bytes);
    assert!(show(&client.read()).starts_with("ERR Usernames"));
}

#[test]
fn a_dead_letter_goes_back_only_into_a_stream_that_one_may_write() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    for stream in ["orders", "secret"] {
        for line in [
            format!("XADD {stream} 1-1 f v"),
            format!("XGROUP CREATE {stream} g 0 CFG DEADLETTER dead"),
            format!("XREADGROUP GROUP g c STREAMS {stream} >"),
            format!("XNACK {stream} g FATAL IDS 1 1-1"),
        ] {
            admin.call(&line);
        }
    }
    assert_eq!(admin.shown("XLEN dead"), "2");
    let rules = "ACL SETUSER u reset on nopass ~dead ~orders %R~secret +@all";
    assert_eq!(admin.shown(rules), "OK");
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("AUTH u x"), "OK");
    // One goes back, the other is passed over: 1 requeued, 1 skipped.
    assert_eq!(client.shown("XDLQ REQUEUE dead DRYRUN"), "[1, 1, 0-0, 0]");
    assert_eq!(client.shown("MULTI"), "OK");
    assert_eq!(client.shown("XDLQ REQUEUE dead MKSTREAM"), "QUEUED");
    assert_eq!(client.shown("EXEC"), "[[1, 1, 0-0, 0]]");
    assert_eq!(client.shown("XLEN dead"), "1");
    assert!(admin.shown("XPENDING orders g - + 10").starts_with("[[1-1, "));
    assert_eq!(admin.shown("XPENDING secret g - + 10"), "[]");
    let log = admin.shown("ACL LOG 1");
    assert!(log.contains("multi") && log.contains("secret"), "{log}");
    // Neither is a stream made by a letter that names one.
    assert_eq!(admin.shown("DEL secret"), "1");
    assert_eq!(client.shown("XDLQ REQUEUE dead MKSTREAM"), "[0, 1, 0-0, 0]");
    assert_eq!(admin.shown("EXISTS secret"), "0");
    // Who may do everything gives it back.
    assert_eq!(admin.shown("XDLQ REQUEUE dead MKSTREAM"), "[1, 0, 0-0, 1]");
}

#[test]
fn thousands_that_wait_are_judged_by_new_rules_before_the_change_is_answered() {
    const WAITING: usize = 300;
    let server = start(memory());
    let mut admin = Client::connect(&server);
    assert_eq!(admin.shown("XGROUP CREATE s g $ MKSTREAM"), "OK");
    assert_eq!(admin.shown("ACL SETUSER u reset on nopass ~s +@all"), "OK");
    let mut waiting: Vec<Client> = Vec::new();
    for _ in 0..WAITING {
        let mut client = Client::connect(&server);
        assert_eq!(client.shown("AUTH u x"), "OK");
        client.send("XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
        waiting.push(client);
    }
    admin.await_info("blocked_clients", &WAITING.to_string());
    // In one batch: nothing may come between the two.
    let batch = [command("ACL SETUSER u -xreadgroup"), command("XADD s 1-1 f v")].concat();
    admin.send_bytes(&batch);
    assert_eq!(show(&admin.read()), "OK");
    assert_eq!(show(&admin.read()), "1-1");
    for client in &mut waiting {
        let expected = "NOPERM User u has no permissions to run the 'xreadgroup' command";
        assert_eq!(show(&client.read()), expected);
    }
    assert_eq!(admin.shown("XPENDING s g - + 10"), "[]");
    assert_eq!(admin.info("blocked_clients"), "0");
    let noted = admin.shown("ACL LOG 1");
    assert!(noted.starts_with(&format!("[[count, {WAITING}, reason, command")), "{noted}");
}

pub(crate) struct UserFile {
    _directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl UserFile {
    pub(crate) fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("users.acl");
        fs::write(&path, text).expect("write");
        Self { _directory: directory, path }
    }

    pub(crate) fn config(&self) -> Config {
        Config { acl_file: Some(self.path.clone()), ..memory() }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("read")
    }
}

#[test]
fn users_are_kept_in_their_file() {
    let file = UserFile::new("# nobody yet\n\n");
    fs::set_permissions(&file.path, fs::Permissions::from_mode(0o640)).expect("change it");
    let server = start(file.config());
    let mut client = Client::connect(&server);
    let rules = "on >secret ~a* %R~b +@read -get +select|1 (~c +set)";
    assert_eq!(client.shown(&format!("ACL SETUSER ann {rules}")), "OK");
    assert_eq!(client.shown("ACL SETUSER default resetpass >root"), "OK");
    let before = client.shown("ACL LIST");
    assert_eq!(client.shown("ACL SAVE"), "OK");
    let mode = fs::metadata(&file.path).expect("look").permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "its permissions are as they were");
    assert!(!file.text().contains("secret") && !file.text().contains("root"), "{}", file.text());
    drop(server);

    let server = start(file.config());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("PING"), "NOAUTH Authentication required.");
    assert_eq!(client.shown("AUTH root"), "OK");
    assert_eq!(client.shown("ACL LIST"), before);
    assert_eq!(client.shown("CONFIG GET aclfile"), format!("[aclfile, {}]", file.path.display()));
    let mut ann = Client::connect(&server);
    assert_eq!(ann.shown("AUTH ann secret"), "OK");
    assert_eq!(
        ann.shown("ACL WHOAMI"),
        "NOPERM User ann has no permissions to run the \
                                         'acl|whoami' command"
    );

    // What was not saved is gone; who is not in the file any more is disconnected.
    fs::write(&file.path, format!("{}user bob on nopass ~* +@all\n", file.text())).expect("write");
    assert_eq!(client.shown("ACL SETUSER eve on nopass ~* +@all"), "OK");
    let mut eve = Client::connect(&server);
    assert_eq!(eve.shown("AUTH eve x"), "OK");
    assert_eq!(client.shown("ACL LOAD"), "OK");
    assert_eq!(client.shown("ACL USERS"), "[ann, bob, default]");
    assert!(eve.read_to_end().is_empty());
    assert!(ann.shown("GET a").starts_with("NOPERM"), "it is still there");
}

#[test]
fn a_file_of_users_with_a_mistake_is_refused_as_a_whole() {
    let wrong = "user ann on nopass ~* +@all\nuser bob on +nosuch\nann on\nuser ann off\n";
    let file = UserFile::new(wrong);
    let Err(StartError::Users { path, why }) = Server::start(file.config()) else {
        panic!("it is refused")
    };
    assert_eq!(path, file.path);
    for part in ["line 2: Unknown command", "line 3: it should begin", "line 4: that user stands"] {
        assert!(why.contains(part), "{why}");
    }
    assert!(matches!(Server::check(&file.config()), Err(StartError::Users { .. })));
    fs::remove_file(&file.path).expect("remove");
    assert!(matches!(Server::start(file.config()), Err(StartError::Users { .. })));

    fs::write(&file.path, "user default on >root ~* +@all\n").expect("write");
    let server = start(file.config());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("AUTH root"), "OK");
    fs::write(&file.path, wrong).expect("write");
    let before = client.shown("ACL LIST");
    let reply = client.shown("ACL LOAD");
    assert!(reply.starts_with("ERR ") && reply.ends_with("The users are as they were"), "{reply}");
    assert_eq!(client.shown("ACL LIST"), before);
    assert_eq!(client.shown("MULTI"), "OK");
    assert_eq!(client.shown("ACL LOAD"), "QUEUED");
    assert!(client.shown("EXEC").contains("not allowed inside a transaction"));
}

#[test]
fn the_password_of_the_settings_counts_where_the_file_says_nothing_of_default() {
    let file = UserFile::new("user ann on nopass ~* +@all\n");
    let config = Config { requirepass: Some("root".to_owned()), ..file.config() };
    let server = start(config);
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("PING"), "NOAUTH Authentication required.");
    assert_eq!(client.shown("AUTH root"), "OK");
    // It is not lost by reading the file once more.
    assert_eq!(client.shown("ACL LOAD"), "OK");
    assert_eq!(Client::connect(&server).shown("PING"), "NOAUTH Authentication required.");
}

#[test]
fn an_open_address_is_protected_by_a_user_default_that_is_off() {
    let open = |file: &UserFile| Config {
        bind: vec!["0.0.0.0".parse().expect("an address")],
        ..file.config()
    };
    let unprotected = UserFile::new("user ann on >pw ~* +@all\n");
    assert!(matches!(Server::start(open(&unprotected)), Err(StartError::Unprotected { .. })));
    let file = UserFile::new("user ann on >pw ~* +@all\nuser default off\n");
    let server = start(open(&file));
    let address = ([127, 0, 0, 1], server.addresses()[0].port()).into();
    let mut client = Client::connect_to(address);
    assert_eq!(client.shown("PING"), "NOAUTH Authentication required.");
    assert!(client.shown("AUTH x").starts_with("WRONGPASS"));
    assert_eq!(client.shown("AUTH ann pw"), "OK");
    assert_eq!(client.shown("PING"), "PONG");
}

#[test]
fn the_answer_to_the_fourth_wrong_password_is_held_back() {
    let server = start(Config {
        requirepass: Some("right".to_owned()),
        settings: vec![("auth-failure-delay", "60000".to_owned())],
        ..memory()
    });
    let mut client = Client::connect(&server);
    for _ in 0..3 {
        assert!(client.shown("AUTH wrong").starts_with("WRONGPASS"));
    }
    // A line before it is answered, one behind it is not run.
    let batch = [command("HELLO"), command("AUTH wrong"), command("AUTH right")].concat();
    client.send_bytes(&batch);
    assert!(show(&client.read()).starts_with("NOAUTH HELLO"));
    assert!(client.is_silent_for(Duration::from_millis(100)));
    // Nobody else waits: neither who knows the password nor who is in.
    let mut other = Client::connect(&server);
    assert_eq!(other.shown("AUTH right"), "OK");
    assert_eq!(other.info("acl_access_denied_auth"), "4");
    assert!(other.shown("ACL LOG").starts_with("[[count, 4, reason, auth, context, toplevel"));
    // From within a transaction it is the same. Whoever goes away takes nobody's place.
    let before: usize = other.info("connected_clients").parse().expect("a number");
    drop(client);
    other.await_info("connected_clients", &(before - 1).to_string());
    for line in ["MULTI", "AUTH ann wrong"] {
        other.call(line);
    }
    other.send("EXEC");
    assert!(other.is_silent_for(Duration::from_millis(100)));
    // It can be switched off, and whoever waits does not keep the server from ending.
    let mut third = Client::connect(&server);
    assert_eq!(third.shown("AUTH right"), "OK");
    assert_eq!(third.shown("CONFIG SET auth-failure-delay 0"), "OK");
    assert!(third.shown("AUTH ann wrong").starts_with("WRONGPASS"));
    server.shutdown().expect("it ends");
}
