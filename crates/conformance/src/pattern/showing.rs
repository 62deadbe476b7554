//! A [`Pattern`] back in its notation, for messages of failures.

use std::fmt;

use super::{Pair, Pattern};
use crate::Value;

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(f, "{}", Value::Simple(text.clone())),
            Self::Error(text) => write!(f, "{}", Value::Error(text.clone())),
            Self::ErrorStart(text) => write!(f, "{}<any>", Value::Error(text.clone())),
            Self::Int(low, high) if low == high => write!(f, "{low}"),
            Self::Int(low, high) => write!(f, "<{low}..{high}>"),
            Self::UnixMs => f.write_str("<unix-ms>"),
            Self::AnyInt(None) => f.write_str("<int>"),
            Self::AnyInt(Some(name)) => write!(f, "<int:{name}>"),
            Self::Bulk(bytes) => write!(f, "{}", Value::Bulk(bytes.clone())),
            Self::Verbatim(bytes) => write!(f, "{}", Value::Verbatim(bytes.clone())),
            Self::Id(None) => f.write_str("<id>"),
            Self::Id(Some(name)) => write!(f, "<id:{name}>"),
            Self::Has(bytes) if bytes.is_empty() => f.write_str("<text>"),
            Self::Has(bytes) => write!(f, "<has {}>", Value::Bulk(bytes.clone())),
            Self::Like(parts) => {
                write!(f, "<like {}>", Value::Bulk(parts.join(&b'*')))
            }
            Self::SimpleLike(parts) => {
                write!(f, "+<like {}>", Value::Bulk(parts.join(&b'*')))
            }
            Self::Bytes(None) => f.write_str("<bytes>"),
            Self::Bytes(Some(name)) => write!(f, "<bytes:{name}>"),
            Self::Scalar(value) => write!(f, "{value}"),
            Self::Any => f.write_str("<any>"),
            Self::Nil => f.write_str("nil"),
            Self::NilArray => f.write_str("nil-array"),
            Self::Null => f.write_str("null"),
            Self::Array { items, open } => list(f, "[", items, *open),
            Self::Set(items) => list(f, "~[", items, false),
            Self::Push(items) => list(f, ">[", items, false),
            Self::Map { pairs, paired, open } => {
                let arrow = if *paired { " =>" } else { ":" };
                f.write_str("{")?;
                for Pair { key, value, optional } in pairs {
                    let mark = if *optional { "?" } else { "" };
                    write!(f, "{key}{mark}{arrow} {value}, ")?;
                }
                f.write_str(if *open { "...}" } else { "}" })
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, start: &str, items: &[Pattern], open: bool) -> fmt::Result {
    f.write_str(start)?;
    for item in items {
        write!(f, "{item}, ")?;
    }
    f.write_str(if open { "...]" } else { "]" })
}
