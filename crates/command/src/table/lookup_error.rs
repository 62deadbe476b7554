//! Why a request names nothing that can run, and the reply that says so.
//!
//! Clients match on these texts, so they are those of Redis 8.6, cuts and blanks included.

use std::fmt;

use super::CommandId;
use super::spec::CommandSpec;
use crate::Reply;

/// Most bytes of a name, or of a list of arguments, that an error text repeats.
const ECHO_BYTES_MAX: usize = 128;

/// A request that cannot run, whatever the data.
#[derive(Clone, Debug)]
pub enum LookupError {
    /// No such command.
    UnknownCommand {
        /// As typed, cut.
        name: Vec<u8>,
        /// The arguments, each quoted and followed by a blank, cut.
        arguments: Vec<u8>,
    },
    /// The command has no such subcommand.
    UnknownSubcommand {
        /// The command.
        command: &'static CommandSpec,
        /// As typed, cut.
        word: Vec<u8>,
    },
    /// Too few or too many arguments.
    WrongArity(&'static CommandSpec),
}

impl LookupError {
    pub(super) fn unknown_command<A: AsRef<[u8]>>(args: &[A]) -> Self {
        let (name, rest) = match args {
            [name, rest @ ..] => (name.as_ref(), rest),
            [] => (&[][..], &[][..]),
        };
        let mut arguments = Vec::new();
        for argument in rest {
            let Some(room @ 1..) = ECHO_BYTES_MAX.checked_sub(arguments.len()) else { break };
            arguments.push(b'\'');
            arguments.extend(echo(argument.as_ref(), room));
            arguments.extend(b"' ");
        }
        Self::UnknownCommand { name: echo(name, ECHO_BYTES_MAX), arguments }
    }

    pub(super) fn unknown_subcommand(command: &'static CommandSpec, word: &[u8]) -> Self {
        Self::UnknownSubcommand { command, word: echo(word, ECHO_BYTES_MAX) }
    }

    /// The error reply: what was typed is repeated as it came, UTF-8 or not.
    #[must_use]
    pub fn reply(&self) -> Reply {
        Reply::ErrorBytes(self.text())
    }

    /// The text of the reply, which starts with its code.
    fn text(&self) -> Vec<u8> {
        match self {
            Self::UnknownCommand { name, arguments } => {
                let head = [b"ERR unknown command '", &name[..], b"'"].concat();
                if arguments.is_empty() {
                    return head;
                }
                [&head[..], b", with args beginning with: ", arguments].concat()
            }
            Self::UnknownSubcommand { command, word } => {
                let tail = format!("'. Try {} HELP.", command.name.to_ascii_uppercase());
                [b"ERR unknown subcommand '", &word[..], tail.as_bytes()].concat()
            }
            Self::WrongArity(spec) => {
                // EXEC that cannot run gives its transaction up, and says so.
                let code = match spec.id {
                    CommandId::Exec => "EXECABORT Transaction discarded because of:",
                    _ => "ERR",
                };
                format!("{code} wrong number of arguments for '{}' command", spec.name).into()
            }
        }
    }
}

impl fmt::Display for LookupError {
    /// The text of the reply, where what is no UTF-8 shows as a replacement character.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl std::error::Error for LookupError {}

/// The bytes up to a NUL or a limit, line breaks made blanks: an error is one line.
fn echo(bytes: &[u8], bytes_max: usize) -> Vec<u8> {
    bytes
        .iter()
        .take(bytes_max)
        .take_while(|byte| **byte != 0)
        .map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte })
        .collect()
}
