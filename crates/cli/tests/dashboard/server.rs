//! The server itself: its state, settings, clients, slow log, commands.

use millstream_conformance::{Cluster, Program};

use crate::elsewhere::{dashboard_of, on_others};
use crate::site::Site;

const PAGES: [&str; 5] =
    ["/server", "/server/settings", "/server/clients", "/server/slow-log", "/server/commands"];

#[test]
fn the_state_of_the_server_is_told_in_words() {
    let site = Site::start(&[]);
    site.redis("XADD s 1-1 f v");
    let state = site.get("/server").words();
    for part in [
        "a write is confirmed once it is on disk (always)",
        "on disk up to ",
        "checkpointed up to ",
        "prepared for the log ",
        "Latency events None.",
    ] {
        assert!(state.contains(part), "{part} in {state}");
    }
    let memory = Site::start(&["--memory"]);
    let state = memory.get("/server").words();
    assert!(state.contains("It runs in memory only"), "{state}");
}

#[test]
fn settings_are_found_by_name_and_passwords_never_shown() {
    let site = Site::start(&["--requirepass", "hunter2"]);
    // :hunter2
    let me = [("authorization", "Basic Omh1bnRlcjI=")];
    let all = site.get_with("/server/settings", &me);
    assert_eq!(all.status, 200);
    assert!(!all.text.contains("hunter2"), "{}", all.text);
    let words = all.words();
    assert!(words.contains("requirepass (set, not shown)"), "{words}");
    let some = site.get_with("/server/settings?find=SLOWLOG", &me).words();
    assert!(some.contains("slowlog-max-len ") && !some.contains("requirepass"), "{some}");
    assert_eq!(site.get("/server/settings").status, 303, "strangers log in first");
}

#[test]
fn clients_are_listed_sorted_and_cut_off() {
    let site = Site::start(&["--admin-write"]);
    let mut named = site.connect();
    let name = "<script>alert(1)</script>";
    redis::cmd("CLIENT").arg("SETNAME").arg(name).exec(&mut named).expect("a name");
    let id: u64 = redis::cmd("CLIENT").arg("ID").query(&mut named).expect("a number");
    let page = site.get("/server/clients?find=SCRIPT&sort=memory");
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    assert!(page.words().contains(&format!("{id} {name} 127.0.0.1:")), "{}", page.words());
    let (_, button) = page.text.split_once("name=\"client\" value=\"").expect("a button");
    let client = button.split('"').next().expect("it ends");
    assert!(client.starts_with(&format!("{id}@")), "{client}");
    let kill = "/server/clients/kill";
    let done = site.submit("/server/clients", kill, &[("client", client)]).words();
    assert!(done.contains(&format!("Client {id} was cut off.")), "{done}");
    redis::cmd("PING").exec(&mut named).expect_err("it is cut off");
    let gone = site.submit("/server/clients", kill, &[("client", client)]).words();
    assert!(gone.contains("is gone already"), "{gone}");
    for wrong in ["", "x", "1@elsewhere"] {
        let refused = site.submit("/server/clients", kill, &[("client", wrong)]).words();
        assert!(refused.contains("that is no client"), "{refused}");
    }
    site.log_says(&[&format!("killed client {id} of 127.0.0.1:")]);
}

#[test]
fn many_clients_are_paged() {
    let site = Site::start(&[]);
    let _held: Vec<_> = (0..70).map(|_| site.connect()).collect();
    let rows = |text: &str| text.matches("<tr>").count() - 1;
    let first = site.get("/server/clients");
    assert_eq!(rows(&first.text), 50, "{}", first.words());
    assert!(first.text.contains("href=\"/server/clients?page=1&amp;sort=id\""), "{}", first.text);
    let second = site.get("/server/clients?page=1&sort=id");
    assert!(rows(&second.text) >= 20, "{}", second.words());
    // Beyond the end is the last page.
    assert!(site.get("/server/clients?page=999").words().contains("page 2 of 2"));
}

