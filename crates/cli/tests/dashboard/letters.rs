//! Dead letters: found, looked at, given back, changed, deleted.

use crate::elsewhere::on_others;
use crate::site::{Browser, Site};

const SCRIPT: &str = "<script>alert(1)</script>";

/// A letter as the toolkit and Millstream write it.
fn letter<'a>(letters: &'a str, id: &'a str, of: &[&'a str; 3], error: &'a str) -> Vec<&'a [u8]> {
    let [entry, stream, group] = *of;
    let words = [
        "XADD",
        letters,
        id,
        "original_id",
        entry,
        "original_data",
        r#"{"order_id":"7","body":"{\"a\":[1,2]}"}"#,
        "failed_at",
        "1764230400.250",
        "consumer",
        "ada",
        "stream",
        stream,
        "group",
        group,
        "delivery_count",
        "5",
        "reason",
        "max-deliveries",
        "error",
        error,
    ];
    words.map(str::as_bytes).to_vec()
}

/// An entry of stream `orders` that was delivered and is a letter now.
fn bury(site: &Site, id: u64, error: &str) {
    let entry = format!("{id}-1");
    site.redis(&format!("XADD orders {entry} order_id {id}"));
    site.redis("XREADGROUP GROUP billing ada STREAMS orders >");
    site.redis(&format!("XACK orders billing {entry}"));
    site.redis_words(&letter("orders:dlq", &entry, &[&entry, "orders", "billing"], error));
}

fn site() -> Site {
    let site = Site::start(&["--admin-write"]);
    site.redis("XGROUP CREATE orders billing 0 MKSTREAM");
    site.redis("XGROUP CREATE orders other $");
    site
}

fn length(site: &Site, stream: &str) -> i64 {
    match site.redis(&format!("XLEN {stream}")) {
        redis::Value::Int(length) => length,
        other => panic!("{other:?}"),
    }
}

#[test]
fn letters_are_found_by_name_and_by_policy_and_shown_with_all_they_say() {
    let site = site();
    bury(&site, 1, SCRIPT);
    site.redis("XGROUP CREATE carts mail 0 MKSTREAM");
    site.redis("XGROUP CFGSET carts mail MAXDELIVERIES 3 DEADLETTER failed");
    site.redis_words(&letter("failed", "9-1", &["1-1", "carts", "mail"], "timeout"));
    let all = site.until("/dead-letters", |page| page.words().contains("failed 1"));
    let words = all.words();
    assert!(words.contains("failed 1") && words.contains("mail of carts"), "{words}");
    assert!(words.contains("orders:dlq 1") && words.contains("groups of orders"), "{words}");
    assert!(all.text.contains("href=\"/dead-letters/orders%3Adlq\""), "{}", all.text);

    let found = site.get("/streams/orders/dead-letters");
    let at = found.header("location");
    assert_eq!((found.status, at), (303, "/dead-letters/orders%3Adlq?stream=orders"));
    let list = site.get(at);
    assert!(!list.text.contains("<script>alert"), "{}", list.text);
    let words = list.words();
    let row = format!("1-1 1-1 billing 5 max-deliveries {SCRIPT}");
    assert!(words.contains(&row), "{words}");
    assert!(words.contains("order_id= 7"), "{words}");
    let found = site.get("/streams/carts/dead-letters?group=mail");
    assert_eq!(found.header("location"), "/dead-letters/failed?stream=carts&group=mail");
    let none = site.get("/streams/none/dead-letters");
    assert!(none.status == 200 && none.words().contains("There are none"), "{}", none.words());

    let page = site.get("/dead-letters/orders%3Adlq/1-1");
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    for part in ["{\n  &quot;a&quot;: [\n    1,\n    2\n  ]\n}", "2025-11-27T08:00:00.25Z"] {
        assert!(page.text.contains(part), "{part} in {}", page.text);
    }
    assert!(page.text.contains("href=\"/streams/orders/entries/1-1\""), "{}", page.text);
    for missing in ["/dead-letters/none", "/dead-letters/orders%3Adlq/2-2"] {
        assert_eq!(site.get(missing).status, 404, "{missing}");
    }
    for wrong in ["/dead-letters/orders%3Adlq/x", "/dead-letters/orders%3Adlq?age=soon"] {
        assert_eq!(site.get(wrong).status, 400, "{wrong}");
    }
}

