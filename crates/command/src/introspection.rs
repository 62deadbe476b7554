//! COMMAND and the HELP of every container: the command table as replies.
//!
//! Pure functions of the table and of the full command line, whose number of arguments has been
//! checked; they know no session. Shapes and error texts are those of Redis, sentences are our own.
//! Tests in `introspection/tests.rs`.

mod describe;
pub mod help;

use crate::Reply;
use crate::glob;
use crate::table::{self, Category, CommandSpec, KeyPosition};

/// COMMAND: all commands in the shape for programs.
#[must_use]
pub fn all() -> Reply {
    Reply::Array(table::all().map(describe::info).collect())
}

/// COMMAND COUNT. Subcommands do not count.
#[must_use]
pub fn count() -> Reply {
    Reply::Int(table::all().count().try_into().expect("a table in memory is smaller"))
}

/// COMMAND INFO: the commands named, nil for each unknown one; all commands without names.
#[must_use]
pub fn info<A: AsRef<[u8]>>(args: &[A]) -> Reply {
    if args.len() <= 2 {
        return all();
    }
    let info = |name: &A| match table::find_by_full_name(name.as_ref()) {
        Some(spec) => describe::info(spec),
        None => Reply::Nil,
    };
    Reply::Array(args[2..].iter().map(info).collect())
}

/// COMMAND DOCS: the commands named, without the unknown ones; all commands without names.
#[must_use]
pub fn docs<A: AsRef<[u8]>>(args: &[A]) -> Reply {
    let docs = |spec: &'static CommandSpec| (Reply::Text(spec.name), describe::docs(spec));
    if args.len() <= 2 {
        return Reply::Map(table::all().map(docs).collect());
    }
    let found = args[2..].iter().filter_map(|name| table::find_by_full_name(name.as_ref()));
    Reply::Map(found.map(docs).collect())
}

/// COMMAND LIST, with `FILTERBY MODULE|ACLCAT|PATTERN value`: names, those of subcommands too.
#[must_use]
pub fn list<A: AsRef<[u8]>>(args: &[A]) -> Reply {
    let words: Vec<&[u8]> = args.iter().skip(2).map(AsRef::as_ref).collect();
    match words[..] {
        [] => names(|_| true),
        [filter, by, value] if filter.eq_ignore_ascii_case(b"FILTERBY") => {
            if by.eq_ignore_ascii_case(b"MODULE") {
                return names(|_| false);
            }
            if by.eq_ignore_ascii_case(b"ACLCAT") {
                let category = Category::from_word(value);
                return names(|spec| category.is_some_and(|one| spec.categories.contains(one)));
            }
            if by.eq_ignore_ascii_case(b"PATTERN") {
                return names(|spec| glob::matches_nocase(value, spec.name.as_bytes()));
            }
            syntax_error()
        }
        _ => syntax_error(),
    }
}

fn names(wanted: impl Fn(&CommandSpec) -> bool) -> Reply {
    let with_subcommands =
        table::all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands));
    Reply::Array(
        with_subcommands.filter(|spec| wanted(spec)).map(|spec| Reply::Text(spec.name)).collect(),
    )
}

fn syntax_error() -> Reply {
    Reply::Error("ERR syntax error".into())
}

/// COMMAND GETKEYS: the keys of the command line that follows.
#[must_use]
pub fn get_keys<A: AsRef<[u8]>>(args: &[A]) -> Reply {
    keys_of(args, |key, _| key)
}

/// COMMAND GETKEYSANDFLAGS: those keys, each with what happens to it.
#[must_use]
pub fn get_keys_and_flags<A: AsRef<[u8]>>(args: &[A]) -> Reply {
    keys_of(args, |key, position| Reply::Array(vec![key, describe::uses(position.uses)]))
}

fn keys_of<A: AsRef<[u8]>>(args: &[A], reply: impl Fn(Reply, KeyPosition) -> Reply) -> Reply {
    let line = args.get(2..).unwrap_or_default();
    let keys = match find_keys(line) {
        Ok(keys) => keys,
        Err(text) => return Reply::Error(text.into()),
    };
    let copy = |position: &KeyPosition| {
        Reply::bulk(bytes::Bytes::copy_from_slice(line[position.index].as_ref()))
    };
    Reply::Array(keys.into_iter().map(|position| reply(copy(&position), position)).collect())
}

fn find_keys<A: AsRef<[u8]>>(line: &[A]) -> Result<Vec<KeyPosition>, &'static str> {
    let spec = table::resolve_name(line).map_err(|_| "ERR Invalid command specified")?;
    if spec.keys.is_empty() {
        return Err("ERR The command has no key arguments");
    }
    if !spec.accepts(line.len()) {
        return Err("ERR Invalid number of arguments specified for command");
    }
    let keys: Vec<_> = table::keys(spec, line).into_iter().flatten().collect();
    if keys.is_empty() { Err("ERR Invalid arguments specified for command") } else { Ok(keys) }
}

#[cfg(test)]
mod tests;
