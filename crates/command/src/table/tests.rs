use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn everything() -> impl Iterator<Item = &'static CommandSpec> {
    all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands))
}

fn args(text: &str) -> Vec<&[u8]> {
    text.split(' ').map(str::as_bytes).collect()
}

fn refusal<A: AsRef<[u8]>>(args: &[A]) -> String {
    resolve(args).expect_err("a refusal").to_string()
}

#[test]
fn every_command_has_exactly_one_row_and_is_found_by_its_name() {
    let ids: HashSet<_> = everything().map(|spec| spec.id).collect();
    assert_eq!(ids.len(), CommandId::COUNT, "every id has a row");
    assert_eq!(everything().count(), CommandId::COUNT, "no id has two");
    assert!(ids.iter().all(|id| id.index() < CommandId::COUNT));
    for spec in everything() {
        assert_eq!(find_by_full_name(spec.name.as_bytes()).map(|spec| spec.id), Some(spec.id));
    }
}

#[test]
fn names_are_lower_case_and_short() {
    for spec in everything() {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        assert!(spec.word().bytes().all(letters), "{}", spec.name);
        assert!(spec.word().len() <= NAME_BYTES_MAX, "{}", spec.name);
    }
    for spec in all() {
        assert_eq!(spec.word(), spec.name);
        assert!(spec.name.bytes().all(|byte| byte.is_ascii_lowercase()), "packing relies on it");
        for subcommand in spec.subcommands {
            assert_eq!(subcommand.name, format!("{}|{}", spec.name, subcommand.word()));
            assert!(subcommand.subcommands.is_empty(), "{}", subcommand.name);
            assert!(subcommand.arity.abs() >= 2, "{}", subcommand.name);
        }
    }
}

#[test]
fn flags_categories_and_keys_of_a_row_agree() {
    for spec in everything() {
        let (name, flags) = (spec.name, spec.flags);
        assert!(!(flags.contains(Flag::Write) && flags.contains(Flag::Readonly)), "{name}");
        assert!(!flags.contains(Flag::DenyOom) || spec.is_write(), "{name}");
        let fast = spec.categories.contains(Category::Fast);
        assert_eq!(fast, flags.contains(Flag::Fast), "{name}");
        assert_ne!(fast, spec.categories.contains(Category::Slow), "{name}");
        let searched = spec.keys.iter().any(|key| matches!(key.begin, KeyBegin::Keyword { .. }));
        assert_eq!(searched, flags.contains(Flag::MovableKeys), "{name}");
        for key in spec.keys {
            let kinds = [KeyUse::ReadOnly, KeyUse::ReadWrite, KeyUse::Overwrite, KeyUse::Remove];
            assert_eq!(kinds.iter().filter(|kind| key.uses.contains(**kind)).count(), 1, "{name}");
            if let KeyBegin::Index(index) = key.begin {
                assert!(spec.arity.unsigned_abs() as usize > index, "{name} always has its key");
            }
        }
        let stream_command = spec.categories.contains(Category::Stream);
        assert!(!stream_command || spec.group == Group::Stream, "{name}");
        assert_eq!(spec.summary.split(". ").count(), 1, "{name} has one sentence");
        assert!(spec.summary.ends_with('.') && !spec.complexity.is_empty(), "{name}");
    }
}

#[test]
fn the_questions_that_gates_ask_have_the_answers_of_redis() {
    let named = |wanted: fn(&CommandSpec) -> bool| -> Vec<_> {
        everything().filter(|spec| wanted(spec)).map(|spec| spec.name).collect()
    };
    assert_eq!(
        named(CommandSpec::is_denied_without_memory),
        [
            "xadd",
            "xdlq|requeue",
            "xgroup|cfgset",
            "xgroup|create",
            "xgroup|createconsumer",
            "xidmprecord",
            "xschedule|add",
            "xschedule|run",
            "xsetid",
            "copy",
            "restore",
            "append",
            "decr",
            "decrby",
            "getset",
            "incr",
            "incrby",
            "incrbyfloat",
            "mset",
            "msetnx",
            "psetex",
            "set",
            "setex",
            "setnx",
        ]
    );
    assert_eq!(named(CommandSpec::is_blocking), ["xread", "xreadgroup", "wait", "waitaof"]);
    assert_eq!(named(CommandSpec::needs_no_auth), ["auth", "hello", "quit", "reset"]);
    assert_eq!(
        named(|spec| !spec.is_allowed_in_multi()),
        ["backup|pin", "backup|unpin", "save", "shutdown"]
    );
    assert_eq!(
        named(CommandSpec::is_container),
        [
            "xdlq",
            "xgroup",
            "xinfo",
            "xschedule",
            "client",
            "acl",
            "backup",
            "config",
            "module",
            "latency",
            "memory",
            "slowlog",
            "object",
        ]
    );
    assert!(named(CommandSpec::is_write).contains(&"xreadgroup"));
    assert!(!named(CommandSpec::is_write).contains(&"xread"));
    assert!(!named(CommandSpec::runs_while_loading).contains(&"ping"));
}

