use super::*;
use crate::table::CommandId;

fn line(text: &str) -> Vec<&[u8]> {
    text.split(' ').map(str::as_bytes).collect()
}

/// A reply as one line, in the manner of a client that shows it.
fn show(reply: &Reply) -> String {
    let join = |items: &[Reply]| items.iter().map(show).collect::<Vec<_>>().join(" ");
    match reply {
        Reply::Simple(text) => format!("+{text}"),
        Reply::Error(text) => format!("-{text}"),
        Reply::Int(value) => value.to_string(),
        Reply::Text(text) => (*text).to_owned(),
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Nil => "nil".to_owned(),
        Reply::Array(items) => format!("[{}]", join(items)),
        Reply::Set(items) => format!("~[{}]", join(items)),
        Reply::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}:{}", show(key), show(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(" "))
        }
        other => panic!("{other:?} is not part of these replies"),
    }
}

#[test]
fn info_has_ten_elements_in_the_shape_of_redis() {
    assert_eq!(
        show(&info(&line("COMMAND INFO XLEN nosuch"))),
        "[[xlen 2 ~[+readonly +fast] 1 1 1 ~[+@read +@stream +@fast] ~[] \
         ~[{flags:~[+RO] begin_search:{type:index spec:{index:1}} \
         find_keys:{type:range spec:{lastkey:0 keystep:1 limit:0}}}] ~[]] nil]"
    );
    assert_eq!(
        show(&info(&line("COMMAND INFO xread"))),
        "[[xread -4 ~[+readonly +blocking +movablekeys] 0 0 0 \
         ~[+@read +@stream +@slow +@blocking] ~[] ~[{flags:~[+RO +access] \
         begin_search:{type:keyword spec:{keyword:STREAMS startfrom:1}} \
         find_keys:{type:range spec:{lastkey:-1 keystep:1 limit:2}}}] ~[]]]"
    );
}

#[test]
fn info_knows_subcommands_by_their_full_names() {
    assert_eq!(
        show(&info(&line("COMMAND INFO XGROUP|help xgroup|foo xadd|foo xgroup| xgroup|create|x"))),
        "[[xgroup|help 2 ~[+loading +stale] 0 0 0 ~[+@stream +@slow] ~[] ~[] ~[]] nil nil nil nil]"
    );
    let Reply::Array(found) = info(&line("COMMAND INFO xgroup")) else { panic!("an array") };
    let Reply::Array(xgroup) = &found[0] else { panic!("an array") };
    assert!(matches!(&xgroup[9], Reply::Array(subcommands) if subcommands.len() == 9));
}

#[test]
fn command_without_names_describes_every_command() {
    let Reply::Int(count) = count() else { panic!("an integer") };
    for reply in [all(), info(&line("COMMAND INFO"))] {
        assert!(matches!(reply, Reply::Array(rows) if rows.len() as i64 == count));
    }
    let docs = docs(&line("COMMAND DOCS"));
    assert!(matches!(docs, Reply::Map(rows) if rows.len() as i64 == count));
}

#[test]
fn docs_leave_out_what_is_unknown() {
    assert_eq!(show(&docs(&line("COMMAND DOCS nosuch"))), "{}");
    let quit = show(&docs(&line("COMMAND DOCS quit nosuch")));
    assert!(quit.starts_with("{quit:{summary:") && quit.contains("since:1.0.0 group:connection"));
    assert!(quit.contains("doc_flags:~[+deprecated] deprecated_since:7.2.0 replaced_by:"));
    let config = show(&docs(&line("COMMAND DOCS config")));
    assert!(config.contains("subcommands:{config|get:{summary:"), "{config}");
}

#[test]
fn list_filters_names() {
    let list = |text: &str| show(&list(&line(text)));
    assert_eq!(
        list("COMMAND LIST FILTERBY PATTERN XA*"),
        "[xack xackdel xadd xautoclaim]",
        "letters of both cases are equal"
    );
    assert_eq!(
        list("COMMAND LIST FILTERBY pattern xgroup|cr*"),
        "[xgroup|create xgroup|createconsumer]"
    );
    assert_eq!(
        list("command list filterby aclcat TRANSACTION"),
        "[discard exec multi unwatch watch]"
    );
    for nothing in ["ACLCAT nosuch", "ACLCAT @stream", "ACLCAT all", "MODULE any"] {
        assert_eq!(list(&format!("COMMAND LIST FILTERBY {nothing}")), "[]", "{nothing}");
    }
    for bad in ["x", "FILTERBY x", "FILTERBY PATTERN", "FILTERBY FOO x", "x ACLCAT stream"] {
        assert_eq!(list(&format!("COMMAND LIST {bad}")), "-ERR syntax error", "{bad}");
    }
    assert_eq!(list("COMMAND LIST FILTERBY PATTERN a b"), "-ERR syntax error");
    let everything = list("COMMAND LIST");
    assert_eq!(everything.split(' ').count(), CommandId::COUNT);
    assert!(everything.contains(" xgroup xgroup|cfgget "));
}

