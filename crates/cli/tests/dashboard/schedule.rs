//! Delayed entries: shown, added, cancelled, appended at once.

use millstream_conformance::Value;

use crate::elsewhere::on_others;
use crate::site::{Browser, Site};

/// Tokens in the order in which they stand on the page.
fn tokens(text: &str) -> Vec<String> {
    let parts = text.split("aria-label=\"Entry ").skip(1);
    parts.map(|part| part.split('"').next().expect("it ends").to_owned()).collect()
}

/// Adds some, cancels one, has one appended. Returns the page at the end.
fn change(site: &Browser) -> String {
    let page = "/streams/reminders/schedule";
    let row = [("field", "kind"), ("as", "text"), ("value", "<i>unpaid</i>")];
    let add = |when: &'static str| {
        let fields = [&[("when", when)][..], &row].concat();
        site.submit(page, &format!("{page}/add"), &fields).words()
    };
    for when in ["2h", "30m", "2100-01-01T00:00:00Z"] {
        let done = add(when);
        assert!(done.contains("It waits as "), "{done}");
    }
    for (when, said) in [("soon", "soon is no time such as"), ("", "is no time")] {
        let refused = add(when);
        assert!(refused.contains(said), "{refused}");
    }
    let nothing = site.submit(page, &format!("{page}/add"), &[("when", "1h")]).words();
    assert!(nothing.contains("at least one field"), "{nothing}");
    let shown = site.get(page);
    assert!(!shown.text.contains("<i>"), "{}", shown.text);
    let words = shown.words();
    assert!(words.contains("Delayed entries 3 "), "{words}");
    assert!(words.contains("2100-01-01T00:00:00Z") && words.contains("in 29m"), "{words}");
    let tokens = tokens(&shown.text);
    assert_eq!(tokens.len(), 3, "{words}");

    let change = format!("{page}/change");
    let run = [("verb", "run"), ("entry", &*tokens[2]), ("entry", "1-7")];
    let done = site.submit(page, &change, &run).words();
    assert!(done.contains("1 entry was appended. 1 did not wait any more."), "{done}");
    let cancel = [("verb", "cancel"), ("entry", &*tokens[0])];
    let done = site.submit(page, &change, &cancel).words();
    assert!(done.contains("1 entry was cancelled."), "{done}");
    let none = site.submit(page, &change, &[("verb", "cancel")]).words();
    assert!(none.contains("no entry is ticked"), "{none}");
    site.get(page).words()
}

#[test]
fn delayed_entries_are_added_shown_cancelled_and_appended() {
    let site = Site::start(&["--admin-write"]);
    let end = change(&site);
    assert!(end.contains("Delayed entries 1 "), "{end}");
    assert_eq!(site.redis("XLEN reminders"), redis::Value::Int(1));
    let all = site.until("/schedule", |page| page.words().contains("reminders 1"));
    assert!(all.text.contains("href=\"/streams/reminders/schedule\""), "{}", all.text);
    let sent = site.get("/schedule?stream=a%2Fb");
    assert_eq!(sent.header("location"), "/streams/a%2Fb/schedule");
    site.log_says(&[
        "delayed an entry of stream reminders as ",
        "delayed entries of stream reminders: 1 entry was cancelled.",
    ]);
}

#[test]
fn many_delayed_entries_are_paged_in_the_order_in_which_they_are_due() {
    let site = Site::start(&["--admin-write"]);
    for minutes in (1..=120).rev() {
        site.redis(&format!("XSCHEDULE ADD s DELAY {} n {minutes}", minutes * 60_000));
    }
    let first = site.get("/streams/s/schedule").text;
    let next = |text: &str| {
        let (before, _) = text.split_once(">Later ones</a>")?;
        before.rsplit_once("href=\"")?.1.split('"').next().map(str::to_owned)
    };
    let second = site.get(&next(&first).expect("more")).text;
    let third = site.get(&next(&second).expect("more")).text;
    assert_eq!(next(&third), None);
    let all = [tokens(&first), tokens(&second), tokens(&third)].concat();
    let due = |token: &String| token.split('-').next().and_then(|ms| ms.parse::<u64>().ok());
    assert_eq!(all.len(), 120);
    assert!(all.is_sorted_by_key(due), "{all:?}");
    assert_eq!(site.get("/streams/s/schedule?after=x").status, 400);
}

#[test]
fn on_redis_and_valkey_they_are_those_of_the_toolkit() {
    on_others(|place| {
        let end = change(&place.browser);
        assert!(end.contains("Delayed entries 1 "), "{end}");
        let all = place.browser.until("/schedule", |page| page.words().contains("reminders 1"));
        assert!(all.words().contains("has no schedule: delayed entries are"), "{}", all.words());
        // They are beside the stream there, and a worker would append them to a new one.
        let gone = place.browser.send_json("DELETE", "/api/v1/streams/reminders", "null");
        assert_eq!(gone.status, 200, "{}", gone.text);
        let left = place.redis("EXISTS reminders {reminders}:delayed {reminders}:delayed:payloads");
        assert_eq!(left, Value::Int(0));
    });
}
