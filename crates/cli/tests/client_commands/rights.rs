//! Users who may not do everything: what works for them, and what they are told.

use std::path::Path;

use millstream_conformance::Value;

use crate::on_all_servers;
use crate::place::{Outcome, Place, run_at, until};

on_all_servers!(
    a_user_of_some_keys_has_all_that_the_server_can,
    who_may_not_run_info_is_told_so,
    who_may_not_run_scripts_is_told_so,
    who_may_not_make_groups_works_for_those_that_are_there,
    a_group_that_must_exist_is_not_made_again,
);

/// The address of a user with these rules.
fn user(place: &Place, rules: &str) -> String {
    place.redis(&format!("ACL SETUSER ada on >secret {rules}"));
    place.url().replace("redis://", "redis://ada:secret@")
}

/// A stream of so many entries, and a group.
fn group_of(place: &Place, count: u32) {
    (1..=count).for_each(|id| _ = place.redis(&format!("XADD orders {id}-1 n {id}")));
    place.redis("XGROUP CREATE orders billing 0 MKSTREAM");
}

fn two_lines(folder: &Path) -> String {
    let file = folder.join("two.jsonl");
    std::fs::write(&file, "{\"n\":1}\n{\"n\":2}\n").expect("it can be written");
    file.display().to_string()
}

/// Symptom: a user whose rules name keys was told that Millstream has neither IDMP nor XNACK, and
/// what they gave back stayed with its consumer.
fn a_user_of_some_keys_has_all_that_the_server_can(place: &Place) {
    let url = user(place, "~orders* ~{orders}* +@all");
    let run = |line: &str| run_at(&url, line);
    let folder = tempfile::tempdir().expect("a folder");
    let produce = format!("produce orders {} --resume night", two_lines(folder.path()));
    let said = run(&produce).success();
    assert!(said.starts_with("2 entries were added to orders, the last "), "{said}");
    let said = run(&produce).success();
    assert_eq!(said, "0 entries were added to orders; 2 entries had been added before\n");

    let owners = |group: &str| {
        let listed = run(&format!("pending ls orders {group} --json")).json();
        let rows = listed["pending"].as_array().expect("a list").clone();
        rows.into_iter().map(|row| row["consumer"].clone()).collect::<Vec<_>>()
    };
    for group in ["failed", "fatal"] {
        place.redis(&format!("XGROUP CREATE orders {group} 0"));
        place.redis(&format!("XREADGROUP GROUP {group} w STREAMS orders >"));
    }
    let said = run("pending nack orders failed --all --yes").success();
    assert_eq!(said, "2 entries of group failed were given back\n");
    let fatal = run("pending nack orders fatal --all --mode fatal --yes");
    if place.is_millstream() {
        assert_eq!(fatal.success(), "2 entries of group fatal were given back\n");
        assert!(owners("failed").iter().all(serde_json::Value::is_null));
        let url = user(place, "-xnack");
        let refused = run_at(&url, "pending nack orders failed --all --yes").failure(1);
        let text = "NOPERM User ada has no permissions to run the 'xnack' command\n  next: ";
        assert!(refused.contains(text), "{refused}");
    } else {
        let said = fatal.failure(1);
        assert!(said.contains(" has no XNACK, which alone "), "{said}");
        assert_eq!(owners("failed"), ["w", "w"]);
    }
}

/// Symptom: a user without the right to INFO was told that Millstream has no group policies and no
/// retention.
fn who_may_not_run_info_is_told_so(place: &Place) {
    group_of(place, 1);
    let url = user(place, "~* +@all -info");
    for (line, what) in [
        ("group policy orders billing", "group policies"),
        ("group policy orders billing --visibility 30s", "group policies"),
        ("group pause orders billing", "group policies"),
        ("stream policy orders", "retention of streams"),
    ] {
        let said = run_at(&url, line).failure(1);
        let text = format!(
            ": the server does not tell this user what it is (INFO), and is taken for one that has \
             no {what}\n  next: give the user the right to run INFO (ACL SETUSER), which tells\n"
        );
        assert!(said.ends_with(&text), "{line}: {said}");
    }
    let Outcome { code, stderr, .. } = run_at(&url, "work orders billing --drain -- true");
    let text = "millstream: the server does not tell this user what it is (INFO), ";
    assert!(code == Some(0) && stderr.starts_with(text), "{code:?}: {stderr}");
    assert!(stderr.ends_with("millstream: 1 entry acknowledged\n"), "{stderr}");
}

/// Symptom: a user without the right to EVAL was told that Redis has no delayed messages.
fn who_may_not_run_scripts_is_told_so(place: &Place) {
    let url = user(place, "~* +@all -eval");
    let folder = tempfile::tempdir().expect("a folder");
    let produce = format!("produce orders {} --resume night", two_lines(folder.path()));
    for line in ["schedule add orders --in 1h n=1", &produce] {
        let outcome = run_at(&url, line);
        if place.is_millstream() {
            outcome.success();
            continue;
        }
        let said = outcome.failure(1);
        let text = "the server says: NOPERM User ada has no permissions to run the 'eval' \
                    command\n  next: the user needs the right to run this command (ACL SETUSER)\n";
        assert!(said.ends_with(text), "{line}: {said}");
    }
}

