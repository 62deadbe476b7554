//! What keeps strangers out while the server runs: no change of users or settings opens an address,
//! brings back a password that was replaced, or shows one.

use std::fs;

use millstream_server::Config;

use crate::acl::UserFile;
use crate::client::{Client, memory, show, start};

const REFUSAL: &str =
    "without a password everybody could come in, and other machines may reach 0.0.0.0";

/// Symptom: `ACL SETUSER default nopass` opened an address that the start refuses to open.
#[test]
fn no_change_of_users_opens_an_address_to_strangers() {
    let file = UserFile::new("user default on >secret ~* +@all\n");
    let bind = vec!["0.0.0.0".parse().expect("an address")];
    let server = start(Config { bind, ..file.config() });
    let address = ([127, 0, 0, 1], server.addresses()[0].port()).into();
    let mut client = Client::connect_to(address);
    assert_eq!(client.shown("AUTH secret"), "OK");
    let users = client.shown("ACL LIST");
    for rules in ["nopass", "on nopass", "reset on nopass ~* +@all"] {
        let line = format!("ACL SETUSER default {rules}");
        assert_eq!(client.shown(&line), format!("ERR {REFUSAL}"), "{rules}");
        assert_eq!(client.shown("MULTI"), "OK");
        assert_eq!(client.shown(&line), "QUEUED");
        assert_eq!(client.shown("EXEC"), format!("[ERR {REFUSAL}]"), "{rules}");
    }
    fs::write(&file.path, "user default on nopass\nuser ann on >pw +@all\n").expect("write");
    let refused = format!("ERR {}: {REFUSAL}. The users are as they were", file.path.display());
    assert_eq!(client.shown("ACL LOAD"), refused);
    assert!(client.shown("CONFIG SET requirepass ").ends_with(REFUSAL));
    assert_eq!(client.shown("ACL LIST"), users);
    let mut stranger = Client::connect_to(address);
    assert_eq!(stranger.shown("PING"), "NOAUTH Authentication required.");
    // Whoever has to say a name, or cannot come in, opens nothing.
    for line in ["ann on nopass +@all", "default off nopass"] {
        assert_eq!(client.shown(&format!("ACL SETUSER {line}")), "OK", "{line}");
    }
    assert_eq!(client.shown("ACL SETUSER default on"), format!("ERR {REFUSAL}"));
    assert_eq!(client.shown("ACL SETUSER default on resetpass >other"), "OK");
    assert_eq!(Client::connect_to(address).shown("AUTH other"), "OK");
}

#[test]
fn on_this_machine_only_the_user_default_may_be_open() {
    let file = UserFile::new("user default on >secret ~* +@all\n");
    let server = start(file.config());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("AUTH secret"), "OK");
    assert_eq!(client.shown("ACL SETUSER default nopass"), "OK");
    assert_eq!(Client::connect(&server).shown("PING"), "PONG");
    assert_eq!(client.shown("ACL SETUSER default resetpass >secret"), "OK");
    fs::write(&file.path, "user default on nopass ~* +@all\n").expect("write");
    assert_eq!(client.shown("ACL LOAD"), "OK");
    assert_eq!(Client::connect(&server).shown("PING"), "PONG");
}

/// Symptom: a file that says nothing of `default` brought back the password of the settings, which
/// somebody had replaced by ACL SETUSER.
#[test]
fn reading_the_file_of_users_brings_no_password_back() {
    let file = UserFile::new("user ann on nopass ~* +@all\n");
    let server = start(Config { requirepass: Some("old".to_owned()), ..file.config() });
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("AUTH old"), "OK");
    let come_in = |password: &str| {
        let reply = Client::connect(&server).shown(&format!("AUTH {password}"));
        reply.split(' ').next().map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(client.shown("ACL SETUSER default resetpass >new"), "OK");
    assert_eq!(client.shown("ACL LOAD"), "OK");
    assert_eq!((&*come_in("old"), &*come_in("new")), ("WRONGPASS", "OK"));
    // As in Redis this is what was said last, not what counts.
    assert_eq!(client.shown("CONFIG GET requirepass"), "[requirepass, old]");
    assert_eq!(client.shown("ACL SETUSER default off"), "OK");
    assert_eq!(client.shown("ACL LOAD"), "OK");
    assert_eq!(come_in("new"), "WRONGPASS");
    // What the file does say counts.
    fs::write(&file.path, "user default on >third ~* +@all\n").expect("write");
    assert_eq!(client.shown("ACL LOAD"), "OK");
    assert_eq!((&*come_in("new"), &*come_in("third")), ("WRONGPASS", "OK"));
}

#[test]
fn passwords_of_users_are_shown_to_nobody() {
    let server = start(Config { slowlog_slower_than_us: 0, ..memory() });
    let mut client = Client::connect(&server);
    let mut monitor = Client::connect(&server);
    assert_eq!(monitor.shown("MONITOR"), "OK");
    assert_eq!(client.shown("ACL SETUSER ann on >geheim ~* +@all"), "OK");
    assert_eq!(client.shown("AUTH ann geheim"), "OK");
    assert!(client.shown("AUTH ann falsch").starts_with("WRONGPASS"));
    for line in ["AUTH ann heimlich", "ACL SETUSER ann >heimlich"] {
        assert_eq!(client.shown(&format!("ACL DRYRUN ann {line}")), "OK");
    }
    assert_eq!(client.shown("PING"), "PONG");
    let mut seen = String::new();
    while !seen.contains("PING") {
        seen += &show(&monitor.read());
    }
    seen += &client.shown("SLOWLOG GET 100");
    seen += &client.shown("ACL LIST");
    seen += &client.shown("ACL LOG");
    seen += &client.shown("CLIENT LIST");
    assert!(seen.contains("(redacted)"), "{seen}");
    for word in ["geheim", "falsch", "heimlich"] {
        assert!(!seen.contains(word), "{seen}");
    }
}
