//! Which arguments of a command line are keys.
//!
//! For `COMMAND GETKEYS`, for access rules and for loading data ahead: all three must see what the
//! command itself will touch, so the words before `STREAMS` are read here as XREAD reads them: the
//! value of an option, a consumer's name among them, is never taken for the word `STREAMS`.

use super::CommandId;
use super::spec::{CommandSpec, KeyBegin, KeyExtent, KeySpec};
use super::words::{KeyUse, KeyUses};

/// One key of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPosition {
    /// Its place among the arguments, the command's name being 0.
    pub index: usize,
    /// What happens to it.
    pub uses: KeyUses,
}

/// The arguments do not show where the keys are: the command will refuse them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the arguments do not show which of them are keys")
    }
}

impl std::error::Error for KeyError {}

/// The keys of a full command line whose row is `spec`, in order. Never allocates.
///
/// # Errors
/// If the arguments do not show where the keys are.
///
/// # Panics
/// Never, if `spec` accepts the number of arguments; else it may see keys beyond them.
pub fn keys<A: AsRef<[u8]>>(
    spec: &'static CommandSpec,
    args: &[A],
) -> Result<impl Iterator<Item = KeyPosition> + use<A>, KeyError> {
    let uses_of_set = (spec.id == CommandId::Set).then(|| uses_of_set(args));
    let none = || ((0..0).step_by(1), KeyUses::default());
    let mut found: [(Places, KeyUses); 2] = [none(), none()];
    assert!(spec.keys.len() <= found.len(), "no row has more key specifications");
    for (slot, key_spec) in found.iter_mut().zip(spec.keys) {
        *slot = (places(key_spec, args)?, uses_of_set.unwrap_or(key_spec.uses));
    }
    Ok(found
        .into_iter()
        .flat_map(|(places, uses)| places.map(move |index| KeyPosition { index, uses })))
}

/// Indices of arguments, evenly spaced.
type Places = std::iter::StepBy<std::ops::Range<usize>>;

fn places<A: AsRef<[u8]>>(spec: &KeySpec, args: &[A]) -> Result<Places, KeyError> {
    let first = match spec.begin {
        KeyBegin::Index(index) => index,
        KeyBegin::Keyword { word, .. } => find_word(word, args).ok_or(KeyError)? + 1,
    };
    let end = match spec.extent {
        KeyExtent::One => first + 1,
        KeyExtent::All | KeyExtent::EverySecond => args.len(),
        KeyExtent::FirstHalf => first + (args.len() - first) / 2,
    };
    Ok((first..end).step_by(if spec.extent == KeyExtent::EverySecond { 2 } else { 1 }))
}

/// The first place of a word that is not the value of an option of XREAD or XREADGROUP.
///
/// The table's `start_from` is not used: it lets a consumer called `STREAMS` pass for the word.
fn find_word<A: AsRef<[u8]>>(word: &str, args: &[A]) -> Option<usize> {
    let mut at = 1;
    while let Some(argument) = args.get(at).map(AsRef::as_ref) {
        if argument.eq_ignore_ascii_case(word.as_bytes()) {
            return Some(at);
        }
        at += 1 + option_values(argument);
    }
    None
}

/// How many arguments after this one belong to it.
fn option_values(option: &[u8]) -> usize {
    const ONE: [&[u8]; 5] = [b"COUNT", b"BLOCK", b"CLAIM", b"MAXCOUNT", b"MAXSIZE"];
    if option.eq_ignore_ascii_case(b"GROUP") {
        return 2;
    }
    usize::from(ONE.iter().any(|one| option.eq_ignore_ascii_case(one)))
}

/// SET returns the old value with GET, looks at it for a condition, and else does neither.
fn uses_of_set<A: AsRef<[u8]>>(args: &[A]) -> KeyUses {
    const LOOKING: [&[u8]; 4] = [b"IFEQ", b"IFNE", b"IFDEQ", b"IFDNE"];
    let options = || args.iter().skip(3).map(AsRef::as_ref);
    if options().any(|option| option.eq_ignore_ascii_case(b"GET")) {
        KeyUses::of(&[KeyUse::ReadWrite, KeyUse::Access, KeyUse::Update])
    } else if options().any(|option| LOOKING.iter().any(|one| option.eq_ignore_ascii_case(one))) {
        KeyUses::of(&[KeyUse::ReadWrite, KeyUse::Update])
    } else {
        KeyUses::of(&[KeyUse::Overwrite, KeyUse::Update])
    }
}
