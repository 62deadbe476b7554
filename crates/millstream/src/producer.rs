//! Adding entries.

use redis::{Cmd, cmd};

use crate::{Error, Fields, ToFields};

/// The fields of an entry.
pub(crate) fn entry_fields(payload: &impl ToFields) -> Result<Fields, Error> {
    let fields = payload.to_fields().map_err(|error| Error::Configuration(error.to_string()))?;
    if fields.is_empty() {
        return Err(Error::Configuration("an entry has at least one field".to_owned()));
    }
    Ok(fields)
}

/// XADD with an ID of the server's.
pub(crate) fn add_command(stream: &str, fields: &Fields) -> Cmd {
    let mut command = cmd("XADD");
    command.arg(stream).arg("*");
    fields.iter().for_each(|(name, value)| _ = command.arg(name).arg(value));
    command
}
