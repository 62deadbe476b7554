//! The commands on streams, a file for each family. Each is a function of its arguments (the name
//! being the first) and the engine; arity was checked before.

pub(crate) mod acknowledge;
pub(crate) mod add;
pub(crate) mod claim;
pub(crate) mod dead_letters;
pub(crate) mod delete;
pub(crate) mod group;
pub(crate) mod group_policy;
pub(crate) mod inspect;
pub(crate) mod pending;
pub(crate) mod range;
pub(crate) mod read;
pub(crate) mod retention;
pub(crate) mod schedule;
pub(crate) mod settings;
pub(crate) mod trim;
mod trim_grammar;