#[test]
fn letters_are_paged_both_ways_and_filtered() {
    let site = site();
    for id in 1..=120 {
        bury(&site, id, if id % 40 == 0 { "card expired" } else { "timeout" });
    }
    let page = "/dead-letters/orders%3Adlq";
    let ids = |text: &str| -> Vec<u64> {
        let ids = text.split("aria-label=\"Letter ").skip(1);
        ids.map(|it| it.split('-').next().expect("an id").parse().expect("a number")).collect()
    };
    let next = |text: &str, word: &str| {
        let (before, _) = text.split_once(&format!(">{word}</a>"))?;
        let (_, path) = before.rsplit_once("href=\"")?;
        Some(path.split('"').next()?.replace("&amp;", "&"))
    };
    let mut seen = Vec::new();
    let mut at = page.to_owned();
    loop {
        let text = site.get(&at).text;
        seen.extend(ids(&text));
        match next(&text, "Older") {
            Some(older) => at = older,
            None => break,
        }
    }
    assert_eq!(seen, (1..=120).rev().collect::<Vec<_>>());
    let oldest = site.get(&format!("{page}?first=oldest")).text;
    assert_eq!(ids(&oldest), (1..=50).collect::<Vec<_>>());
    let second = site.get(&next(&oldest, "Newer").expect("more")).text;
    assert_eq!(ids(&second), (51..=100).collect::<Vec<_>>());
    let few = site.get(&format!("{page}?error=card+expired&group=billing"));
    assert_eq!(ids(&few.text), [120, 80, 40], "{}", few.words());
    assert!(few.words().contains("group billing, error with card expired"), "{}", few.words());
    for other in ["group=none", "consumer=none", "stream=none", "reason=fatal"] {
        assert_eq!(ids(&site.get(&format!("{page}?{other}")).text), [0; 0], "{other}");
    }
    assert_eq!(ids(&site.get(&format!("{page}?age=1h&consumer=ada")).text).len(), 50);
}

#[test]
fn ticked_letters_are_given_back_or_deleted() {
    let site = site();
    (1..=4).for_each(|id| bury(&site, id, "timeout"));
    // Its entry is gone.
    site.redis("XDEL orders 2-1");
    let page = "/dead-letters/orders%3Adlq";
    let change = format!("{page}/change");
    let ticked = [("verb", "requeue"), ("id", "1-1"), ("id", "2-1"), ("id", "9-9")];
    let done = site.submit(page, &change, &ticked).words();
    let expected =
        "2 letters were given back, 1 of them as a new entry for all groups. 1 gone before.";
    assert!(done.contains(expected), "{done}");
    assert_eq!(length(&site, "orders:dlq"), 2);
    let pending = site.get("/streams/orders/groups/billing").words();
    assert!(pending.contains("Pending 1 "), "{pending}");
    let done = site.submit(page, &change, &[("verb", "purge"), ("id", "3-1")]).words();
    assert!(done.contains("1 letter was deleted."), "{done}");
    assert_eq!((length(&site, "orders:dlq"), length(&site, "orders")), (1, 4));
    let none = site.submit(page, &change, &[("verb", "purge")]).words();
    assert!(none.contains("no letter is ticked"), "{none}");
    for wrong in [&[("verb", "burn"), ("id", "4-1")][..], &[("verb", "purge"), ("id", "x")]] {
        site.submit(page, &change, wrong);
    }
    assert_eq!(length(&site, "orders:dlq"), 1);
    site.log_says(&["dead letters in orders:dlq, 3 named, first 1-1: 2 letters"]);
    // A letter that says nothing of where it comes from stays, and that is told.
    site.redis_words(&letter("orders:dlq", "8-1", &["8-1", "", ""], "x"));
    let done = site.submit(page, &change, &[("verb", "requeue"), ("id", "8-1")]);
    assert!(done.words().contains("1 stay: 8-1: the letter does not say"), "{}", done.words());
    assert!(done.text.contains("class=\"alarm\""), "{}", done.text);
}

