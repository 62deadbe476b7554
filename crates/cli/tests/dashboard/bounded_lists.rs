//! Lists of what may be large or many: what is read for them is bounded, and all of it is reached.

use redis::Value;
use serde_json::{Value as Json, json};

use crate::api::{get, refused, send};
use crate::site::Site;

const ORDERS: &str = "/api/v1/streams/orders";
const MIB: usize = 1 << 20;

/// Entries `1-1`, `2-1` and so on of nearly so many bytes each.
fn with_large(count: usize, bytes: usize) -> Site {
    let site = Site::start(&[]);
    let value = vec![b'x'; bytes - 16];
    for n in 1..=count {
        let id = format!("{n}-1");
        site.redis_words(&[b"XADD", b"orders", id.as_bytes(), b"v", &value]);
    }
    site
}

/// Of the rows of a page, as they stand there.
fn ids(page: &str) -> Vec<u64> {
    let rows = page.split("href=\"/streams/orders/entries/").skip(1);
    rows.map(|row| row.split('-').next().expect("an id").parse().expect("a number")).collect()
}

/// Symptom: a page of entries of 1 MiB read 51 of them, every two seconds.
#[test]
fn a_page_of_large_entries_has_fewer_and_pages_on_from_there() {
    let site = with_large(10, MIB);
    let page = |query: &str| site.get(&format!("/streams/orders{query}"));
    let newest = page("");
    assert_eq!(ids(&newest.text), [10, 9, 8, 7]);
    let words = newest.words();
    assert!(words.contains("Only 4 entries here: they are large."), "{words}");
    assert!(newest.text.contains("href=\"/streams/orders?before=7-1\""), "{}", newest.text);
    let older = page("?before=7-1");
    assert_eq!(ids(&older.text), [6, 5, 4, 3]);
    assert!(older.text.contains("href=\"/streams/orders?from=7-1\""), "{}", older.text);
    let last = page("?before=3-1");
    assert_eq!(ids(&last.text), [2, 1]);
    assert!(!last.text.contains("?before=1-1") && !last.words().contains("are large"));

    let from = page("?from=2-1");
    assert_eq!(ids(&from.text), [5, 4, 3, 2]);
    assert!(from.text.contains("href=\"/streams/orders?from=6-1\""), "{}", from.text);
    assert!(from.text.contains("href=\"/streams/orders?before=2-1\""), "{}", from.text);
    let end = page("?from=8-1");
    assert_eq!(ids(&end.text), [10, 9, 8]);
    assert!(!end.words().contains("are large"));
}

