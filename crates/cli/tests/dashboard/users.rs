//! Visitors whose rules are narrower than what the dashboard itself sees.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::site::{Answer, Site};

fn ask(site: &Site, user: &str, path: &str) -> Answer {
    let credentials = format!("Basic {}", STANDARD.encode(format!("{user}:pw")));
    site.get_with(path, &[("authorization", &credentials)])
}

/// Two streams, of which some may read one.
fn site() -> Site {
    let site = Site::start(&[]);
    for stream in ["orders", "secret"] {
        for line in [
            format!("XADD {stream} * amount 77"),
            format!("XGROUP CREATE {stream} workers-of-{stream} 0"),
            format!("XADD {stream}:dlq * original_id 1-0 original_data {{}} stream {stream}"),
        ] {
            site.redis(&line);
        }
    }
    site.until("/streams", |page| {
        ["orders", "secret", "secret:dlq"].iter().all(|name| page.words().contains(name))
    });
    for line in [
        "ACL SETUSER viewer on >pw %R~orders* +@read +@connection",
        "ACL SETUSER writer on >pw %W~* %R~orders +@all",
        "ACL SETUSER operator on >pw ~* +@all",
        "ACL SETUSER scraper on >pw %R~* +@read +@connection",
        "ACL SETUSER default off",
    ] {
        site.redis(line);
    }
    site.until("/", |page| page.status == 303);
    site
}

#[test]
fn a_visitor_sees_of_what_the_dashboard_saw_only_what_their_rules_let_them_read() {
    let site = site();
    for user in ["viewer", "writer"] {
        for path in [
            "/",
            "/streams",
            "/streams?find=sec",
            "/dead-letters",
            "/schedule",
            "/api/v1/streams",
            "/api/v1/streams?find=sec",
            "/api/v1/overview/groups",
            "/api/v1/schedule",
            "/api/v1/dead-letters",
        ] {
            let page = ask(&site, user, path);
            assert_eq!(page.status, 200, "{user} {path}");
            assert!(!page.text.contains("secret"), "{user} {path}: {}", page.words());
        }
        let overview = ask(&site, user, "/");
        assert!(overview.words().contains("You may not read all streams"), "{}", overview.words());
        assert!(overview.words().contains("workers-of-orders"), "{}", overview.words());
        assert!(ask(&site, user, "/streams").words().contains("orders"));
        for path in [
            "/metrics",
            "/api/v1/overview",
            "/api/v1/overview/history",
            "/streams/secret",
            "/streams/secret/groups/workers-of-secret",
            "/api/v1/streams/secret",
            "/api/v1/streams/secret/groups/workers-of-secret",
            "/api/v1/streams/secret/groups/workers-of-secret/history",
        ] {
            assert_eq!(ask(&site, user, path).status, 403, "{user} {path}");
        }
    }
    for path in ["/", "/streams", "/metrics", "/api/v1/streams"] {
        let page = ask(&site, "operator", path);
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.contains("secret"), "{path}: {}", page.words());
    }
    assert_eq!(ask(&site, "operator", "/api/v1/overview").status, 200);
}

/// Symptom: whoever might read all streams but some saw those, too, since the one key that was
/// asked for was none of them.
#[test]
fn a_pattern_that_leaves_some_streams_out_is_not_all_of_them() {
    let site = site();
    let mut admin = operator(&site);
    for (user, rules) in [
        ("most", "%R~[^s]* +@read +@connection +info"),
        ("most-by-selector", "~* +@connection +info (%R~[^s]* +@read)"),
    ] {
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg(user).arg("on").arg(">pw");
        let _: () = match rules.split_once(" (") {
            Some((rules, selector)) => {
                set.arg(rules.split(' ').collect::<Vec<_>>()).arg(format!("({selector}"))
            }
            None => set.arg(rules.split(' ').collect::<Vec<_>>()),
        }
        .query(&mut admin)
        .expect("it is set");
        for path in ["/", "/streams", "/dead-letters", "/api/v1/streams"] {
            let page = ask(&site, user, path);
            assert_eq!(page.status, 200, "{user} {path}");
            assert!(!page.text.contains("secret"), "{user} {path}: {}", page.words());
        }
        for path in ["/metrics", "/api/v1/overview"] {
            assert_eq!(ask(&site, user, path).status, 403, "{user} {path}");
        }
    }
}

