//! Walking along the arguments of a command.

use crate::integer::parse_i64;
use crate::refusal::Refusal;

/// What is left of the arguments.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a> {
    args: &'a [&'a [u8]],
    at: usize,
}

impl<'a> Options<'a> {
    /// Starts at the argument with this index.
    pub(crate) fn new(args: &'a [&'a [u8]], at: usize) -> Self {
        Self { args, at: at.min(args.len()) }
    }

    /// How many arguments are left.
    pub(crate) fn left(&self) -> usize {
        self.args.len() - self.at
    }

    pub(crate) fn peek(&self) -> Option<&'a [u8]> {
        self.args.get(self.at).copied()
    }

    pub(crate) fn next(&mut self) -> Option<&'a [u8]> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    /// Whether the next argument is this word and at least so many follow it; then it is taken.
    pub(crate) fn take_word(&mut self, word: &str, values: usize) -> bool {
        let is_it = self.left() > values
            && self.peek().is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        self.at += usize::from(is_it);
        is_it
    }

    /// A value whose presence [`Self::take_word`] made sure of.
    pub(crate) fn value(&mut self) -> &'a [u8] {
        self.next().expect("the keyword was taken because its value is there")
    }

    /// A value of that kind as an integer.
    pub(crate) fn integer(&mut self) -> Result<i64, Refusal> {
        integer(self.value())
    }

    /// Everything that is left.
    pub(crate) fn rest(&self) -> &'a [&'a [u8]] {
        &self.args[self.at..]
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.at = (self.at + count).min(self.args.len());
    }
}

pub(crate) fn integer(text: &[u8]) -> Result<i64, Refusal> {
    parse_i64(text).ok_or(Refusal::NOT_AN_INTEGER)
}

/// Plain ids, all or none.
pub(crate) fn ids(texts: &[&[u8]]) -> Result<Vec<millstream_model::EntryId>, Refusal> {
    texts.iter().map(|text| id(text)).collect()
}

pub(crate) fn id(text: &[u8]) -> Result<millstream_model::EntryId, Refusal> {
    crate::id::parse_strict(text, 0).ok_or(Refusal::INVALID_ID)
}