/// Symptom: a list of up to 1,000 entries was read and sent whole, however large they are.
#[test]
fn a_list_of_large_entries_ends_early_and_goes_on_with_its_next() {
    let site = with_large(10, MIB);
    for (order, place, expected) in [("oldest", "from", 1..=10), ("newest", "to", 1..=10)] {
        let (mut seen, mut at) = (Vec::new(), String::new());
        loop {
            let list = get(&site, &format!("{ORDERS}/entries?limit=1000&first={order}{at}"));
            let entries = list["entries"].as_array().expect("entries");
            assert!((1..=4).contains(&entries.len()), "{}", entries.len());
            seen.extend(entries.iter().map(|it| it["id"].as_str().expect("an id").to_owned()));
            match list["next"].as_str() {
                Some(next) => at = format!("&{place}={next}"),
                None => break,
            }
        }
        let mut expected: Vec<String> = expected.map(|n| format!("{n}-1")).collect();
        if order == "newest" {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{order}");
    }
    let first = get(&site, &format!("{ORDERS}/entries?limit=1000"));
    assert_eq!(first["next"], "5-1");
}

#[test]
fn an_entry_that_is_larger_than_a_page_is_a_page() {
    let site = with_large(2, 5 * MIB);
    let first = get(&site, &format!("{ORDERS}/entries"));
    assert_eq!((&first["entries"][0]["id"], &first["next"]), (&json!("1-1"), &json!("2-1")));
    assert_eq!(first["entries"].as_array().map(Vec::len), Some(1));
    let page = site.get("/streams/orders");
    assert_eq!(ids(&page.text), [2]);
    assert!(page.words().contains("Only 1 entry here"), "{}", page.words());
}

/// Symptom: a page before the first id that there can be was an error of the server's.
#[test]
fn there_is_nothing_before_the_first_id() {
    let site = with_large(1, 32);
    let page = site.get("/streams/orders?before=0-0");
    assert_eq!((page.status, ids(&page.text)), (200, Vec::new()), "{}", page.text);
}

/// Symptom: counting what a trim would remove read all of it, however much that is; an age of more
/// years than there were was refused as "invalid end ID".
#[test]
fn what_a_trim_would_remove_is_counted_as_far_as_that_is_cheap() {
    let site = Site::start(&[]);
    let mut all = redis::pipe();
    for n in 1..=21_000 {
        all.cmd("XADD").arg("orders").arg(format!("{n}-1")).arg("n").arg(n).ignore();
    }
    all.query::<()>(&mut site.connect()).expect("it adds them");
    let trim = |order: Json| send(&site, "POST", &format!("{ORDERS}/trim"), &order);
    let many = trim(json!({"before_id": "20900-1", "dry_run": true}));
    assert_eq!(many["is_part"], true, "{many}");
    assert!((20_000..20_899).contains(&many["entries"].as_u64().expect("a number")), "{many}");
    for (order, count) in [
        (json!({"max_length": 5, "dry_run": true}), 20_995),
        (json!({"before_id": "900-1", "dry_run": true}), 899),
        (json!({"before_id": "0-0", "dry_run": true}), 0),
        (json!({"older_than_ms": 1, "dry_run": true}), 21_000),
        (json!({"older_than_ms": u64::MAX, "dry_run": true}), 0),
    ] {
        assert_eq!(trim(order.clone()), json!({"entries": count, "is_part": false}), "{order}");
    }
    let question = site.get("/streams/orders/trim?by=maxage&value=100000d");
    let words = question.words();
    assert!(question.status == 200 && words.contains("Nothing is to be done."), "{words}");
}

/// Symptom: a program could add no entry of 3 MB, which the form takes, and was told that its
/// request makes no sense.
#[test]
fn an_entry_may_be_as_large_as_in_the_form_and_what_is_larger_is_told_so() {
    let site = Site::start(&["--admin-write"]);
    let (begin, end) = (r#"{"fields":{"v":""#, r#""}}"#);
    let entry =
        |bytes: usize| format!("{begin}{}{end}", "x".repeat(bytes - begin.len() - end.len()));
    let entries = format!("{ORDERS}/entries");
    let added = site.send_json("POST", &entries, &entry(3 * MIB));
    assert_eq!(added.status, 200, "{}", added.text);
    let said = refused(&site, "POST", &entries, &entry(16 * MIB + 1), 413);
    assert!(said.contains("larger"), "{said}");
    let trim = format!(r#"{{"max_length":0}}{}"#, " ".repeat(2 * MIB));
    refused(&site, "POST", &format!("{ORDERS}/trim"), &trim, 413);
    assert_eq!(get(&site, ORDERS)["length"], 1);
}

/// Symptom: of a slow log of more than a page the rest could not be seen.
#[test]
fn a_slow_log_of_any_length_is_paged() {
    let site = Site::start(&[]);
    site.redis("CONFIG SET slowlog-max-len 1000 slowlog-log-slower-than 0");
    let mut all = redis::pipe();
    (0..250).for_each(|_| _ = all.cmd("XLEN").arg("orders").ignore());
    all.query::<()>(&mut site.connect()).expect("it answers");
    // What is asked from here on is not among them.
    site.redis("CONFIG SET slowlog-log-slower-than -1");
    let Value::Int(kept) = site.redis("SLOWLOG LEN") else { panic!("a number") };
    let kept = usize::try_from(kept).expect("a length");

    let rows = |text: &str| text.matches("<tr>").count() - 1;
    let pages = kept.div_ceil(100);
    let first = site.get("/server/slow-log");
    assert_eq!(rows(&first.text), 100, "{}", first.words());
    assert!(first.words().contains(&format!("page 1 of {pages}")), "{}", first.words());
    let last = site.get(&format!("/server/slow-log?page={}", pages - 1));
    assert_eq!(rows(&last.text), kept - (pages - 1) * 100, "{}", last.words());

    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let list = get(&site, &format!("/api/v1/slow-log?limit=90{after}"));
        let all = list["commands"].as_array().expect("commands");
        ids.extend(all.iter().map(|it| it["id"].as_u64().expect("a number")));
        match list["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(ids.len(), kept);
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    refused(&site, "GET", "/api/v1/slow-log?after=x", "", 400);
}