/// Symptom: a worker whose user may not make groups ended at once, although its group was there.
fn who_may_not_make_groups_works_for_those_that_are_there(place: &Place) {
    group_of(place, 1);
    let rules = "~orders* +@stream +@connection -xgroup +xgroup|createconsumer";
    let url = user(place, rules);
    for (id, options) in [(1, "--drain --must-exist"), (2, "--drain")] {
        let Outcome { code, stderr, .. } =
            run_at(&url, &format!("work orders billing {options} -- true"));
        assert_eq!(code, Some(0), "{options}: {stderr}");
        assert!(stderr.ends_with("millstream: 1 entry acknowledged\n"), "{options}: {stderr}");
        place.redis(&format!("XADD orders {}-1 n 1", id + 1));
    }
    let said = run_at(&url, "work orders none --drain -- true").failure(1);
    let text = "NOPERM User ada has no permissions to run the 'xgroup|create' command\n";
    assert!(said.contains(text), "{said}");
    if !place.is_millstream() {
        return;
    }
    // With INFO the policy counts, which is among what is shown of groups.
    let url = user(place, "+info +@transaction");
    let said = run_at(&url, "work orders billing --drain -- true").failure(1);
    let text = "'xgroup|cfgset' command\n  next: give the group a policy as a user who may ";
    assert!(said.contains(text), "{said}");
    place.run("group policy orders billing --max-deliveries 1").success();
    let Outcome { code, stderr, .. } = run_at(&url, "work orders billing --drain -- false");
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(place.redis("XLEN orders:dlq"), Value::Int(1));
}

/// Symptom: with `--must-exist` a group that somebody had removed was made again.
fn a_group_that_must_exist_is_not_made_again(place: &Place) {
    group_of(place, 0);
    let child = place.begin("work orders billing --must-exist -- true");
    until("it waits for entries", || {
        let clients = place.redis("CLIENT LIST");
        let clients = String::from_utf8_lossy(clients.bytes().expect("a text")).into_owned();
        clients.lines().any(|it| it.contains("flags=b ") && it.contains("cmd=xreadgroup "))
    });
    place.redis("XGROUP DESTROY orders billing");
    let said = Outcome::of(child.wait_with_output().expect("it ends")).failure(1);
    let text = "\nmillstream: cannot take from group billing of stream orders at ";
    assert!(said.contains(text), "{said}");
    assert_eq!(place.redis("XINFO GROUPS orders"), Value::Array(Vec::new()));
}

/// Symptom: a rule of `docs/security.md` took the right to INFO away again, and what its worker
/// gave up was settled by halves, without MULTI.
#[test]
fn users_of_the_page_may_do_what_it_says() {
    let place = Place::start("millstream").expect("it is there");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let lines = page.lines().filter(|line| line.starts_with("ACL SETUSER "));
    // The test goes on as `default`.
    let users: Vec<&str> = lines.filter(|line| !line.contains(" default ")).collect();
    assert_eq!(users.len(), 3, "{users:?}");
    users.iter().for_each(|line| _ = place.redis(line));
    let run = |user: &str, line: &str| {
        let credentials = format!("redis://{user}:{}-secret@", &user[..1]);
        run_at(&place.url().replace("redis://", &credentials), line)
    };
    let refused = |user: &str, line: &str| {
        let said = run(user, line).failure(1);
        assert!(said.contains("NOPERM"), "{user}: {line}: {said}");
    };
    place.run("group create orders billing --mkstream").success();
    place.run("group policy orders billing --max-deliveries 1").success();

    run("shop", "produce orders n=1").success();
    refused("shop", "produce others n=1");
    refused("shop", "stream info orders");

    for (script, letters) in [("true", 0), ("false", 1)] {
        run("shop", "produce orders n=1").success();
        let line = format!("work orders billing --must-exist --drain -- {script}");
        let Outcome { code, stderr, .. } = run("worker", &line);
        assert!(code == Some(0) && !stderr.contains("NOPERM"), "{code:?}: {stderr}");
        assert!(!stderr.contains("does not tell"), "{stderr}");
        assert_eq!(place.redis("XLEN orders:dlq"), Value::Int(letters));
    }
    refused("worker", "group create orders others");
    refused("worker", "stream info others");

    let policy = run("viewer", "group policy orders billing").success();
    assert!(policy.contains("max deliveries "), "{policy}");
    for line in ["stream ls", "stream info orders", "group ls orders", "dlq ls orders"] {
        run("viewer", line).success();
    }
    refused("viewer", "produce orders n=1");
}