#[test]
fn old_clients_see_first_last_and_step_of_keys() {
    for (name, range) in [
        ("xadd", (1, 1, 1)),
        ("xgroup|create", (2, 2, 1)),
        ("del", (1, -1, 1)),
        ("rename", (1, 2, 1)),
        ("xread", (0, 0, 0)),
        ("ping", (0, 0, 0)),
    ] {
        assert_eq!(find_by_full_name(name.as_bytes()).expect(name).key_range(), range, "{name}");
    }
}

#[test]
fn an_unknown_name_is_not_found() {
    for name in [
        "",
        "xad",
        "xadd ",
        "xaddd",
        "xadd\0",
        "get ",
        "get\0",
        "xgroup|create",
        "xgroup|",
        "foo",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "@dd",
        "xadd\0\0\0\0\0\0\0\0\0\0\0\0",
        "xadd            ",
    ] {
        assert!(find(name.as_bytes()).is_none(), "{name:?}");
    }
}

#[test]
fn an_unknown_command_is_named_with_its_arguments_up_to_128_bytes() {
    assert_eq!(refusal(&args("FOO")), "ERR unknown command 'FOO'");
    assert_eq!(
        refusal(&[&b"f\r\no\n"[..], b"a\r\nb"]),
        "ERR unknown command 'f  o ', with args beginning with: 'a  b' "
    );
    assert_eq!(
        refusal(&[&b"FOO"[..], b"a\0b", b"q'q"]),
        "ERR unknown command 'FOO', with args beginning with: 'a' 'q'q' "
    );
    assert_eq!(refusal(&[&b"fo\0o"[..]]), "ERR unknown command 'fo'");
    assert_eq!(refusal(&[&b""[..], b""]), "ERR unknown command '', with args beginning with: '' ");
    let long = [vec![b'F'; 200], vec![b'x'; 200]];
    assert_eq!(
        refusal(&long),
        format!(
            "ERR unknown command '{}', with args beginning with: '{}' ",
            "F".repeat(128),
            "x".repeat(128)
        )
    );
    let filled = [vec![b'F'; 3], vec![b'x'; 120], vec![b'y'; 9], vec![b'z']];
    assert_eq!(
        refusal(&filled),
        format!(
            "ERR unknown command 'FFF', with args beginning with: '{}' 'yyyyy' ",
            "x".repeat(120)
        )
    );
    let empties: Vec<&[u8]> = std::iter::once(&b"FOO"[..]).chain([&b""[..]; 60]).collect();
    assert_eq!(
        refusal(&empties),
        format!("ERR unknown command 'FOO', with args beginning with: {}", "'' ".repeat(43))
    );
    assert_eq!(refusal::<&[u8]>(&[]), "ERR unknown command ''");
}

#[test]
fn what_is_no_utf_8_is_repeated_as_it_came() {
    let reply = |args: &[&[u8]]| match resolve(args).expect_err("a refusal").reply() {
        crate::Reply::ErrorBytes(text) => text,
        other => panic!("an error, not {other:?}"),
    };
    assert_eq!(
        reply(&[b"F\xe9", b"\xff\n\xfe"]),
        b"ERR unknown command 'F\xe9', with args beginning with: '\xff \xfe' "
    );
    assert_eq!(reply(&[b"XINFO", b"\xc3"]), b"ERR unknown subcommand '\xc3'. Try XINFO HELP.");
    // A cut may fall into the middle of a character.
    let long = format!("x{}", "\u{e9}".repeat(100)).into_bytes();
    let head = &b"ERR unknown command '"[..];
    assert_eq!(reply(&[&long]), [head, &long[..128], b"'"].concat());
    assert_eq!(refusal(&[&b"\xff"[..]]), "ERR unknown command '\u{fffd}'", "for people");
}

