//! CLIENT TRACKING and its like: this server keeps no account of what clients read and sends no
//! invalidation messages, so tracking is always off. Options are judged as Redis judges them.

use millstream_command::Reply;
use millstream_command::integer::{NOT_AN_INTEGER, parse_i64};

use crate::session::Session;

const SYNTAX: &str = "ERR syntax error";
const NOT_TRACKING: &str = "ERR CLIENT CACHING can be called only when the client is in tracking \
mode with OPTIN or OPTOUT mode enabled";
const TWO_REDIRECTIONS: &str = "ERR A client can only redirect to a single other client";
const NO_SUCH_CLIENT: &str = "ERR The client ID you want redirect to does not exist";
const NOT_HERE: &str = "ERR CLIENT TRACKING is not supported: this server sends no invalidation \
messages";

/// CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
pub(crate) fn tracking(session: &Session, args: &[&[u8]]) -> Reply {
    let options = match Options::parse(session, &args[3..]) {
        Ok(options) => options,
        Err(reply) => return reply,
    };
    match args[2] {
        word if word.eq_ignore_ascii_case(b"OFF") => Reply::OK,
        word if word.eq_ignore_ascii_case(b"ON") => {
            options.contradiction().unwrap_or(Reply::error(NOT_HERE))
        }
        _ => Reply::error(SYNTAX),
    }
}

#[derive(Default)]
struct Options<'a> {
    has_redirection: bool,
    prefixes: Vec<&'a [u8]>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
}

impl<'a> Options<'a> {
    fn parse(session: &Session, words: &[&'a [u8]]) -> Result<Self, Reply> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match &word.to_ascii_uppercase()[..] {
                b"REDIRECT" => {
                    let id = words.next().ok_or(Reply::error(SYNTAX))?;
                    if options.has_redirection {
                        return Err(Reply::error(TWO_REDIRECTIONS));
                    }
                    let id = parse_i64(id).ok_or(Reply::error(NOT_AN_INTEGER))?;
                    let id = u64::try_from(id).unwrap_or_default();
                    if session.shared.clients.get(id).is_none() {
                        return Err(Reply::error(NO_SUCH_CLIENT));
                    }
                    options.has_redirection = true;
                }
                b"PREFIX" => {
                    options.prefixes.push(words.next().ok_or(Reply::error(SYNTAX))?);
                }
                b"BCAST" => options.broadcast = true,
                b"OPTIN" => options.opt_in = true,
                b"OPTOUT" => options.opt_out = true,
                b"NOLOOP" => {}
                _ => return Err(Reply::error(SYNTAX)),
            }
        }
        Ok(options)
    }

    /// What of it cannot be meant together.
    fn contradiction(&self) -> Option<Reply> {
        if !self.broadcast && !self.prefixes.is_empty() {
            return Some(Reply::error("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Some(Reply::error("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if self.opt_in && self.opt_out {
            return Some(Reply::error("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        let overlaps = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
        let pairs = self.prefixes.iter().enumerate().flat_map(|(index, one)| {
            self.prefixes[index + 1..].iter().map(move |other| (*one, *other))
        });
        let (one, other) = pairs.into_iter().find(|(one, other)| overlaps(one, other))?;
        let parts: [&[u8]; 5] = [
            b"ERR Prefix '",
            one,
            b"' overlaps with another provided prefix '",
            other,
            b"'. Prefixes for a single client must not overlap.",
        ];
        Some(Reply::ErrorBytes(parts.concat()))
    }
}

/// CLIENT TRACKINGINFO
pub(crate) fn info() -> Reply {
    Reply::Map(vec![
        (Reply::Text("flags"), Reply::Set(vec![Reply::Text("off")])),
        (Reply::Text("redirect"), Reply::Int(-1)),
        (Reply::Text("prefixes"), Reply::Array(Vec::new())),
    ])
}

/// CLIENT CACHING YES | NO
pub(crate) fn caching() -> Reply {
    Reply::error(NOT_TRACKING)
}
