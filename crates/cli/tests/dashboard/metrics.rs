//! `/metrics` as Prometheus asks for it. What its own parser says: `tests/clients/observers`.

use std::collections::BTreeSet;
use std::thread;

use crate::site::{Answer, Site};

const OPEN_METRICS: (&str, &str) =
    ("accept", "application/openmetrics-text;version=1.0.0,*/*;q=0.1");

/// The value of a sample, which stands there once.
#[track_caller]
fn value(metrics: &str, sample: &str) -> f64 {
    let mut values =
        metrics.lines().filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    let value = values.next().unwrap_or_else(|| panic!("{sample} is missing in {metrics}"));
    assert_eq!(values.next(), None, "{sample} stands there twice");
    value.parse().expect("a number")
}

/// Once all of these lines are there.
#[track_caller]
fn until_told(site: &Site, path: &str, lines: &[&str]) -> String {
    let has = |answer: &Answer, line: &str| answer.text.lines().any(|found| found == line);
    site.until(path, |answer| lines.iter().all(|line| has(answer, line))).text
}

/// Names of all metrics.
fn names(metrics: &str) -> BTreeSet<&str> {
    let heads = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    heads.filter_map(|head| head.split(' ').next()).collect()
}

/// What is told once all that [`eventful`] did was seen: streams are looked at one after the other,
/// and the first look may have come in the middle of it.
const ALL_SEEN: [&str; 3] = [
    "redis_stream_length{db=\"db0\",stream=\"orders\"} 3",
    "redis_stream_length{db=\"db0\",stream=\"orders:dlq\"} 1",
    "redis_stream_group_messages_pending{db=\"db0\",stream=\"orders\",group=\"audit\"} 1",
];

/// A server where everything has happened at least once.
fn eventful() -> Site {
    let site = Site::start(&[]);
    for line in [
        "SET greeting hello EX 1000",
        "XADD orders 500-1 n 0",
        "XDEL orders 500-1",
        "XCFGSET orders MAXBYTES 1000000",
        "XADD orders 1000-1 n 1",
        "XADD orders 2000-1 n 2",
        "XADD orders 3000-1 n 3",
        "XSCHEDULE ADD orders DELAY 3600000 n 4",
        "XGROUP CREATE orders billing 0",
        "XGROUP CFGSET orders billing MAXDELIVERIES 1 VISIBILITY 60000",
        "XGROUP CREATE orders audit 0",
        "XREADGROUP GROUP billing ada COUNT 2 STREAMS orders >",
        "XREADGROUP GROUP audit bob COUNT 2 STREAMS orders >",
        "XACK orders billing 1000-1",
        "XNACK orders billing FATAL IDS 1 2000-1",
        "XACK orders audit 1000-1",
    ] {
        site.redis(line);
    }
    site
}

#[test]
fn streams_and_groups_have_the_names_of_redis_exporter_and_ours() {
    let site = eventful();
    let told = until_told(&site, "/metrics?consumers=1", &ALL_SEEN);
    for (sample, expected) in [
        ("redis_up", 1.0),
        ("redis_db_keys{db=\"db0\"}", 3.0),
        ("redis_commands_total{cmd=\"xgroup|create\"}", 2.0),
        ("redis_stream_groups{db=\"db0\",stream=\"orders\"}", 2.0),
        ("redis_stream_last_generated_id{db=\"db0\",stream=\"orders\"}", 3000.0),
        ("redis_stream_first_entry_id{db=\"db0\",stream=\"orders\"}", 1000.0),
        ("redis_stream_max_deleted_entry_id{db=\"db0\",stream=\"orders\"}", 500.0),
        ("millstream_stream_entries_added_total{db=\"db0\",stream=\"orders\"}", 4.0),
        ("millstream_stream_scheduled{db=\"db0\",stream=\"orders\"}", 1.0),
        ("millstream_dead_letters{db=\"db0\",stream=\"orders:dlq\"}", 1.0),
        ("millstream_delivered_total", 4.0),
        ("millstream_acked_total", 2.0),
        ("millstream_dead_lettered_total", 1.0),
        ("millstream_queue_wait_seconds_count", 4.0),
        ("millstream_queue_wait_seconds_bucket{le=\"+Inf\"}", 4.0),
        ("millstream_metrics_streams", 2.0),
    ] {
        assert_eq!(value(&told, sample), expected, "{sample}");
    }
    let of = |name: &str, group: &str| {
        format!("{name}{{db=\"db0\",stream=\"orders\",group=\"{group}\"}}")
    };
    for (name, group, expected) in [
        ("redis_stream_group_consumers", "billing", 1.0),
        ("redis_stream_group_messages_pending", "billing", 0.0),
        ("redis_stream_group_messages_pending", "audit", 1.0),
        ("redis_stream_group_last_delivered_id", "audit", 2000.0),
        ("redis_stream_group_lag", "billing", 1.0),
        ("millstream_group_delivered_total", "billing", 2.0),
        ("millstream_group_acked_total", "billing", 1.0),
        ("millstream_group_dead_lettered_total", "billing", 1.0),
        ("millstream_group_oldest_pending_seconds", "billing", 0.0),
    ] {
        assert_eq!(value(&told, &of(name, group)), expected, "{name} {group}");
    }
    for group in ["billing", "audit"] {
        // Symptom: without a policy it was missing where entries waited, so no alert came.
        let age = value(&told, &of("millstream_group_oldest_undelivered_seconds", group));
        assert!(age > 1e9, "{group}: {age}");
    }
    let consumer = "{db=\"db0\",stream=\"orders\",group=\"audit\",consumer=\"bob\"}";
    let pending = format!("redis_stream_group_consumer_messages_pending{consumer}");
    assert_eq!(value(&told, &pending), 1.0);
    assert!(value(&told, "millstream_fsync_seconds_count") >= 10.0);
    assert!(value(&told, "millstream_disk_bytes") > value(&told, "millstream_log_bytes"));
    let without = site.get("/metrics").text;
    assert!(!without.contains("consumer=\""), "consumers are told of on demand");
}