#[test]
fn the_slow_log_is_shown_without_secrets_and_forgotten() {
    let site = Site::start(&["--admin-write"]);
    site.redis("CONFIG SET slowlog-log-slower-than 0");
    site.redis_words(&[b"XADD", b"s", b"1-1", b"<b>\xff", b"\x1b[2J"]);
    let mut connection = site.connect();
    let wrong = redis::cmd("AUTH").arg("s3cret-one").exec(&mut connection);
    wrong.expect_err("there is no password");
    let page = site.get("/server/slow-log");
    assert!(!page.text.contains("<b>") && !page.text.contains('\u{1b}'), "{}", page.text);
    let words = page.words();
    assert!(words.contains("XADD s 1-1 <b>\\xff \\u{1b}[2J 127.0.0.1:"), "{words}");
    assert!(words.contains(" AUTH (not shown) "), "{words}");
    let done = site.submit("/server/slow-log", "/server/slow-log/reset", &[]).words();
    // A connection that the dashboard makes meanwhile has a slow log of its own.
    let is_forgotten = !done.contains("XADD s 1-1") && !done.contains("AUTH");
    assert!(done.contains("The slow log was forgotten.") && is_forgotten, "{done}");
    site.log_says(&["reset the slow log"]);

    site.redis("CONFIG SET maxclients 1000 requirepass s3cret-two");
    // :s3cret-two
    let me = [("authorization", "Basic OnMzY3JldC10d28=")];
    let page = site.get_with("/server/slow-log", &me);
    let words = page.words();
    assert!(words.contains("CONFIG SET maxclients 1000 requirepass (not shown)"), "{words}");
    assert!(!page.text.contains("s3cret"), "{words}");
}

#[test]
fn commands_are_shown_by_the_time_that_they_took() {
    let site = Site::start(&[]);
    (1..=7).for_each(|_| _ = site.redis("XLEN s"));
    let words = site.get("/server/commands?sort=calls").words();
    assert!(words.contains(" xlen 7 "), "{words}");
    let by_name = site.get("/server/commands?sort=name").words();
    let (info, xlen) = (by_name.find(" info "), by_name.find(" xlen "));
    assert!(info < xlen && info.is_some(), "{by_name}");
}

#[test]
fn each_page_is_there_on_redis_and_valkey() {
    on_others(|place| {
        place.redis("CONFIG SET slowlog-log-slower-than 0");
        place.redis("CONFIG SET masterauth s3cret");
        place.redis("ACL SETUSER ada on >s3cret ~* +ping");
        place.redis("AUTH ada s3cret");
        place.redis("XADD s 1-1 f <b>");
        place.redis("XLEN s");
        for path in PAGES {
            let page = place.browser.get(path);
            assert_eq!(page.status, 200, "{path}: {}", page.text);
            assert!(!page.text.contains("s3cret"), "{path}: {}", page.text);
            assert!(!page.words().contains("does not show"), "{path}: {}", page.words());
        }
        let words = |path: &str| place.browser.get(path).words();
        let state = words("/server");
        assert!(state.contains("Persistence append-only file no"), "{state}");
        let settings = words("/server/settings?find=auth");
        assert!(settings.contains("masterauth (set, not shown)"), "{settings}");
        let slow = words("/server/slow-log");
        assert!(slow.contains("XADD s 1-1 f <b>"), "{slow}");
        let commands = words("/server/commands?sort=name");
        assert!(commands.contains(" xlen 1 "), "{commands}");
        let clients = words("/server/clients");
        assert!(clients.contains("client|list"), "{clients}");
    });
}

#[test]
fn what_a_user_may_not_ask_is_told_and_the_rest_shown() {
    on_others(|place| {
        place.redis("ACL SETUSER ada on >pw ~* +@all -config -slowlog -client|list");
        let url = format!("redis://ada:pw@127.0.0.1:{}", place.server.port());
        let browser = dashboard_of(&url);
        for path in ["/server/settings", "/server/clients", "/server/slow-log"] {
            let page = browser.get(path);
            let said = "The server does not show this: NOPERM";
            assert!(page.status == 200 && page.words().contains(said), "{path}: {}", page.words());
        }
        let state = browser.get("/server").words();
        assert!(state.contains("commands of Redis") && !state.contains("NOPERM"), "{state}");
    });
}

#[test]
fn each_server_of_a_cluster_has_its_own_section() {
    let Some(program) = Program::peer("valkey-9.1").expect("a peer") else { return };
    let cluster = Cluster::start(&program, 3).expect("it starts");
    cluster.wait_until_whole().expect("it is whole");
    let browser = dashboard_of(&format!("redis+cluster://{}", cluster.hosts()));
    let state = browser.get("/server");
    for node in &cluster.nodes()[..3] {
        let name = format!("<h2>127.0.0.1:{}</h2>", node.port());
        assert!(state.text.contains(&name), "{name} in {}", state.text);
    }
    let clients = browser.get("/server/clients").text;
    let (_, button) = clients.split_once("name=\"client\" value=\"").expect("a button");
    let client = button.split('"').next().expect("it ends");
    assert!(client.contains("@127.0.0.1:"), "{client}");
}