/// Symptom: a group's page told how many letters there are in a stream that the visitor may not
/// read.
#[test]
fn letters_in_a_stream_that_may_not_be_read_are_not_counted() {
    let site = site();
    let mut admin = operator(&site);
    let policy = "XGROUP CFGSET orders workers-of-orders MAXDELIVERIES 3 DEADLETTER secret:dlq";
    let mut words = policy.split(' ');
    let mut set = redis::cmd(words.next().expect("a command"));
    set.arg(words.collect::<Vec<_>>()).exec(&mut admin).expect("it is set");
    let mut add = redis::cmd("XADD");
    add.arg(&["secret:dlq", "*", "f", "v"]).exec(&mut admin).expect("it is added");
    let path = "/streams/orders/groups/workers-of-orders";
    let told = |user: &str| ask(&site, user, path).words().replace('\n', " ");
    let begun = std::time::Instant::now();
    while !told("operator").contains("Dead letters 2") {
        assert!(begun.elapsed().as_secs() < 60, "{}", told("operator"));
    }
    assert!(told("viewer").contains("Dead letters -"), "{}", told("viewer"));
}

fn operator(site: &Site) -> redis::Connection {
    let url = format!("redis://operator:pw@{}/", site.process.address);
    let client = redis::Client::open(url).expect("an address");
    client.get_connection().expect("the operator comes in")
}

#[test]
fn numbers_of_the_server_are_for_those_who_may_ask_it() {
    let site = site();
    let refused = ask(&site, "scraper", "/metrics");
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("'info' command"), "{}", refused.text);
    let mut admin = operator(&site);
    let mut allow = |rule: &str| {
        let mut set = redis::cmd("ACL");
        set.arg(&["SETUSER", "scraper", rule]).exec(&mut admin).expect("it is changed");
    };
    // All sections are told, not this one alone.
    allow("+info|server");
    assert_eq!(ask(&site, "scraper", "/metrics").status, 403);
    allow("+info");
    assert_eq!(ask(&site, "scraper", "/metrics").status, 200);
    assert_eq!(ask(&site, "nobody", "/metrics").status, 401);
}

#[test]
fn what_a_user_may_not_do_the_dashboard_does_not_do_for_them() {
    let site = site();
    let post = |user: &str, path: &str, body: &str| {
        let credentials = STANDARD.encode(format!("{user}:pw"));
        ureq::post(format!("http://{}{path}", site.host))
            .config()
            .http_status_as_error(false)
            .build()
            .header("authorization", &format!("Basic {credentials}"))
            .header("content-type", "application/json")
            .send(body)
            .expect("an answer")
            .status()
            .as_u16()
    };
    let entry = r#"{"fields": [["f", "v"]]}"#;
    assert_eq!(post("viewer", "/api/v1/streams/orders/entries", entry), 403);
    assert_eq!(post("viewer", "/api/v1/streams/secret/entries", entry), 403);
    assert!(post("writer", "/api/v1/streams/secret/entries", entry) < 300);
}

/// Symptom: to a user who may not ask for INFO the server lacked all that Redis lacks: no schedule,
/// no policies, no retention.
#[test]
fn what_the_server_can_do_is_the_same_for_all_users() {
    let site = site();
    let mut admin = operator(&site);
    let rules = ["SETUSER", "clerk", "on", ">pw", "~orders*", "+@all", "-@admin", "-@dangerous"];
    redis::cmd("ACL").arg(&rules).exec(&mut admin).expect("it is set");
    for (path, part) in [
        ("/streams/orders/schedule", "Delay an entry"),
        ("/streams/orders", "Change what it keeps"),
        ("/streams/orders/groups/workers-of-orders", "Change the policy"),
        ("/api/v1/streams/orders/schedule", "scheduled"),
    ] {
        let page = ask(&site, "clerk", path);
        assert_eq!(page.status, 200, "{path}: {}", page.words());
        assert!(page.text.contains(part), "{path}: {}", page.words());
    }
}
