//! Who may see and do what, and what pages of others may not.

use std::net::TcpListener;

use crate::site::Site;

const OTHER: &str = "http://evil.example";

#[test]
fn without_a_password_everybody_may_look_and_nobody_may_change() {
    let site = Site::start(&[]);
    site.redis("XGROUP CREATE orders billing 0 MKSTREAM");
    let page = site.get("/streams/orders/groups/billing");
    assert_eq!(page.status, 200);
    assert!(page.words().contains("read-only"));
    assert!(!page.text.contains("method=\"post\""), "{}", page.text);
    let path = "/streams/orders/groups/billing/paused";
    let refused = site.post(path, &[("token", "x"), ("paused", "true")]);
    assert_eq!(refused.status, 403);
    assert!(refused.words().contains("the dashboard is read-only"), "{}", refused.words());
    assert!(!site.get("/streams/orders/groups/billing").words().contains("out: it is paused"));
}

#[test]
fn any_password_of_a_default_user_that_has_none_lets_nobody_write() {
    let site = Site::start(&[]);
    site.redis("XADD orders 1-1 f v");
    let entry = "/streams/orders/entries/1-1";
    let entered = site.post("/login", &[("user", "default"), ("password", "x")]);
    assert_eq!((entered.status, entered.header("set-cookie")), (401, ""));
    assert!(entered.words().contains("has no password"), "{}", entered.words());
    // default:x
    let given = [("authorization", "Basic ZGVmYXVsdDp4")];
    let fields = [("token", "x"), ("sure", "yes")];
    let refused = site.post_with(&format!("{entry}/delete"), &fields, &given);
    assert_eq!(refused.status, 401, "{}", refused.text);
    assert_eq!(site.get(&format!("{entry}/json")).status, 200, "the entry is still there");
}

