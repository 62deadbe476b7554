//! More streams than are kept in memory or asked for at once, on one server and on a Cluster.

use millstream_conformance::{Cluster, Program};
use serde_json::Value as Json;

use crate::on_all_servers;
use crate::place::{Place, run_at};

on_all_servers!(thousands_of_streams_are_listed_once_each);

/// More than are sorted, and no multiple of what is done at once.
const STREAMS: usize = 10_321;

fn names(document: &Json) -> Vec<String> {
    let streams = document["streams"].as_array().expect("a list");
    streams.iter().map(|it| it["stream"].as_str().expect("a text").to_owned()).collect()
}

fn thousands_of_streams_are_listed_once_each(place: &Place) {
    let wanted: Vec<String> = (0..STREAMS).map(|number| format!("s{number:05}")).collect();
    place.feed(wanted.iter().map(|key| format!("XADD {key} 1-1 f v")));
    let mut all = names(&place.run("stream ls --limit 0 --json").json());
    all.sort();
    assert_eq!(all, wanted);
    let some = place.run("stream ls s001* --json").json();
    assert_eq!(names(&some), wanted[100..200]);
    let limited = place.run("stream ls");
    assert_eq!(limited.stderr, "millstream: there are more than 1000 streams: see --limit\n");
    assert_eq!(limited.stdout.lines().count(), 1001);
}

#[test]
fn the_streams_of_all_servers_of_a_cluster_are_listed() {
    let Some(program) = Program::peer("valkey-9.1").expect("a peer") else { return };
    let cluster = Cluster::start(&program, 3).expect("start the Cluster");
    let url = format!("redis+cluster://{}", cluster.hosts());
    let run = |line: &str| run_at(&url, line);
    let wanted: Vec<String> = (0..20).map(|number| format!("s{number:02}")).collect();
    for key in &wanted {
        run(&format!("group create {key} g --mkstream")).success();
    }
    let owners = wanted.iter().map(|key| cluster.owner_of(key).expect("somebody has it"));
    let owners: std::collections::BTreeSet<usize> = owners.collect();
    assert_eq!(owners.len(), 3, "all servers have some");
    let listed = run("stream ls --json").json();
    assert_eq!(names(&listed), wanted);
    let sizes = listed["streams"].as_array().expect("a list");
    assert!(sizes.iter().all(|it| it["memory_bytes"].as_u64() > Some(0)), "{listed}");
    let text = "stream s00 was deleted, with 0 entries, 1 group, 0 pending\n";
    assert_eq!(run("stream delete s00 --yes").success(), text);
    assert_eq!(names(&run("stream ls --json").json()), wanted[1..]);
}
