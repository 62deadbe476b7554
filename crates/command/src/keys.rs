//! The commands on keys of any type.

pub(crate) mod expire;
pub(crate) mod keyspace;
pub(crate) mod scan;
pub(crate) mod strings;
