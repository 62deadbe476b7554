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

#[test]
fn numbers_of_the_server_are_for_those_who_may_ask_it() {
    let site = site();
    let refused = ask(&site, "scraper", "/metrics");
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("'info' command"), "{}", refused.text);
    let mut admin = redis::Client::open(format!("redis://operator:pw@{}/", site.process.address))
        .expect("an address")
        .get_connection()
        .expect("the operator comes in");
    let _: () = redis::cmd("ACL")
        .arg(&["SETUSER", "scraper", "+info"])
        .query(&mut admin)
        .expect("it is changed");
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
