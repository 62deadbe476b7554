//! Pending entries and single entries: seen, paged, settled, deleted.

use std::collections::BTreeSet;

use crate::site::{Answer, Site};

const GROUP: &str = "/streams/orders/groups/billing";
const PENDING: &str = "/streams/orders/groups/billing/pending";

/// Entries 1-1, 2-1 and so on, all of them ada's.
fn with_pending(count: u64) -> Site {
    let site = Site::start(&["--admin-write"]);
    add(&site, 1..=count);
    site.redis("XGROUP CREATE orders billing 0");
    site.redis(&format!("XREADGROUP GROUP billing ada COUNT {count} STREAMS orders >"));
    site
}

fn add(site: &Site, numbers: std::ops::RangeInclusive<u64>) {
    let mut connection = site.connect();
    for some in numbers.collect::<Vec<_>>().chunks(10_000) {
        let mut all = redis::pipe();
        for number in some {
            all.cmd("XADD").arg("orders").arg(format!("{number}-1")).arg("n").arg(number).ignore();
        }
        all.query::<()>(&mut connection).expect("the server adds them");
    }
}

/// Id, consumer and deliveries of what is pending.
fn pending(site: &Site) -> Vec<(String, String, u64)> {
    let rows: Vec<(String, String, i64, u64)> = redis::cmd("XPENDING")
        .arg(&["orders", "billing", "-", "+", "100000"])
        .query(&mut site.connect())
        .expect("a list");
    rows.into_iter().map(|(id, consumer, _, count)| (id, consumer, count)).collect()
}

fn ids(page: &str) -> Vec<String> {
    let parts = page.split("class=\"id\" href=\"").skip(1);
    let id = |part: &str| part.split_once('>')?.1.split('<').next().map(str::to_owned);
    parts.filter_map(id).collect()
}

/// Where a link leads.
fn link(page: &str, word: &str) -> Option<String> {
    let (before, _) = page.split_once(&format!(">{word}</a>"))?;
    let (_, path) = before.rsplit_once("href=\"")?;
    Some(path.split('"').next()?.replace("&amp;", "&"))
}

#[track_caller]
fn says(answer: &Answer, text: &str) {
    let words = answer.words();
    assert!(words.contains(text), "{text:?} is not in: {words}");
}

