//! One row of the command table as a reply: for programs, and for people.

use std::borrow::Cow;

use crate::Reply;
use crate::table::{CommandSpec, KeyBegin, KeyExtent, KeySpec, KeyUses};

/// The ten elements that COMMAND INFO has for a command.
pub(super) fn info(spec: &CommandSpec) -> Reply {
    let (first, last, step) = spec.key_range();
    let flags = spec.flags.iter().map(|flag| status(flag.word()));
    let categories = spec.categories.iter().map(|category| format!("@{}", category.word()));
    // Redis says "set" for subcommands if there are none, and "array" if there are.
    let subcommands = match spec.subcommands {
        [] => Reply::Set(Vec::new()),
        some => Reply::Array(some.iter().map(info).collect()),
    };
    Reply::Array(vec![
        Reply::Text(spec.name),
        Reply::Int(spec.arity.into()),
        Reply::Set(flags.collect()),
        Reply::Int(first),
        Reply::Int(last),
        Reply::Int(step),
        Reply::Set(categories.map(|name| Reply::Simple(Cow::Owned(name))).collect()),
        Reply::Set(spec.tips.iter().copied().map(Reply::Text).collect()),
        Reply::Set(spec.keys.iter().map(key_spec).collect()),
        subcommands,
    ])
}

/// What COMMAND DOCS has for a command, without its name.
pub(super) fn docs(spec: &CommandSpec) -> Reply {
    let mut fields = vec![
        ("summary", Reply::Text(spec.summary)),
        ("since", Reply::Text(spec.since)),
        ("group", Reply::Text(spec.group.word())),
        ("complexity", Reply::Text(spec.complexity)),
        // Redis has it in COMMAND INFO only; here help needs no second command.
        ("arity", Reply::Int(spec.arity.into())),
    ];
    if let Some(deprecated) = spec.deprecated {
        fields.push(("doc_flags", Reply::Set(vec![status("deprecated")])));
        fields.push(("deprecated_since", Reply::Text(deprecated.since)));
        fields.push(("replaced_by", Reply::Text(deprecated.replaced_by)));
    }
    if !spec.subcommands.is_empty() {
        let subcommands = spec.subcommands.iter().map(|one| (Reply::Text(one.name), docs(one)));
        fields.push(("subcommands", Reply::Map(subcommands.collect())));
    }
    map(fields)
}

/// What happens to a key, in the words of key specifications.
pub(super) fn uses(uses: KeyUses) -> Reply {
    Reply::Set(uses.iter().map(|one| status(one.word())).collect())
}

fn key_spec(spec: &KeySpec) -> Reply {
    let mut fields = Vec::new();
    if let Some(note) = spec.note {
        fields.push(("notes", Reply::Text(note)));
    }
    fields.push(("flags", uses(spec.uses)));
    fields.push(("begin_search", begin_search(spec.begin)));
    let (last, step, limit) = match spec.extent {
        KeyExtent::One => (0, 1, 0),
        KeyExtent::All => (-1, 1, 0),
        KeyExtent::EverySecond => (-1, 2, 0),
        KeyExtent::FirstHalf => (-1, 1, 2),
    };
    let range = vec![
        ("lastkey", Reply::Int(last)),
        ("keystep", Reply::Int(step)),
        ("limit", Reply::Int(limit)),
    ];
    fields.push(("find_keys", typed("range", range)));
    map(fields)
}

fn begin_search(begin: KeyBegin) -> Reply {
    match begin {
        KeyBegin::Index(index) => typed("index", vec![("index", argument(index))]),
        KeyBegin::Keyword { word, start_from } => typed(
            "keyword",
            vec![("keyword", Reply::Text(word)), ("startfrom", argument(start_from))],
        ),
    }
}

fn typed(kind: &'static str, spec: Vec<(&'static str, Reply)>) -> Reply {
    map(vec![("type", Reply::Text(kind)), ("spec", map(spec))])
}

fn argument(index: usize) -> Reply {
    Reply::Int(index.try_into().expect("a literal of the table"))
}

fn status(word: &'static str) -> Reply {
    Reply::Simple(Cow::Borrowed(word))
}

fn map(fields: Vec<(&'static str, Reply)>) -> Reply {
    Reply::Map(fields.into_iter().map(|(name, value)| (Reply::Text(name), value)).collect())
}
