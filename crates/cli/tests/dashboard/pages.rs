//! What the pages show and do.

use crate::site::Site;

#[test]
fn streams_and_groups_are_seen_from_the_overview_on() {
    let site = Site::start(&[]);
    for id in 1..=3 {
        site.redis(&format!("XADD orders {id}-1 order_id {id}"));
    }
    site.redis("XGROUP CREATE orders billing 0");
    site.redis("XREADGROUP GROUP billing ada COUNT 2 STREAMS orders >");
    let overview = site.until("/", |page| page.text.contains("/streams/orders/groups/billing"));
    assert!(overview.words().contains("orders billing"), "{}", overview.words());
    let streams = site.get("/streams").words();
    assert!(streams.contains("orders 3 "), "{streams}");
    let stream = site.get("/streams/orders").words();
    assert!(stream.contains("billing 1 2 1 2-1"), "{stream}");
    assert!(stream.contains("order_id= 3") && stream.contains("Entries newest first"), "{stream}");
    let group = site.get("/streams/orders/groups/billing").words();
    assert!(group.contains("Pending 2 "), "{group}");
    assert!(group.contains("Pending by deliveries never 0 1 2 2 0"), "{group}");
    assert!(group.contains("ada 2 "), "{group}");
    for missing in ["/streams/none", "/streams/orders/groups/none", "/nothing"] {
        assert_eq!(site.get(missing).status, 404, "{missing}");
    }
}

#[test]
fn names_of_any_bytes_have_pages_and_are_shown_harmlessly() {
    let site = Site::start(&[]);
    let script = b"<script>alert(1)</script>";
    for name in [
        &script[..],
        b"",
        b".",
        b"..",
        b"~",
        b"a/b?c#d%2F",
        b"\xff\x00\x1b[2J",
        "\u{202e}ü".as_bytes(),
    ] {
        site.redis_words(&[b"XADD", name, b"1-1", script, name]);
        site.redis_words(&[b"XGROUP", b"CREATE", name, name, b"0"]);
    }
    let page = site.until("/streams", |page| page.text.matches("<tr>").count() == 9).text;
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'), "{page}");
    let paths = page.split("href=\"/streams/").skip(1).filter_map(|part| part.split('"').next());
    let paths: Vec<String> = paths.map(|path| format!("/streams/{path}")).collect();
    assert_eq!(paths.len(), 8, "{paths:?}");
    for path in paths {
        let stream = site.get(&path);
        assert_eq!(stream.status, 200, "{path}");
        assert!(!stream.text.contains("<script>alert"), "{path}");
        let (_, group) = stream.text.split_once(&format!("href=\"{path}/groups/")).expect(&path);
        let group = group.split('"').next().expect("it ends");
        assert_eq!(site.get(&format!("{path}/groups/{group}")).status, 200, "{path} {group}");
    }
}

#[test]
fn entries_are_paged_both_ways_and_found_by_id_and_moment() {
    let site = Site::start(&[]);
    for id in 1..=120 {
        site.redis(&format!("XADD s {id}000-0 n {id}"));
    }
    let next = |page: &str, word: &str| {
        let (before, _) = page.split_once(&format!(">{word}</a>"))?;
        let (_, path) = before.rsplit_once("href=\"")?;
        Some(path.split('"').next()?.to_owned())
    };
    let ids = |page: &str| page.matches("class=\"id\"").count();
    let first = site.get("/streams/s").text;
    assert_eq!((ids(&first), next(&first, "Newer")), (50, None));
    let second = site.get(&next(&first, "Older").expect("more")).text;
    let third = site.get(&next(&second, "Older").expect("more")).text;
    assert_eq!((ids(&third), next(&third, "Older")), (20, None));
    let back = site.get(&next(&third, "Newer").expect("more")).text;
    assert!(back.contains(">21000-0<") && back.contains(">70000-0<"), "{back}");
    let found = site.get("/streams/s?from=1970-01-01T00:01:40Z").words();
    assert!(found.contains("100000-0") && !found.contains("99000-0"), "{found}");
    assert_eq!(site.get("/streams/s?from=nonsense").status, 400);
}

