//! An expected reply: one notation for RESP2 and RESP3, with wildcards for what varies.
//!
//! | written | stands for |
//! | --- | --- |
//! | `3`, `-1` | an integer |
//! | `word`, `1-1`, `"any \x00 bytes"` | a bulk string; quotes where it looks like something else |
//! | `+OK`, `+"two words"` | a status |
//! | `-"ERR text"`, `-"ERR text"<any>` | an error; the second form checks how it begins |
//! | `nil`, `nil-array` | the two nils of RESP2; each is `_` in RESP3 |
//! | `null` | any of the three |
//! | `[a, b]`, `~[a, b]` | an array; a set (an array in RESP2) |
//! | `1-1{field value}` | an entry: an array of a bulk and an array of bulks |
//! | `{key: value}` | a map, flattened to an array in RESP2 |
//! | `{key => value}` | a map, an array of pairs in RESP2 |
//! | `="text"` | verbatim text (a bulk string in RESP2) |
//! | `{key?: value}` | a pair that newer servers only have: as said where it is there |
//! | `...` at the end of `[ ]` | any further elements |
//! | `...` at the end of `{ }` | the keys before it are looked up, all others do not matter |
//! | `<any>`, `<int>`, `<text>`, `<id>` | anything, any integer, any string, any entry ID |
//! | `<has "text">` | a string that contains these bytes |
//! | `<like "a*b">`, `+<like "a*b">` | a string, a status like this: `*` is any bytes or none |
//! | `<ms>`, `<unix-ms>`, `<3..5>` | an integer: of 0 to 60,000; within a minute of now; in the range |
//! | `<id:name>`, `<int:name>` | as `<id>`, `<int>`; the first one names it, later ones must be equal |
//! | `<bytes>`, `<bytes:name>` | any bulk string, the same way |
//! | `,1.5`, `#true`, `(123`, `>[a, b]` | of RESP3: a double, a boolean, a big number; a push |

mod matching;
mod parsing;
mod showing;

use std::collections::BTreeMap;

use crate::Value;

pub(crate) use parsing::unquote;

/// What `<id:name>` has matched so far; `{name}` in a command is replaced by it.
pub type Bindings = BTreeMap<String, Vec<u8>>;

/// What a reply has to look like.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// A status.
    Simple(String),
    /// An error, exactly.
    Error(String),
    /// An error that begins so.
    ErrorStart(String),
    /// An integer in this inclusive range.
    Int(i64, i64),
    /// A Unix time in milliseconds within a minute of now.
    UnixMs,
    /// An integer, to be remembered under the name if there is one.
    AnyInt(Option<String>),
    /// A bulk string.
    Bulk(Vec<u8>),
    /// Verbatim text.
    Verbatim(Vec<u8>),
    /// An entry ID, to be remembered under the name if there is one.
    Id(Option<String>),
    /// A bulk string, to be remembered under the name if there is one.
    Bytes(Option<String>),
    /// A string that contains this.
    Has(Vec<u8>),
    /// A string that begins with the first of these, ends with the last, and has the others in
    /// between, in order.
    Like(Vec<Vec<u8>>),
    /// A status like that.
    SimpleLike(Vec<Vec<u8>>),
    /// A double, a boolean or a big number, exactly.
    Scalar(Value),
    /// Anything at all.
    Any,
    /// The nil bulk string.
    Nil,
    /// The nil array.
    NilArray,
    /// Either nil.
    Null,
    /// An array; open at its end if `open`.
    Array {
        /// The elements in order.
        items: Vec<Pattern>,
        /// Whether more may follow.
        open: bool,
    },
    /// A set.
    Set(Vec<Pattern>),
    /// A push.
    Push(Vec<Pattern>),
    /// A map.
    Map {
        /// Keys and values, in order unless `open`.
        pairs: Vec<Pair>,
        /// Whether it is an array of pairs in RESP2, rather than a flat array.
        paired: bool,
        /// Whether other keys do not matter.
        open: bool,
    },
}

/// A key of a map, and what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The key.
    pub key: Pattern,
    /// Its value.
    pub value: Pattern,
    /// Whether it may be missing.
    pub optional: bool,
}

impl Pattern {
    /// Any string: the empty one is contained in all of them.
    fn text() -> Self {
        Self::Has(Vec::new())
    }
}

#[cfg(test)]
mod tests;
