//! What a server, or the way to it, kept from being done: what, where, why, and what to do next.

use std::fmt;

use millstream::Error;

/// A command that failed at its server.
#[derive(Debug)]
pub(crate) struct ServerError {
    what: String,
    address: String,
    error: Error,
    was_reached: bool,
}

impl ServerError {
    /// `what` is what could not be done: "trim stream x".
    pub(crate) fn new(what: &str, address: &str, error: Error) -> Self {
        let (what, address) = (what.to_owned(), address.to_owned());
        Self { what, address, error, was_reached: true }
    }

    /// Nothing was sent.
    pub(crate) fn unreached(address: String, error: Error) -> Self {
        Self { what: "connect".to_owned(), address, error, was_reached: false }
    }

    /// Whether it is the command line that is wrong.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self.error, Error::Configuration(_))
    }

    fn next_step(&self) -> Option<&'static str> {
        let connect = "start a server with `millstream serve`, or name another one with --url or \
                       REDIS_URL";
        match &self.error {
            Error::Connection(_) if self.was_reached => {
                Some("what was under way may have been done or not: look, and try again")
            }
            Error::Connection(_) => Some(connect),
            Error::Refused { code, text } => match &**code {
                "NOAUTH" | "WRONGPASS" => Some(
                    "put the password into the variable REDISCLI_AUTH (of --from: \
                     MILLSTREAM_FROM_AUTH, of --to: MILLSTREAM_TO_AUTH), or user and password into \
                     the URL: redis://user:password@host",
                ),
                "NOPERM" if text.contains("'xgroup|cfgset'") => Some(
                    "give the group a policy as a user who may (`millstream group policy`), or \
                     this user the right to run this command (ACL SETUSER)",
                ),
                "NOPERM" if self.error.is_forbidden_key() => {
                    Some("the user needs the right to touch this key (ACL SETUSER)")
                }
                "NOPERM" => Some("the user needs the right to run this command (ACL SETUSER)"),
                "WRONGTYPE" => Some(
                    "the key holds no stream; `millstream stream ls` shows those that there are",
                ),
                "READONLY" => Some("this server is a replica: name its primary with --url"),
                "OOM" | "MISCONF" => Some("the server takes no writes now; its log says why"),
                "ERR" if text.contains("without any password configured") => Some(
                    "this server wants no password: unset the variable REDISCLI_AUTH (of --from: \
                     MILLSTREAM_FROM_AUTH, of --to: MILLSTREAM_TO_AUTH), or take the password out \
                     of the URL",
                ),
                "ERR" if text.contains("keeps its data in memory only") => {
                    Some("`millstream export` copies its streams to another server")
                }
                "ERR" if text.contains("need a managed group") => {
                    Some("`millstream group policy` gives the group a policy")
                }
                _ if self.error.is_temporary() => Some("try again in a moment"),
                _ if self.error.is_no_stream() => {
                    Some("`millstream stream ls` shows the streams that there are")
                }
                _ => None,
            },
            Error::NoGroup(_) => Some("`millstream group ls` shows the groups that there are"),
            Error::Unsupported { .. } if self.error.is_untold() => {
                Some("give the user the right to run INFO (ACL SETUSER), which tells")
            }
            Error::Unsupported { .. } => {
                Some("leave out what asks for it, or use a server that has it, like Millstream")
            }
            Error::Configuration(_) => Some("`--help` shows the forms that the command takes"),
            _ => None,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, address, error, .. } = self;
        let at = if self.was_reached { "at" } else { "to" };
        write!(f, "cannot {what} {at} {address}: {error}")?;
        match self.next_step() {
            Some(next) => write!(f, "\n  next: {next}"),
            None => Ok(()),
        }
    }
}

// The cause is told already.
impl std::error::Error for ServerError {}
