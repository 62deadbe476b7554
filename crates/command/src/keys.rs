//! The commands on keys of any type.

pub(crate) mod copy;
pub(crate) mod counters;
pub(crate) mod dump;
pub(crate) mod expire;
pub(crate) mod keyspace;
pub(crate) mod object;
pub(crate) mod scan;
pub(crate) mod strings;