#[test]
fn an_unknown_subcommand_is_named_as_typed() {
    for (line, text) in [
        ("XGROUP Foo", "ERR unknown subcommand 'Foo'. Try XGROUP HELP."),
        ("xgroup a\r\nb", "ERR unknown subcommand 'a  b'. Try XGROUP HELP."),
        ("XGROUP ", "ERR unknown subcommand ''. Try XGROUP HELP."),
        ("XGROUP a\0b", "ERR unknown subcommand 'a'. Try XGROUP HELP."),
        ("XGROUP xgroup|create k g 0", "ERR unknown subcommand 'xgroup|create'. Try XGROUP HELP."),
        ("ConFig x", "ERR unknown subcommand 'x'. Try CONFIG HELP."),
        ("COMMAND FOO", "ERR unknown subcommand 'FOO'. Try COMMAND HELP."),
    ] {
        assert_eq!(refusal(&args(line)), text);
    }
    let long = [b"XGROUP".to_vec(), vec![b'F'; 200]];
    let cut = "F".repeat(128);
    assert_eq!(refusal(&long), format!("ERR unknown subcommand '{cut}'. Try XGROUP HELP."));
}

#[test]
fn the_number_of_arguments_must_fit() {
    for (line, name) in [
        ("XADD", "xadd"),
        ("XLEN a b", "xlen"),
        ("xgroup", "xgroup"),
        ("XgrouP create", "xgroup|create"),
        ("XGROUP help x", "xgroup|help"),
        ("COMMAND COUNT x", "command|count"),
    ] {
        let text = format!("ERR wrong number of arguments for '{name}' command");
        assert_eq!(refusal(&args(line)), text);
    }
    assert_eq!(
        refusal(&args("EXEC now")),
        "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"
    );
    assert_eq!(resolve(&args("COMMAND")).expect("no subcommand needed").id, CommandId::Command);
    let create = resolve(&args("xGROUP CREATE k g $ MKSTREAM")).expect("right");
    assert_eq!(create.id, CommandId::XgroupCreate);
    assert_eq!(resolve(&args("PING help")).expect("has no subcommands").id, CommandId::Ping);
}

#[test]
fn every_row_but_containers_can_be_resolved() {
    for spec in everything().filter(|spec| !spec.is_container()) {
        let mut line = spec.name.replace('|', " ");
        while args(&line).len() < spec.arity.unsigned_abs() as usize {
            line.push_str(" x");
        }
        assert_eq!(resolve(&args(&line)).expect(&line).id, spec.id);
    }
}

#[test]
fn the_word_streams_is_not_mistaken_for_the_value_of_an_option() {
    for (line, expected) in [
        ("XREAD STREAMS a 0", "a"),
        ("xread streams a b 0 0", "a b"),
        ("XREAD COUNT 1 STREAMS STREAMS a 0 0", "STREAMS a"),
        ("XREAD COUNT STREAMS STREAMS a 0", "a"),
        ("XREAD MAXCOUNT 5 MAXSIZE STREAMS STREAMS a $", "a"),
        ("XREADGROUP GROUP g STREAMS STREAMS a >", "a"),
        ("XREADGROUP NOACK GROUP g STREAMS STREAMS a >", "a"),
        ("XREADGROUP COUNT 1 GROUP STREAMS STREAMS STREAMS a >", "a"),
        ("XREADGROUP GROUP g c CLAIM 9 BLOCK 0 COUNT 1 NOACK STREAMS a b > >", "a b"),
        ("XREAD STREAMS a b 0", "a"),
    ] {
        let line = args(line);
        let spec = resolve(&line).expect("right");
        let found = keys(spec, &line).expect("has keys");
        let found: Vec<_> =
            found.map(|key| std::str::from_utf8(line[key.index]).expect("UTF-8")).collect();
        assert_eq!(found.join(" "), expected);
    }
    let line = args("XREAD COUNT 1 BLOCK");
    assert!(keys(resolve(&line).expect("right"), &line).is_err());
}

proptest! {
    #[test]
    fn a_name_is_found_in_any_mixture_of_cases(seed in any::<u64>()) {
        for spec in all() {
            let mixed: Vec<u8> = spec.name.bytes().enumerate().map(|(at, byte)| {
                if seed >> (at % 64) & 1 == 0 { byte } else { byte.to_ascii_uppercase() }
            }).collect();
            prop_assert_eq!(find(&mixed).map(|spec| spec.id), Some(spec.id));
        }
    }

    #[test]
    fn only_names_are_found(name in "[a-zA-Z@`\\[ \\-]{1,7}") {
        let known = all().find(|spec| spec.name.eq_ignore_ascii_case(&name));
        prop_assert_eq!(find(name.as_bytes()).map(|spec| spec.id), known.map(|spec| spec.id));
    }

    #[test]
    fn no_arguments_make_a_lookup_panic(
        line in proptest::collection::vec(
            "(?i)xread|xreadgroup|streams|group|count|set|get|[a-z]{0,3}",
            0..9,
        )
    ) {
        if let Ok(spec) = resolve(&line)
            && let Ok(found) = keys(spec, &line)
        {
            for key in found {
                prop_assert!(key.index < line.len());
            }
        }
    }
}