/// Symptom: dead letters that went where a policy said were no dead letters in the numbers.
#[test]
fn dead_letters_are_counted_where_policies_have_them_go() {
    let site = Site::start(&["--admin-write"]);
    for line in [
        "XGROUP CREATE orders billing 0 MKSTREAM CFG MAXDELIVERIES 1 DEADLETTER graveyard",
        "XADD orders 1-1 f v",
        "XREADGROUP GROUP billing ada STREAMS orders >",
        "XNACK orders billing FATAL IDS 1 1-1",
    ] {
        site.redis(line);
    }
    until_told(&site, "/metrics", &["millstream_dead_letters{db=\"db0\",stream=\"graveyard\"} 1"]);
    site.until("/api/v1/overview", |overview| overview.text.contains("\"dead_letters\":1"));
}

#[test]
fn openmetrics_is_spoken_where_it_is_asked_for() {
    let site = Site::start(&[]);
    let plain = site.get("/metrics");
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(plain.text.contains("# TYPE redis_commands_processed_total counter\n"));
    let open = site.get_with("/metrics", &[OPEN_METRICS]);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), kind);
    assert!(open.text.contains("# TYPE redis_commands_processed counter\n"), "{}", open.text);
    assert!(open.text.ends_with("# EOF\n"));
}

#[test]
fn names_of_any_bytes_are_labels_and_no_two_are_the_same() {
    let site = Site::start(&[]);
    // The first two look the same where names are shown: only one of them is told of.
    let names: [&[u8]; 6] =
        [b"", b"\"\"", b"a\"\\\n}\xff", b"{x=\"y\"} 1\n# EOF", b" ", "\u{202e}ü".as_bytes()];
    for name in names {
        site.redis_words(&[b"XADD", name, b"1-1", b"f", b"v"]);
        site.redis_words(&[b"XGROUP", b"CREATE", name, name, b"0"]);
        site.redis_words(&[b"XREADGROUP", b"GROUP", name, name, b"STREAMS", name, b">"]);
    }
    let told = until_told(
        &site,
        "/metrics?consumers=1",
        &["millstream_metrics_streams 5", "millstream_metrics_streams_left_out 1"],
    );
    let lengths: BTreeSet<&str> =
        told.lines().filter_map(|line| line.strip_prefix("redis_stream_length{")).collect();
    let expected = [
        "db=\"db0\",stream=\"\\\"\\\"\"} 1",
        "db=\"db0\",stream=\"\\\\x20\"} 1",
        "db=\"db0\",stream=\"a\\\"\\\\\\\\\\\\n}\\\\xff\"} 1",
        "db=\"db0\",stream=\"{x=\\\"y\\\"} 1\\\\n# EOF\"} 1",
        "db=\"db0\",stream=\"\\\\u{202e}ü\"} 1",
    ];
    assert_eq!(lengths, BTreeSet::from(expected));
    let mut series: Vec<_> = told.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    series.retain(|(series, _)| !series.starts_with('#'));
    let all = series.len();
    series.sort_unstable();
    series.dedup_by_key(|(series, _)| *series);
    assert_eq!(series.len(), all, "a series stands there twice");
}

