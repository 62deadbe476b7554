//! What it takes to change something: the token of a form, and rights for the very thing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::site::{Answer, Site};

const LETTERS: &str = "/api/v1/dead-letters/orders%3Adlq";

/// Sends JSON as a user of the server.
fn post(site: &Site, user: &str, path: &str, body: &str) -> u16 {
    ureq::post(format!("http://{}{path}", site.host))
        .config()
        .http_status_as_error(false)
        .build()
        .header("authorization", &format!("Basic {}", STANDARD.encode(format!("{user}:pw"))))
        .header("content-type", "application/json")
        .send(body)
        .expect("an answer")
        .status()
        .as_u16()
}

/// Symptom: a browser that was given a user and a password in the address, and sends them by
/// itself from then on, sent forms without their token, and they were taken.
#[test]
fn a_form_with_credentials_needs_its_token_too() {
    let site = Site::start(&[]);
    site.redis("XGROUP CREATE orders billing 0 MKSTREAM");
    site.redis("ACL SETUSER ada on >pw ~* +@all");
    let page = "/streams/orders/groups/billing";
    // ada:pw
    let me = [("authorization", "Basic YWRhOnB3")];
    let pause = format!("{page}/paused");
    let send = |token: &str| -> Answer {
        site.post_with(&pause, &[("token", token), ("paused", "true")], &me)
    };
    assert_eq!(send("x").status, 403);
    let is_paused = || site.get_with(page, &me).words().contains("out: it is paused");
    assert!(!is_paused());
    assert_eq!(send(&site.token(page, &me)).status, 303);
    assert!(is_paused());
    // As programs do.
    let entry = r#"{"fields": [["f", "v"]]}"#;
    assert!(post(&site, "ada", "/api/v1/streams/orders/entries", entry) < 300);
}

/// Symptom: who had begun a job that deletes letters could not stop it without a right to trim.
#[test]
fn a_job_is_stopped_by_who_began_it_and_by_who_might_have() {
    let site = Site::start(&[]);
    for line in [
        "ACL SETUSER ada on >pw ~* +@all -xtrim",
        "ACL SETUSER bob on >pw ~* +@all -xtrim",
        "ACL SETUSER carl on >pw ~* +@all -xdel -xdlq",
    ] {
        site.redis(line);
    }
    site.redis("XGROUP CREATE orders billing 0 MKSTREAM");
    for id in 1..=100 {
        let payload = r#"[["a","1"]]"#;
        site.redis(&format!(
            "XADD orders:dlq {id}-1 original_id {id}-1 original_data {payload} stream orders \
             group billing"
        ));
    }
    let mut job = 0;
    for (verb, stopper) in
        [("purge-all", "ada"), ("purge-all", "bob"), ("requeue-all", "ada"), ("requeue-all", "bob")]
    {
        job += 1;
        let begun = post(&site, "ada", &format!("{LETTERS}/{verb}"), r#"{"per_second": 1}"#);
        assert_eq!(begun, 200, "{verb}");
        let stop = |user: &str| {
            post(&site, user, &format!("{LETTERS}/jobs/stop"), &format!("{{\"job\": {job}}}"))
        };
        assert_eq!(stop("carl"), 403, "{verb}");
        assert_eq!(stop(stopper), 200, "{verb} by {stopper}");
        site.until(&format!("{LETTERS}/jobs"), |jobs| {
            jobs.text.matches("It was stopped.").count() == job
        });
        site.log_says(&[&format!("{stopper} at 127.0.0.1"), &format!("stops job {job} on")]);
    }
}