#[test]
fn the_policy_of_a_group_is_changed_and_the_group_paused() {
    let site = Site::start(&["--admin-write"]);
    site.redis("XGROUP CREATE orders billing 0 MKSTREAM");
    let page = "/streams/orders/groups/billing";
    let none = [
        ("visibility", ""),
        ("max_deliveries", ""),
        ("dead_letters", ""),
        ("backoff", ""),
        ("jitter", ""),
        ("max_in_flight", ""),
        ("order_by", ""),
        ("consumer_ttl", ""),
        ("consumer_deletion", ""),
    ];
    let with = |changed: &[(&'static str, &'static str)]| {
        let value = |(name, value)| {
            let new = changed.iter().find(|(of, _)| *of == name);
            (name, new.map_or(value, |(_, new)| *new))
        };
        none.map(value)
    };
    let policy = format!("{page}/policy");
    let same = site.submit(page, &policy, &none);
    assert!(same.words().contains("Nothing was changed"), "{}", same.words());
    let changed = [("visibility", "30s"), ("max_deliveries", "5"), ("backoff", "1s 2 1m")];
    let done = site.submit(page, &policy, &with(&changed)).words();
    assert!(done.contains("The policy was changed"), "{done}");
    assert!(done.contains("visibility 30s max deliveries 5 dead letters"), "{done}");
    let wrong = site.submit(page, &policy, &with(&[("visibility", "soon")])).words();
    assert!(wrong.contains("\"soon\" is no time"), "{wrong}");
    let done = site.submit(page, &format!("{page}/paused"), &[("paused", "true")]).words();
    assert!(
        done.contains("Paused: nothing is handed out") && done.contains("out: it is paused"),
        "{done}"
    );
    let done = site.submit(page, &format!("{page}/paused"), &[("paused", "false")]).words();
    assert!(done.contains("It goes on.") && !done.contains("out: it is paused"), "{done}");
}

#[test]
fn groups_and_consumers_are_paged() {
    let site = Site::start(&["--admin-write"]);
    site.redis("XADD orders 1-1 n 1");
    for number in 0..105 {
        site.redis(&format!("XGROUP CREATE orders group-{number:03} 0"));
        site.redis(&format!("XGROUP CREATECONSUMER orders group-000 worker-{number:03}"));
    }
    for (page, query, first, last) in [
        ("/streams/orders", "groups", "group-000", "group-104"),
        ("/streams/orders/entries/1-1", "groups", "group-000", "group-104"),
        ("/streams/orders/groups/group%2D000", "consumers", "worker-000", "worker-104"),
    ] {
        let one = site.get(page).text;
        let next = format!("href=\"{page}?{query}=1#{query}\"");
        assert!(one.contains(&next) && one.contains(&format!(">{first}<")), "{one}");
        assert!(!one.contains(&format!(">{last}<")), "{page}");
        let two = site.get(&format!("{page}?{query}=1")).text;
        assert!(two.contains(&format!(">{last}<")), "{two}");
        assert!(!two.contains(&format!(">{first}<")), "{page}");
        assert!(two.contains(&format!("href=\"{page}?{query}=0#{query}\"")), "{two}");
    }
    // Of a stream with many groups, an entry that was never there has a page: any of them may know.
    assert_eq!(site.get("/streams/orders/entries/9-9").status, 200);
    let place = site.get("/streams/orders?groups=1&before=9-9").text;
    assert!(place.contains("?groups=0&amp;before=9%2D9#groups"), "{place}");
}

/// Symptom: an entry could be added only to a stream that was there.
#[test]
fn an_entry_is_added_to_a_stream_that_is_not_there_yet() {
    let site = Site::start(&["--admin-write"]);
    let add = |stream: &str| {
        let fields = [("stream", stream), ("name", "n"), ("value", "1")];
        site.submit("/streams", "/streams", &fields).words()
    };
    assert!(add("a\\xff b").contains("was added"));
    let there = site.redis_words(&[b"XLEN", b"a\xff b"]);
    assert_eq!(there, redis::Value::Int(1));
    assert!(add("").contains("say which stream"));
    assert!(add("a\\q").contains("there is no escape \\q"));
    let strangers = Site::start(&[]);
    assert!(!strangers.get("/streams").text.contains("Add an entry"));
    let sent = strangers.post("/streams", &[("stream", "a"), ("name", "n"), ("value", "1")]);
    assert_eq!(strangers.redis("EXISTS a"), redis::Value::Int(0), "{}", sent.text);
}

/// Symptom: a group whose dead letters go where they do by default had "-" of them.
#[test]
fn a_group_without_dead_letters_has_none() {
    let site = Site::start(&[]);
    site.redis("XGROUP CREATE orders billing 0 MKSTREAM CFG MAXDELIVERIES 1");
    let letters = |count: &str| format!("Dead letters {count} ");
    let page = site.get("/streams/orders/groups/billing").words();
    assert!(page.contains(&letters("0")), "{page}");
    site.redis("XADD orders 1-1 n 1");
    site.redis("XREADGROUP GROUP billing ada STREAMS orders >");
    site.redis("XNACK orders billing FATAL IDS 1 1-1");
    let page = site.get("/streams/orders/groups/billing").words();
    assert!(page.contains(&letters("1")), "{page}");
}
