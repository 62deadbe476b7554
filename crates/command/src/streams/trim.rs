//! XTRIM.

use millstream_engine::Transaction;

use super::trim_grammar::TrimGrammar;
use crate::Reply;
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

pub(crate) fn xtrim(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let mut options = Options::new(args, 2);
    let mut grammar = TrimGrammar::default();
    while options.left() > 0 {
        if !grammar.take(&mut options)? {
            return Err(Refusal::SYNTAX);
        }
    }
    let trim = grammar.finish(|| txn.settings(), true)?.ok_or(Refusal::SYNTAX)?;
    Ok(Reply::number(txn.trim(db, args[1], &trim)?))
}