/// The page of the letters once nothing goes on.
#[track_caller]
fn ended(browser: &Browser, page: &str) -> String {
    let is_over = |words: &str| words.contains("Done: ") && !words.contains("At work: ");
    browser.until(page, |answer| is_over(&answer.words())).words()
}

#[test]
fn all_of_a_kind_are_counted_first_and_then_changed_at_a_pace() {
    let site = site();
    for id in 1..=30 {
        bury(&site, id, if id <= 20 { "timeout" } else { "card expired" });
    }
    let page = "/dead-letters/orders%3Adlq";
    let bulk = format!("{page}/bulk");
    let dry = site.get(&format!("{bulk}?verb=requeue&error=timeout"));
    let words = dry.words();
    assert!(words.contains("Nothing was done yet.") && words.contains("20 letters"), "{words}");
    assert!(words.contains("20 would be pending in their group again"), "{words}");
    assert!(dry.text.contains("name=\"error\" value=\"timeout\""), "{}", dry.text);
    assert_eq!(length(&site, "orders:dlq"), 30);

    let some = [("verb", "requeue"), ("error", "timeout"), ("most", "15"), ("per_second", "500")];
    let begun = site.submit(page, &bulk, &some).words();
    assert!(begun.contains("It began"), "{begun}");
    let over = ended(&site, page);
    assert!(over.contains("15 letters were given back. 5 of that kind are left: go on."), "{over}");
    let rest = [("verb", "purge"), ("most", "1000"), ("per_second", "1000")];
    site.submit(page, &bulk, &rest);
    let over = site.until(page, |page| page.words().contains("15 letters were deleted.")).words();
    assert!(over.contains("There are no letters here."), "{over}");
    bury(&site, 100, "timeout");
    for (most, per_second) in [("0", "1"), ("1", "0"), ("x", "1"), ("1", "1000000")] {
        let wrong = [("verb", "purge"), ("most", most), ("per_second", per_second)];
        let refused = site.submit(page, &bulk, &wrong);
        assert!(refused.text.contains("class=\"alarm\""), "{}", refused.words());
    }
    assert_eq!(length(&site, "orders:dlq"), 1);
    let nothing = site.get(&format!("{bulk}?verb=purge&group=nobody")).words();
    assert!(nothing.contains("There is nothing to do"), "{nothing}");
    site.log_says(&[
        "begins to requeue dead letters in orders:dlq",
        "ended: 15 letters were deleted.",
    ]);
}

#[test]
fn what_goes_on_is_stopped_and_only_one_goes_on_at_a_time() {
    let site = site();
    (1..=10).for_each(|id| bury(&site, id, "timeout"));
    let page = "/dead-letters/orders%3Adlq";
    let bulk = format!("{page}/bulk");
    let slowly = [("verb", "purge"), ("most", "10"), ("per_second", "1")];
    site.submit(page, &bulk, &slowly);
    let other = site.submit(page, &bulk, &slowly).words();
    assert!(other.contains("something is at work on these letters already"), "{other}");
    site.until("/dead-letters", |all| all.words().contains("at work"));
    let stopping = site.submit(page, &format!("{page}/stop"), &[("job", "1")]).words();
    assert!(stopping.contains("It stops"), "{stopping}");
    let over = ended(&site, page);
    assert!(over.contains("It was stopped."), "{over}");
    assert!(length(&site, "orders:dlq") > 0);
    let none = site.submit(page, &format!("{page}/stop"), &[("job", "77")]).words();
    assert!(none.contains("there is no such job"), "{none}");
}