#[test]
fn streams_are_chosen_by_a_pattern_and_at_most_500_are_told_of() {
    let site = Site::start(&[]);
    let mut connection = site.connect();
    let mut all = redis::pipe();
    for number in 0..520 {
        all.cmd("XADD").arg(format!("many:{number}")).arg("1-1").arg("f").arg("v");
    }
    all.cmd("XADD").arg("busy").arg("1-1").arg("f").arg("v");
    for number in 2..100 {
        all.cmd("XADD").arg("busy").arg(format!("{number}-1")).arg("f").arg("v");
    }
    let _: Vec<String> = all.query(&mut connection).expect("it adds");
    let told = until_told(
        &site,
        "/metrics",
        &["millstream_metrics_streams 500", "millstream_metrics_streams_left_out 21"],
    );
    assert_eq!(told.matches("\nredis_stream_length{").count(), 500);
    assert!(told.contains("redis_stream_length{db=\"db0\",stream=\"busy\"} 99\n"), "the busiest");
    let some = site.get("/metrics?streams=many:51[0-4]").text;
    assert_eq!(value(&some, "millstream_metrics_streams"), 5.0);
    assert_eq!(value(&some, "millstream_metrics_streams_left_out"), 0.0);
    assert_eq!(some.matches("\nredis_stream_length{").count(), 5);
    assert_eq!(site.get("/metrics?consumers=yes").status, 400);
}

#[test]
fn a_password_is_asked_for_and_given_with_each_scrape() {
    let site = Site::start(&["--requirepass", "secret"]);
    let refused = site.get("/metrics");
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").starts_with("Basic"), "{:?}", refused.headers);
    assert!(!refused.text.contains("redis_"), "{}", refused.text);
    for (given, status) in
        [("Basic ZGVmYXVsdDpzZWNyZXQ=", 200), ("Basic ZGVmYXVsdDp3cm9uZw==", 401)]
    {
        assert_eq!(site.get_with("/metrics", &[("authorization", given)]).status, status);
    }
}

#[test]
fn many_scrapes_at_once_are_few_looks() {
    let site = Site::start(&[]);
    site.redis("XADD s 1-1 f v");
    until_told(&site, "/metrics", &["millstream_metrics_streams 1"]);
    let infos = |text: &str| value(text, "redis_commands_total{cmd=\"info\"}");
    let before = infos(&site.get("/metrics").text);
    // The first one waits for the server, and all others for the first.
    site.redis("CLIENT PAUSE 1000 ALL");
    let url = format!("http://{}/metrics", site.host);
    let scrape = || {
        let url = url.clone();
        thread::spawn(move || ureq::get(url).call().expect("it answers").status().as_u16())
    };
    let all: Vec<_> = (0..40).map(|_| scrape()).collect();
    assert!(all.into_iter().all(|one| one.join().expect("it ends") == 200));
    let asked = infos(&site.get("/metrics").text) - before;
    assert!(asked < 20.0, "{asked} times for 41 scrapes");
}

#[test]
fn a_scrape_counts_as_no_error_of_the_server() {
    let site = Site::start(&[]);
    let errors = |text: &str| value(text, "redis_total_error_replies_total");
    let before = errors(&site.get("/metrics").text);
    for _ in 0..5 {
        assert_eq!(site.get("/api/v1/overview").status, 200);
        assert_eq!(errors(&site.get("/metrics").text), before);
    }
}

/// `redis_…` and `millstream_…` in a text.
fn mentioned(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("redis_") || word.starts_with("millstream_")).collect()
}

fn repository_file(path: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    std::fs::read_to_string(format!("{root}{path}"))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn what_dashboards_alerts_and_the_documentation_name_is_there() {
    let site = eventful();
    let path = "/metrics?consumers=1";
    let told = until_told(&site, path, &ALL_SEEN);
    let there = names(&told);
    let series: BTreeSet<&str> =
        told.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    for file in [
        "contrib/grafana/millstream.json",
        "contrib/prometheus/alerts.yml",
        "contrib/keda/scaledobject.yml",
    ] {
        let text = repository_file(file);
        // A field of INFO.
        let text = text.replace("(millstream_poison_reason)", "");
        let missing: Vec<_> =
            mentioned(&text).into_iter().filter(|it| !series.contains(it)).collect();
        assert!(missing.is_empty(), "{file} names {missing:?}");
    }
    let dashboard = repository_file("contrib/grafana/millstream.json");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).expect("it is JSON");
    assert_eq!(dashboard["uid"], "millstream");

    let page = repository_file("docs/monitoring.md");
    let is_metric = |row: &&str| {
        ["counter", "gauge", "histogram"].iter().any(|kind| row.contains(&format!("` | {kind} |")))
    };
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")).filter(is_metric);
    let documented: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(documented, there, "docs/monitoring.md lists all metrics");
    let alerts = repository_file("contrib/prometheus/alerts.yml");
    let alerts: BTreeSet<&str> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let explained: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next())
        .filter(|word| word.starts_with("Millstream"))
        .collect();
    assert_eq!(explained, alerts, "docs/monitoring.md says what each alert means");
}
