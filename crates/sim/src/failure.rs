//! What a run may find.

use std::fmt;

use millstream_resp::Value;

use crate::picture::Lines;
use crate::trace::shown;

/// Lines of context around the first difference of two states.
const CONTEXT: usize = 3;

/// Something that must not be.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Another reply than the reference's.
    Reply { what: String, expected: Option<Value>, found: Option<Value> },
    /// Another state than any that may be.
    State { what: String, expected: Vec<Lines>, found: Lines },
    /// The store refused to open.
    Refused { what: String, error: String },
    /// Anything else.
    Broken(String),
}

pub(crate) type Checked = Result<(), Failure>;

impl Failure {
    pub(crate) fn broken<T>(what: impl Into<String>) -> Result<T, Self> {
        Err(Self::Broken(what.into()))
    }
}

/// Fails with the text unless the condition holds.
pub(crate) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Failure::Broken(what())) }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply { what, expected, found } => {
                let text = |value: &Option<Value>| value.as_ref().map_or("nothing".into(), shown);
                writeln!(f, "another reply: {what}")?;
                writeln!(f, "  expected {}", text(expected))?;
                write!(f, "  found    {}", text(found))
            }
            Self::State { what, expected, found } => {
                writeln!(f, "another state: {what}; {} may be", expected.len())?;
                expected.iter().try_for_each(|expected| difference(expected, found, f))
            }
            Self::Refused { what, error } => write!(f, "the store does not open: {what}: {error}"),
            Self::Broken(what) => f.write_str(what),
        }
    }
}

/// The first lines that differ.
fn difference(expected: &Lines, found: &Lines, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (expected, found) = (expected.lines(), found.lines());
    let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let stream = expected[..same.min(expected.len())].iter().rev();
    if let Some(key) = stream.clone().find(|line| !line.starts_with(' ')) {
        writeln!(f, "  of key {key}")?;
    }
    for line in &expected[same.saturating_sub(CONTEXT)..same] {
        writeln!(f, "    both     {line}")?;
    }
    for line in expected.iter().skip(same).take(CONTEXT) {
        writeln!(f, "    expected {line}")?;
    }
    for line in found.iter().skip(same).take(CONTEXT) {
        writeln!(f, "    found    {line}")?;
    }
    Ok(())
}
