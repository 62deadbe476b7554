//! Rows of the command table: strings.
//!
//! Data only; what it means is said in `table/spec.rs`.

use super::CommandId as Id;
use super::spec::{CommandSpec, KeySpec};
use super::words::Group::String;
use super::words::KeyUse::{
    Access, Delete, Insert, Overwrite, ReadOnly, ReadWrite, Update, VariableFlags,
};
use super::words::{Category, Flag};

pub(super) static ROWS: [CommandSpec; 18] = [
    CommandSpec::new(String, Id::Append, "append", 3)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Insert])])
        .docs("2.0.0", "O(N) for a string of N bytes", "Puts text behind the string at a key."),
    CommandSpec::new(String, Id::Decr, "decr", 2)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Update])])
        .docs("1.0.0", "O(1)", "Takes one from the integer at a key, which starts at 0."),
    CommandSpec::new(String, Id::Decrby, "decrby", 3)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Update])])
        .docs("1.0.0", "O(1)", "Takes a number from the integer at a key, which starts at 0."),
    CommandSpec::new(String, Id::Get, "get", 2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .docs("1.0.0", "O(1)", "Returns the string at a key."),
    CommandSpec::new(String, Id::Getdel, "getdel", 2)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Delete])])
        .docs("6.2.0", "O(1)", "Returns the string at a key and removes the key."),
    CommandSpec::new(String, Id::Getex, "getex", -2)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Update]).note("changes the expiry")])
        .docs("6.2.0", "O(1)", "Returns the string at a key and sets or takes away its expiry."),
    CommandSpec::new(String, Id::Getset, "getset", 3)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Update])])
        .docs("1.0.0", "O(1)", "Stores a string at a key and returns the one before.")
        .deprecated("6.2.0", "SET with GET"),
    CommandSpec::new(String, Id::Incr, "incr", 2)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Update])])
        .docs("1.0.0", "O(1)", "Adds one to the integer at a key, which starts at 0."),
    CommandSpec::new(String, Id::Incrby, "incrby", 3)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Update])])
        .docs("1.0.0", "O(1)", "Adds a number to the integer at a key, which starts at 0."),
    CommandSpec::new(String, Id::Incrbyfloat, "incrbyfloat", 3)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Update])])
        .docs(
            "2.6.0",
            "O(1)",
            "Adds a number with a fraction to the number at a key, which starts at 0.",
        ),
    CommandSpec::new(String, Id::Mget, "mget", -2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::all(&[ReadOnly, Access])])
        .tips(&["request_policy:multi_shard"])
        .docs("1.0.0", "O(N) for N keys", "Returns the strings at keys."),
    CommandSpec::new(String, Id::Mset, "mset", -3)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::String])
        .keys(&[KeySpec::every_second(&[Overwrite, Update])])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .docs("1.0.1", "O(N) for N keys", "Stores strings at keys, all at once."),
    CommandSpec::new(String, Id::Msetnx, "msetnx", -3)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::String])
        .keys(&[KeySpec::every_second(&[Overwrite, Insert])])
        .docs("1.0.1", "O(N) for N keys", "Stores strings at keys if none of them exists."),
    CommandSpec::new(String, Id::Psetex, "psetex", 4)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[Overwrite, Update])])
        .docs("2.6.0", "O(1)", "Stores a string at a key that vanishes in so many milliseconds.")
        .deprecated("2.6.12", "SET with PX"),
    CommandSpec::new(String, Id::Set, "set", -3)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Update, VariableFlags])
            .note("access only with GET")])
        .docs("1.0.0", "O(1)", "Stores a string at a key, whatever was there."),
    CommandSpec::new(String, Id::Setex, "setex", 4)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[Overwrite, Update])])
        .docs("2.0.0", "O(1)", "Stores a string at a key that vanishes in so many seconds.")
        .deprecated("2.6.12", "SET with EX"),
    CommandSpec::new(String, Id::Setnx, "setnx", 3)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[Overwrite, Insert])])
        .docs("1.0.0", "O(1)", "Stores a string at a key unless that exists.")
        .deprecated("2.6.12", "SET with NX"),
    CommandSpec::new(String, Id::Strlen, "strlen", 2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::String])
        .keys(&[KeySpec::at(1, &[ReadOnly])])
        .docs("2.2.0", "O(1)", "Returns the length of the string at a key."),
];