#[test]
fn pending_entries_are_filtered_by_what_they_are_like() {
    let site = with_pending(6);
    site.redis("XCLAIM orders billing bob 0 2-1 IDLE 3600000 RETRYCOUNT 4 JUSTID");
    site.redis("XDEL orders 3-1");
    let all = site.get(PENDING);
    assert_eq!(ids(&all.text).len(), 6);
    says(&all, "6 in all");
    says(&all, "2-1 bob 1h 4 n= 2");
    says(&all, "3-1 ada");
    says(&all, "gone from the stream");
    for (query, found) in [
        ("consumer=bob", &["2-1"][..]),
        ("idle=30m", &["2-1"]),
        ("deliveries=4", &["2-1"]),
        ("deliveries=5", &[]),
        ("consumer=ada&deliveries=2", &[]),
        ("from=5-1", &["5-1", "6-1"]),
        ("from=1970-01-01T00:00:00.006Z", &["6-1"]),
        ("after=5-1&from=1-1", &["6-1"]),
    ] {
        assert_eq!(ids(&site.get(&format!("{PENDING}?{query}")).text), found, "{query}");
    }
    for wrong in ["idle=soon", "deliveries=-1", "from=x", "after=x", "consumer=%5Cy"] {
        assert_eq!(site.get(&format!("{PENDING}?{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(site.get("/streams/orders/groups/none/pending").status, 404);
    assert_eq!(site.get("/streams/none/groups/none/pending").status, 404);
}

#[test]
fn what_was_said_of_a_pending_entry_is_shown() {
    let site = with_pending(2);
    assert!(!site.get(PENDING).words().contains("Last error"), "groups without a policy keep none");
    site.redis("XGROUP CFGSET orders billing VISIBILITY 3600000");
    let said = format!("<b>no stock</b>\u{202e}{}", "x".repeat(600));
    site.redis_words(&[
        &b"XNACK"[..],
        b"orders",
        b"billing",
        b"FAIL",
        b"IDS",
        b"1",
        b"1-1",
        b"ERROR",
        said.as_bytes(),
    ]);
    let shown = "<b>no stock</b>\\u{202e}xxx";
    for page in [PENDING, "/streams/orders/entries/1-1"] {
        let page = site.get(page);
        says(&page, "Last error");
        says(&page, shown);
        says(&page, "xxx...");
        assert!(page.words().len() < 4000, "the beginning is enough");
    }
    let json = site.get("/api/v1/streams/orders/groups/billing/pending").text;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["pending"][0]["error"], said);
    assert_eq!(json["pending"][1]["error"], serde_json::Value::Null);
}

#[test]
fn a_hundred_thousand_pending_entries_are_paged_and_each_comes_once() {
    let site = with_pending(100_000);
    let mut seen = BTreeSet::new();
    let mut path = Some(PENDING.to_owned());
    let mut pages = 0;
    while let Some(next) = path {
        let page = site.get(&next).text;
        let some = ids(&page);
        assert!(some.len() <= 100, "{}", some.len());
        for id in some {
            assert!(seen.insert(id.clone()), "{id} came twice");
        }
        path = link(&page, "Next");
        pages += 1;
    }
    assert_eq!((seen.len(), pages), (100_000, 1000));
    // Where few pass, a page ends before it has gone through all.
    site.redis("XCLAIM orders billing bob 0 99999-1 RETRYCOUNT 9 JUSTID");
    let page = site.get(&format!("{PENDING}?deliveries=9"));
    says(&page, "10,000 were looked at, and 0 of them fit. There are more behind.");
    assert_eq!(
        link(&page.text, "Next").as_deref(),
        Some(&*format!("{PENDING}?deliveries=9&after=10000%2D1"))
    );
}

#[test]
fn ticked_entries_are_claimed_given_back_and_acknowledged() {
    let site = with_pending(5);
    let settle = format!("{PENDING}/settle");
    let named = |fields: &[(&str, &str)]| {
        let which = [("which", "ticked"), ("id", "1-1"), ("id", "2-1"), ("id", "9-9")];
        site.submit(PENDING, &settle, &[&which[..], fields].concat())
    };
    for (fields, why) in [
        (&[("what", "")][..], "say what is to become"),
        (&[("what", "claim")], "say for which consumer"),
        (&[("what", "claim"), ("to", "\\y")], "no escape"),
        (&[("what", "give-back"), ("delay", "soon")], "is no time"),
        (&[("what", "give-back"), ("mode", "x")], "no such mode"),
        (&[("what", "give-back"), ("mode", "fatal"), ("delay", "1s")], "nothing to delay"),
    ] {
        says(&named(fields), why);
    }
    says(&site.submit(PENDING, &settle, &[("what", "acknowledge")]), "no entry is ticked");
    let odd = [("what", "acknowledge"), ("id", "x")];
    says(&site.submit(PENDING, &settle, &odd), "x is no id");
    assert_eq!(pending(&site).iter().filter(|row| row.1 == "ada").count(), 5);

    let done = named(&[("what", "claim"), ("to", "b\\xff")]);
    says(&done, "2 entries were claimed for b\\xff. Left alone: 1 entry");
    says(&done, "1-1 b\\xff");
    // Nobody is idle for so long.
    let claim = [("what", "claim"), ("to", "carl"), ("min_idle", "1h")];
    says(&named(&claim), "0 entries were claimed for carl. Left alone: 3 entries");
    let done = named(&[("what", "give-back"), ("mode", "fail")]);
    says(&done, "2 entries were given back.");
    says(&done, "1-1 nobody - 1");
    says(&named(&[("what", "acknowledge")]), "2 entries were acknowledged.");
    assert_eq!(pending(&site).len(), 3);
    let line = "2 entries of group billing of stream orders claimed for b\\xff";
    site.log_says(&[line, "orders acknowledged"]);
}

#[test]
fn all_that_fit_are_counted_first_and_only_those_are_settled() {
    let site = with_pending(30);
    site.redis("XCLAIM orders billing bob 0 7-1 8-1 9-1 JUSTID");
    let page = format!("{PENDING}?consumer=bob");
    let fields = [("which", "all"), ("consumer", "bob"), ("what", "acknowledge")];
    let asked = site.submit(&page, &format!("{PENDING}/settle"), &fields);
    says(&asked, "3 entries would be acknowledged");
    assert_eq!(pending(&site).len(), 30, "nothing was done yet");
    // Another comes that was not counted.
    add(&site, 31..=31);
    site.redis("XREADGROUP GROUP billing bob STREAMS orders >");
    let all = format!("{PENDING}/all");
    let confirm = |fields: &[(&str, &str)]| site.submit(&page, &all, fields);
    let fields = [("consumer", "bob"), ("what", "acknowledge"), ("until", "30-1")];
    for (rate, why) in [("0", "from 1 to 10000"), ("x", "the rate is a whole number")] {
        says(&confirm(&[&fields[..], &[("rate", rate)]].concat()), why);
    }
    assert_eq!(pending(&site).len(), 31);
    says(&confirm(&fields), "3 entries were acknowledged.");
    let left = pending(&site);
    assert_eq!(left.iter().filter(|row| row.1 == "bob").count(), 1);
    assert_eq!(left.len(), 28);
    // Without an end nothing is done: it would be none that was counted.
    says(&site.submit(&page, &all, &[("what", "acknowledge")]), "is no id");
    assert_eq!(pending(&site).len(), 28);
}

#[test]
fn what_is_too_much_for_one_request_goes_on_with_the_next() {
    let site = with_pending(10_300);
    let asked = site.get(&format!("{PENDING}/all?what=claim&to=bob"));
    says(&asked, "10300 entries would be claimed for bob");
    let form = [("what", "claim"), ("to", "bob"), ("until", "10300-1"), ("rate", "10000")];
    let first = site.submit(PENDING, &format!("{PENDING}/all"), &form);
    says(&first, "10000 entries were claimed for bob. There may be more: see below.");
    says(&first, "300 entries would be claimed for bob");
    assert!(first.text.contains("name=\"after\" value=\"10000-1\""), "{}", first.text);
    let rest = [&form[..], &[("after", "10000-1")]].concat();
    let last = site.submit(PENDING, &format!("{PENDING}/all"), &rest);
    says(&last, "300 entries were claimed for bob.");
    assert!(pending(&site).iter().all(|row| row.1 == "bob"));
}

#[test]
fn an_entry_shows_its_fields_and_how_far_each_group_is() {
    let site = Site::start(&["--admin-write"]);
    let body = br#"{"b":1.50,"a":[12345678901234567890123]}"#;
    site.redis_words(&[b"XADD", b"orders", b"1-1", b"order_id", b"7", b"body", body]);
    site.redis("XADD orders 2-1 n 2");
    site.redis("XADD orders 3-1 n 3");
    for group in ["acked", "buried", "fresh", "working"] {
        site.redis(&format!("XGROUP CREATE orders {group} 0"));
    }
    for group in ["acked", "buried", "working"] {
        site.redis(&format!("XREADGROUP GROUP {group} ada COUNT 1 STREAMS orders >"));
    }
    site.redis("XACK orders acked 1-1");
    site.redis("XGROUP CFGSET orders buried MAXDELIVERIES 5");
    site.redis("XNACK orders buried FATAL IDS 1 1-1 ERROR <closed>");
    let page = site.until("/streams/orders/entries/1-1", |page| page.text.contains("dead letter"));
    says(&page, "order_id 7 body { \"b\": 1.50, \"a\": [ 12345678901234567890123 ] }");
    says(&page, "acked settled - - - -");
    says(&page, "fresh not delivered yet - - - -");
    says(&page, "working pending ada");
    says(&page, "buried dead letter ada");
    says(&page, "1 <closed>");
    let letter = link(&page.text, "dead letter").expect("it leads to the letter");
    says(&site.get(&letter), "original_id 1-1");
    assert_eq!(link(&page.text, "Previous entry"), None);
    let next = link(&page.text, "Next entry").expect("there is one");
    assert_eq!(next, "/streams/orders/entries/2-1");
    let second = site.get(&next).text;
    assert_eq!(link(&second, "Previous entry").as_deref(), Some("/streams/orders/entries/1-1"));
    for (path, status) in [("8-1", 404), ("x", 400), ("1-1/fields/9", 404), ("1-1/fields/x", 404)] {
        assert_eq!(site.get(&format!("/streams/orders/entries/{path}")).status, status, "{path}");
    }
}

#[test]
fn an_entry_is_settled_and_deleted_on_its_page() {
    let site = with_pending(3);
    let page = "/streams/orders/entries/2-1";
    let settle = [("what", "claim"), ("to", "bob"), ("id", "2-1"), ("entry", "2-1")];
    let done = site.submit(page, &format!("{PENDING}/settle"), &settle);
    says(&done, "2-1 entry");
    says(&done, "1 entry was claimed for bob.");
    says(&done, "billing pending bob");
    let delete = format!("{page}/delete");
    says(&site.submit(page, &delete, &[]), "tick that you want it");
    says(&site.submit(page, &delete, &[("sure", "yes")]), "Entry 2-1 was deleted.");
    // Its pending record is still there, and so is its page.
    let gone = site.get(page);
    assert_eq!(gone.status, 200);
    says(&gone, "It is gone from the stream");
    says(&gone, "billing pending bob");
    site.redis("XACK orders billing 2-1");
    assert_eq!(site.get(page).status, 404);
}

#[test]
fn hostile_and_huge_values_are_shown_harmlessly_and_had_as_files() {
    let site = Site::start(&["--admin-write"]);
    let script = "<script>alert(1)</script>\"'>\u{202e}";
    let huge = "x".repeat(1 << 20);
    let odd: &[u8] = b"\xff\x00\x1b[2J<img src=x onerror=alert(1)>";
    let fields: &[&[u8]] =
        &[odd, script.as_bytes(), script.as_bytes(), odd, b"huge", huge.as_bytes()];
    site.redis_words(&[&[b"XADD", odd, b"1-1"], fields].concat());
    site.redis_words(&[b"XGROUP", b"CREATE", odd, odd, b"0"]);
    site.redis_words(&[b"XREADGROUP", b"GROUP", odd, odd, b"STREAMS", odd, b">"]);
    let page = site.until("/streams", |page| page.text.contains("href=\"/streams/%FF"));
    let (_, path) = page.text.split_once("href=\"/streams/%FF").expect("it is listed");
    let stream = format!("/streams/%FF{}", path.split('"').next().expect("it ends"));
    let group =
        link(&site.get(&stream).text, "\\xff\\0\\u{1b}[2J&lt;img src=x onerror=alert(1)&gt;")
            .expect("the group is listed");
    let entry = format!("{stream}/entries/1-1");
    // The consumer's pending entries, as the page of the group leads to them.
    let page = site.get(&group).text;
    let (_, consumer) = page.split_once("pending?consumer=").expect("it leads there");
    let consumer = consumer.split('"').next().unwrap_or_default();
    let pending = format!("{group}/pending?consumer={consumer}");
    assert_eq!(ids(&site.get(&pending).text), ["1-1"]);
    for path in [&stream, &group, &entry, &pending, &format!("{stream}/trim?by=maxlen&value=0")] {
        let page = site.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert!(
            !page.text.contains("<script>alert") && !page.text.contains("<img src=x"),
            "{path}"
        );
        assert!(!page.text.contains('\u{202e}') && !page.text.contains('\u{1b}'), "{path}");
        assert!(page.text.len() < 100_000, "{path}: {}", page.text.len());
    }
    says(&site.get(&entry), "1.00 MiB, cut here Download");
    let file = site.get(&format!("{entry}/fields/2"));
    assert!(file.text == huge, "{}", file.text.len());
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"1-1-2.bin\"");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    let script_file = site.get(&format!("{entry}/fields/0"));
    assert_eq!(script_file.text, script);
    let json = site.get(&format!("{entry}/json"));
    assert!(json.text.starts_with("[[{\"b64\":"), "{}", &json.text[..60]);
    assert_eq!(json.header("content-disposition"), "attachment; filename=\"1-1.json\"");
    let claim = [("what", "claim"), ("to", "\\xff<b>"), ("id", "1-1")];
    let done = site.submit(&pending, &format!("{group}/pending/settle"), &claim);
    says(&done, "1 entry was claimed for \\xff<b>.");
    assert!(!done.text.contains("<b>"), "{}", done.text);
}

#[test]
fn who_may_only_look_finds_no_form_and_changes_nothing() {
    let site = Site::start(&[]);
    add(&site, 1..=2);
    site.redis("XGROUP CREATE orders billing 0");
    site.redis("XREADGROUP GROUP billing ada STREAMS orders >");
    let consumer = format!("{GROUP}/consumers/ada");
    for path in [
        "/streams/orders",
        GROUP,
        PENDING,
        &consumer,
        "/streams/orders/entries/1-1",
        &format!("{PENDING}/all?what=acknowledge"),
        "/streams/orders/trim?by=maxlen&value=1",
        &format!("{GROUP}/set-id?to=0"),
    ] {
        let page = site.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text.contains("method=\"post\""), "{path}: {}", page.text);
    }
    let all = [
        ("token", "x"),
        ("typed", "orders"),
        ("typed", "billing"),
        ("sure", "yes"),
        ("what", "acknowledge"),
        ("id", "1-1"),
        ("until", "2-1"),
        ("by", "maxlen"),
        ("value", "0"),
        ("name", "a"),
        ("value", "b"),
        ("group", "g"),
        ("start", "0"),
        ("to", "0"),
        ("maxlen", "1"),
        ("pending", "nobody"),
    ];
    for path in [
        &format!("{PENDING}/settle"),
        &format!("{PENDING}/all"),
        &format!("{GROUP}/set-id"),
        &format!("{GROUP}/destroy"),
        &consumer,
        "/streams/orders/entries/1-1/delete",
        "/streams/orders/add",
        "/streams/orders/retention",
        "/streams/orders/trim",
        "/streams/orders/groups",
        "/streams/orders/delete",
    ] {
        assert_eq!(site.post(path, &all).status, 403, "{path}");
    }
    assert_eq!(pending(&site).len(), 2);
    assert_eq!(site.redis("XLEN orders"), redis::Value::Int(2));
}
