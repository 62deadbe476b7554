//! The address of a server as it was given, and whether the command line itself has it.

use std::ffi::OsStr;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, Command};

use crate::server::USUAL_URL;

/// An address of `--url`, of the variable beside it, or the usual one.
#[derive(Clone, Debug)]
pub(crate) struct ServerUrl {
    pub(crate) text: String,
    /// It is no variable's, which may be there for other programs.
    pub(crate) is_typed: bool,
}

impl ServerUrl {
    pub(crate) fn typed(text: String) -> Self {
        Self { text, is_typed: true }
    }
}

/// Takes an empty variable for one that is not there: that is how a shell unsets one for a command.
/// An empty word of the command line stays what it is, as the server that was meant is another one.
#[derive(Clone, Debug)]
pub(crate) struct ServerUrlParser;

impl TypedValueParser for ServerUrlParser {
    type Value = ServerUrl;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        self.parse_ref_(command, argument, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<Self::Value, clap::Error> {
        let text = StringValueParser::new().parse_ref(command, argument, value)?;
        Ok(match source {
            ValueSource::CommandLine => ServerUrl::typed(text),
            _ if text.is_empty() => ServerUrl { text: USUAL_URL.to_owned(), is_typed: false },
            _ => ServerUrl { text, is_typed: false },
        })
    }
}