#[test]
fn a_form_that_is_not_from_a_page_of_ours_changes_nothing() {
    let site = Site::start(&["--admin-write"]);
    site.redis("XGROUP CREATE orders billing 0 MKSTREAM");
    let page = "/streams/orders/groups/billing";
    let (token, path) = (site.token(page, &[]), format!("{page}/paused"));
    let fields = [("token", &*token), ("paused", "true")];
    for headers in [
        &[("origin", OTHER)][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ] {
        let refused = site.post_with(&path, &fields, headers);
        assert_eq!(refused.status, 403, "{headers:?}");
        assert!(refused.text.contains("a page of somebody else"), "{}", refused.text);
    }
    for token in ["", "x", &token[1..]] {
        let refused = site.post(&path, &[("token", token), ("paused", "true")]);
        assert_eq!(refused.status, 403, "{token}");
    }
    // A form without the token is none of ours at all.
    assert_eq!(site.post(&path, &[("paused", "true")]).status, 422);
    assert!(!site.get(page).words().contains("out: it is paused"));
    let ours = [("origin", &*format!("http://{}", site.host)), ("sec-fetch-site", "same-origin")];
    assert_eq!(site.post_with(&path, &fields, &ours).status, 303);
    assert!(site.get(page).words().contains("out: it is paused"));
    site.log_says(&["(not logged in) at 127.0.0.1", "paused group billing of stream orders"]);
}

#[test]
fn a_name_that_leads_here_is_refused_unless_it_is_known() {
    let site = Site::start(&["--admin-host", "millstream.example"]);
    for (host, status) in [
        ("evil.example", 421),
        ("evil.example:8379", 421),
        ("millstream.example", 200),
        ("localhost:1", 200),
        ("[::1]", 200),
    ] {
        let answer = site.get_with("/", &[("host", host)]);
        assert_eq!(answer.status, status, "{host}");
    }
    let refused = site.get_with("/", &[("host", "evil.example")]);
    assert!(refused.text.contains("--admin-host"), "{}", refused.text);
}

#[test]
fn a_server_with_a_password_lets_in_who_knows_it() {
    let site = Site::start(&["--requirepass", "s3cret/+ &"]);
    let sent = site.get("/streams?find=a");
    assert_eq!((sent.status, sent.header("location")), (303, "/login?then=%2Fstreams%3Ffind%3Da"));
    let form = site.get(sent.header("location"));
    assert!(form.text.contains("value=\"/streams?find=a\""), "{}", form.text);

    let wrong = site.post("/login", &[("user", ""), ("password", "no"), ("then", "/")]);
    assert_eq!(wrong.status, 401);
    assert!(wrong.words().contains("does not let you in"), "{}", wrong.words());
    assert_eq!(wrong.header("set-cookie"), "");
    let unknown = site.post("/login", &[("user", "ada"), ("password", "s3cret/+ &")]);
    assert_eq!(unknown.status, 401);

    let fields = [("user", ""), ("password", "s3cret/+ &"), ("then", "//evil.example")];
    let entered = site.post("/login", &fields);
    assert_eq!((entered.status, entered.header("location")), (303, "/"));
    let cookie = entered.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a cookie");
    let shown = [("cookie", cookie)];
    let page = site.get_with("/", &shown);
    assert_eq!(page.status, 200);
    assert!(page.words().contains("Log out") && !page.words().contains("read-only"));
    let token = site.token("/", &shown);
    let left = site.post_with("/logout", &[("token", &token)], &shown);
    assert_eq!(left.status, 303);
    assert_eq!(site.get_with("/", &shown).status, 303, "the session is over");
    let said = site.log_says(&["default at 127.0.0.1"]);
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_password_that_is_set_while_it_runs_closes_the_dashboard() {
    let site = Site::start(&[]);
    assert_eq!(site.get("/").status, 200);
    site.redis("CONFIG SET requirepass secret");
    site.until("/", |answer| answer.status == 303);
}

#[test]
fn programs_give_their_credentials_with_each_request() {
    let site = Site::start(&["--requirepass", "secret"]);
    // default:secret, :secret, default:wrong
    for (given, status) in [
        ("Basic ZGVmYXVsdDpzZWNyZXQ=", 200),
        ("basic OnNlY3JldA==", 200),
        ("Basic ZGVmYXVsdDp3cm9uZw==", 401),
        ("Basic !", 401),
        ("Bearer x", 401),
    ] {
        let answer = site.get_with("/", &[("authorization", given)]);
        assert_eq!(answer.status, status, "{given}");
    }
    site.log_says(&["WARN", "dashboard: default at 127.0.0.1", "could not log in"]);
}

#[test]
fn every_answer_forbids_scripts_and_frames_of_others() {
    let site = Site::start(&[]);
    for path in ["/", "/nothing", "/healthz", "/assets/live.js"] {
        let answer = site.get(path);
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    assert_eq!(site.get("/").header("cache-control"), "no-store");
}

#[test]
fn a_chosen_port_that_is_taken_is_told_and_nothing_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["serve", "--port", "0", "--admin-port", &port, "--dir"])
        .arg(directory.path().join("data"))
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("for the dashboard"), "{said}");
    assert!(!directory.path().join("data").exists(), "nothing was made");
    for (arguments, part) in [
        (&["--admin-bind", "0.0.0.0"][..], "would be open to everybody"),
        (&["--admin-port", "nowhere"], "no port, nor off"),
    ] {
        let ended = std::process::Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(["serve", "--port", "0"])
            .args(arguments)
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains(part), "{said}");
    }
}

/// Symptom: whoever reached the port could write the log full, a megabyte with each login.
#[test]
fn logins_that_fail_do_not_fill_the_log() {
    let site = Site::start(&["--requirepass", "secret"]);
    let name = "n".repeat(10_000);
    let log_in = |user: &str| site.post("/login", &[("user", user), ("password", "wrong")]);
    assert_eq!(log_in(&name).status, 401);
    let line = site.log_says(&["could not log in (1 in a row"]);
    let line = line.lines().find(|line| line.contains("could not log in")).expect("a line");
    assert!(line.len() < 400, "{line}");
    for _ in 0..2 {
        assert_eq!(log_in("ada").status, 401);
    }
    let said = site.log_says(&["could not log in (2 in a row"]);
    assert!(!said.contains("(3 in a row"), "{said}");
    assert_eq!(log_in(&"n".repeat(20_000)).status, 413);
}