#[test]
fn keys_are_found_or_the_reason_is_given() {
    for (command, expected) in [
        ("xadd k * a b", "[k]"),
        ("rename a b", "[a b]"),
        ("del a b c", "[a b c]"),
        ("xgroup create k g 0", "[k]"),
        ("XREAD COUNT 1 STREAMS a b 0 0", "[a b]"),
        ("nosuch a", "-ERR Invalid command specified"),
        ("xgroup foo k", "-ERR Invalid command specified"),
        ("xgroup|create k g 0", "-ERR Invalid command specified"),
        ("xadd k", "-ERR Invalid number of arguments specified for command"),
        ("xgroup create", "-ERR Invalid number of arguments specified for command"),
        ("xread a b c", "-ERR Invalid arguments specified for command"),
        ("xread COUNT 1 BLOCK", "-ERR Invalid arguments specified for command"),
        ("ping", "-ERR The command has no key arguments"),
        ("xgroup", "-ERR The command has no key arguments"),
        ("xgroup help", "-ERR The command has no key arguments"),
    ] {
        assert_eq!(show(&get_keys(&line(&format!("COMMAND GETKEYS {command}")))), expected);
    }
}

#[test]
fn keys_come_with_what_happens_to_them() {
    for (command, expected) in [
        ("xadd k * a b", "[[k ~[+RW +update]]]"),
        ("xschedule add k DELAY 5 f v", "[[k ~[+RW +insert]]]"),
        ("xschedule list k COUNT 5", "[[k ~[+RO +access]]]"),
        ("xschedule cancel k 5-1 6-2", "[[k ~[+RW +delete]]]"),
        ("xschedule run k 5-1 6-2", "[[k ~[+RW +update]]]"),
        ("rename a b", "[[a ~[+RW +access +delete]] [b ~[+OW +update]]]"),
        ("set k v", "[[k ~[+OW +update]]]"),
        ("set k v EX 1 get", "[[k ~[+RW +access +update]]]"),
        ("set k v IFEQ x", "[[k ~[+RW +update]]]"),
        ("ping", "-ERR The command has no key arguments"),
    ] {
        let reply = get_keys_and_flags(&line(&format!("COMMAND GETKEYSANDFLAGS {command}")));
        assert_eq!(show(&reply), expected);
    }
}

#[test]
fn help_lists_every_subcommand_and_no_other() {
    for (name, reply, lines) in [
        ("acl", help::acl(), None),
        ("client", help::client(), None),
        ("command", help::command(), Some(21)),
        ("config", help::config(), None),
        ("latency", help::latency(), Some(17)),
        ("memory", help::memory(), Some(14)),
        ("slowlog", help::slowlog(), Some(12)),
        ("module", help::module(), None),
        ("object", help::object(), None),
        ("xdlq", help::xdlq(), None),
        // Some are about what Redis does not have.
        ("xgroup", help::xgroup(), Some(17 + 20)),
        ("xinfo", help::xinfo(), Some(9)),
        ("xschedule", help::xschedule(), None),
    ] {
        let Reply::Array(page) = &reply else { panic!("an array") };
        assert!(
            lines.is_none_or(|lines| lines == page.len()),
            "{name} has as many lines as Redis'"
        );
        let usages: Vec<_> =
            page[1..].iter().map(show).filter(|line| !line.starts_with("+ ")).collect();
        let mut listed: Vec<_> = usages
            .iter()
            .filter_map(|line| line[1..].split(' ').next())
            .filter(|word| *word != "(no")
            .map(str::to_ascii_lowercase)
            .collect();
        listed.sort_unstable();
        listed.dedup();
        let command = table::find(name.as_bytes()).expect("a command with subcommands");
        let mut expected: Vec<_> = command.subcommands.iter().map(|spec| spec.word()).collect();
        expected.sort_unstable();
        assert_eq!(listed, expected, "{name}");
    }
}
