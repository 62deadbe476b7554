//! The table of commands in `COMPAT.md`, held against the lists of servers: every command of a real
//! Redis has a row, and ours has exactly those that the table says are here.

use std::collections::BTreeMap;

use millstream_conformance::{Program, Server, Value};

/// By command in lower case: what the table says of it.
fn rows() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../COMPAT.md");
    let page = std::fs::read_to_string(path).expect("read COMPAT.md");
    let (_, table) = page.split_once("| command | here | how").expect("there is a table");
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| "));
    rows.map(|row| {
        let (name, rest) = row.split_once(" | ").expect("a row has columns");
        (name.to_ascii_lowercase(), rest.to_owned())
    })
    .collect()
}

/// Names of all commands, without subcommands.
fn commands(name: &str) -> Option<Vec<String>> {
    let program = Program::named(name).expect("find the server")?;
    let server = Server::start(&program).expect("start the server");
    let mut client = server.connect().expect("connect");
    let Value::Array(all) = client.call(&["COMMAND", "LIST"]).expect("an answer") else {
        panic!("COMMAND LIST answers an array")
    };
    let name = |value: &Value| String::from_utf8_lossy(value.bytes().expect("a name")).into_owned();
    let names = all.iter().map(name).map(|name| name.to_ascii_lowercase());
    Some(names.filter(|name| !name.contains('|')).collect())
}

#[test]
fn every_command_of_redis_has_a_row_in_compat_md() {
    let rows = rows();
    for peer in ["redis-8.6", "redis-8.2"] {
        let Some(commands) = commands(peer) else { continue };
        assert!(commands.len() > 200, "{peer} has more commands than {}", commands.len());
        // Those of modules have a dot in their names, and are no commands of Redis itself.
        let missing: Vec<_> = commands
            .iter()
            .filter(|name| !name.contains('.') && !rows.contains_key(*name))
            .collect();
        assert!(missing.is_empty(), "{peer}: COMPAT.md has no row for {missing:?}");
    }
}

#[test]
fn millstream_has_exactly_the_commands_that_compat_md_says_are_here() {
    let mut ours = commands("millstream").expect("ours is built where it is missing");
    let here = rows().into_iter().filter(|(_, rest)| !rest.starts_with("no |"));
    let expected: Vec<_> = here.map(|(name, _)| name).collect();
    ours.sort_unstable();
    assert_eq!(ours, expected);
}
