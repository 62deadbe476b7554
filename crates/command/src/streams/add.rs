//! XADD.

use millstream_engine::{AddRequest, NewId, Production, Transaction};
use xxhash_rust::xxh3::xxh3_128;

use super::trim_grammar::TrimGrammar;
use crate::Reply;
use crate::id::{AddId, parse_add_id};
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

/// How the producer names its production.
enum Iid<'a> {
    Given(&'a [u8]),
    FromFields,
}

#[derive(Default)]
struct Grammar<'a> {
    no_create: bool,
    trim: TrimGrammar,
    production: Option<(&'a [u8], Iid<'a>)>,
}

pub(crate) fn xadd(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let mut options = Options::new(args, 2);
    let mut grammar = Grammar::default();
    while options.peek() != Some(b"*") && grammar.take(&mut options)? {}
    // Where the options took everything there is no id to find fault with, only too few arguments.
    let id = match options.next() {
        Some(text) => parse_add_id(text).ok_or(Refusal::INVALID_ID)?,
        None => AddId::Auto,
    };
    if grammar.production.is_some() && id != AddId::Auto {
        return Err(Refusal::text(
            "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
        ));
    }
    let trim = grammar.trim.finish(|| txn.settings(), false)?;
    let fields = options.rest();
    if fields.is_empty() || !fields.len().is_multiple_of(2) {
        return Err(Refusal::wrong_arity("xadd"));
    }
    let derived;
    let production = match grammar.production {
        Some((producer, Iid::Given(iid))) => Some(Production { producer, iid }),
        Some((producer, Iid::FromFields)) => {
            derived = iid_of(fields);
            Some(Production { producer, iid: &derived })
        }
        None => None,
    };
    let id = match id {
        AddId::Auto => NewId::Auto,
        AddId::AutoSeq(ms) => NewId::InMillisecond(ms),
        AddId::Explicit(id) => NewId::Exactly(id),
    };
    let request = AddRequest { id, no_create: grammar.no_create, trim, production };
    Ok(txn.add(db, args[1], &request, fields)?.map_or(Reply::Nil, Reply::Id))
}

impl<'a> Grammar<'a> {
    /// Takes one option; `false` where none starts, so that the next argument is the id.
    fn take(&mut self, options: &mut Options<'a>) -> Result<bool, Refusal> {
        if options.take_word("NOMKSTREAM", 0) {
            self.no_create = true;
        } else if options.take_word("IDMPAUTO", 1) {
            self.only_production()?;
            let producer = options.value();
            if producer.is_empty() {
                return Err(Refusal::text(
                    "ERR syntax error, IDMPAUTO requires a non-empty producer ID",
                ));
            }
            self.production = Some((producer, Iid::FromFields));
        } else if options.take_word("IDMP", 2) {
            self.only_production()?;
            let (producer, iid) = (options.value(), options.value());
            if producer.is_empty() {
                return Err(Refusal::text(
                    "ERR syntax error, IDMP requires a non-empty producer ID",
                ));
            }
            if iid.is_empty() {
                return Err(Refusal::text(
                    "ERR syntax error, IDMP requires a non-empty idempotent ID",
                ));
            }
            self.production = Some((producer, Iid::Given(iid)));
        } else {
            return self.trim.take(options);
        }
        Ok(true)
    }

    fn only_production(&self) -> Result<(), Refusal> {
        match self.production {
            None => Ok(()),
            Some(_) => {
                Err(Refusal::text("ERR syntax error, IDMP/IDMPAUTO specified multiple times"))
            }
        }
    }
}

/// An idempotent id from the fields: the order of pairs does not matter, how often one occurs does.
fn iid_of(fields: &[&[u8]]) -> [u8; 16] {
    let mut sum = 0_u128;
    let mut bytes = Vec::new();
    for pair in fields.chunks_exact(2) {
        bytes.clear();
        bytes.extend_from_slice(&(pair[0].len() as u64).to_le_bytes());
        bytes.extend_from_slice(pair[0]);
        bytes.extend_from_slice(pair[1]);
        sum = sum.wrapping_add(xxh3_128(&bytes));
    }
    sum.to_le_bytes()
}