#[test]
fn a_letter_is_changed_and_given_back_as_a_new_entry() {
    let site = site();
    let of = ["1-1", "orders", "billing"];
    let mut words = letter("orders:dlq", "1-1", &of, "\u{1b}[2J");
    let data = br#"[["a","1"],["lines","x\ny"],["raw",{"b64":"/wA8"}]]"#;
    words[6] = data;
    site.redis_words(&words);
    let page = "/dead-letters/orders%3Adlq/1-1";
    let form = site.get(page);
    assert!(
        form.words().contains("All groups of the stream get the new entry"),
        "{}",
        form.words()
    );
    assert!(form.text.contains(">\n\\xff\\0&lt;</textarea>"), "{}", form.text);
    assert!(!form.text.contains('\u{1b}'));
    let row = |name: &'static str, written: &'static str, value: &'static str| {
        [("field", name), ("as", written), ("value", value)]
    };
    let wrong = [row("a", "text", "1"), row("b", "escaped", "\\q")].concat();
    let refused = site.submit(page, page, &wrong);
    assert!(refused.words().contains("there is no escape"), "{}", refused.words());
    assert_eq!((length(&site, "orders:dlq"), length(&site, "orders")), (1, 0));
    let changed = [
        row("a", "text", "2"),
        row("", "text", "dropped"),
        row("lines", "text", "x\r\ny"),
        row("raw", "escaped", "\\xff\\0<"),
        row("new", "text", "<b>"),
    ];
    let done = site.submit(page, page, &changed.concat()).words();
    assert!(done.contains("for all groups, and the letter is gone."), "{done}");
    assert_eq!((length(&site, "orders:dlq"), length(&site, "orders")), (0, 1));
    let entries: redis::Value = site.redis("XRANGE orders - +");
    let entries: Vec<(String, Vec<Vec<u8>>)> = redis::from_redis_value(entries).expect("entries");
    let fields: Vec<&[u8]> = entries[0].1.iter().map(|it| &**it).collect();
    let expected: [&[u8]; 8] = [b"a", b"2", b"lines", b"x\ny", b"raw", b"\xff\0<", b"new", b"<b>"];
    assert_eq!(fields, expected);
    site.log_says(&["dead letter 1-1 in orders:dlq was changed, and given back as"]);
}

#[test]
fn who_may_not_write_sees_letters_and_has_no_forms() {
    let site = Site::start(&[]);
    site.redis_words(&letter("orders:dlq", "1-1", &["1-1", "orders", "billing"], "x"));
    for path in ["/dead-letters/orders%3Adlq", "/dead-letters/orders%3Adlq/1-1", "/server/clients"]
    {
        let page = site.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text.contains("method=\"post\""), "{path}: {}", page.text);
    }
    for path in ["change", "bulk", "stop", "1-1"] {
        let path = format!("/dead-letters/orders%3Adlq/{path}");
        let fields = [("token", "x"), ("verb", "purge"), ("id", "1-1")];
        assert_eq!(site.post(&path, &fields).status, 403, "{path}");
    }
    assert_eq!(length(&site, "orders:dlq"), 1);
}

#[test]
fn letters_on_redis_and_valkey_are_given_back_by_scripts() {
    on_others(|place| {
        place.redis("XADD orders 1-1 order_id 7");
        place.redis("XGROUP CREATE orders billing $");
        for id in ["1-1", "2-1", "3-1"] {
            let words = letter("orders:dlq", id, &[id, "orders", "billing"], "timeout");
            let mut client = place.server.connect().expect("it accepts");
            client.call(&words).expect("it adds");
        }
        let (site, page) = (&place.browser, "/dead-letters/orders%3Adlq");
        let dry = site.get(&format!("{page}/bulk?verb=requeue")).words();
        assert!(dry.contains("1 would be pending in their group again; 2 would be added"), "{dry}");
        let ticked = [("verb", "requeue"), ("id", "1-1"), ("id", "2-1")];
        let done = site.submit(page, &format!("{page}/change"), &ticked).words();
        assert!(done.contains("2 letters were given back, 1 of them as a new entry"), "{done}");
        let one = format!("{page}/3-1");
        let row = [("field", "a"), ("as", "text"), ("value", "2")];
        let done = site.submit(&one, &one, &row).words();
        assert!(done.contains("for all groups, and the letter is gone."), "{done}");
        let gone = site.get(&one);
        assert_eq!(gone.status, 404, "{}", gone.text);
        assert_eq!(format!("{:?}", place.redis("XLEN orders")), "Int(3)");
    });
}
