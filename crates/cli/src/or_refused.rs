//! What a survey makes of an answer: it looks at much, and goes on without what it may not see.

use millstream::Error;

use crate::output::plural;

/// What is said of streams that were passed over for that.
pub(crate) fn not_for_this_user(count: u64, address: &str) -> String {
    let are = if count == 1 { "is" } else { "are" };
    format!("{} at {address} {are} not for this user (ACL)", plural(count, "stream"))
}

/// What was told; `None`: it was refused, which is noted in the server's words, or what it is about
/// went just now.
///
/// # Errors
/// Those after which the server is to be asked again later.
pub(crate) fn or_refused<T>(
    answer: Result<T, Error>,
    refused: &mut Option<String>,
) -> Result<Option<T>, Error> {
    match answer {
        Ok(told) => Ok(Some(told)),
        Err(error) if error.is_temporary() => Err(error),
        Err(error) if error.is_no_stream() => Ok(None),
        Err(Error::NoGroup(_)) => Ok(None),
        Err(Error::Refused { code, .. }) if code == "WRONGTYPE" => Ok(None),
        Err(error) => {
            *refused = Some(error.to_string());
            Ok(None)
        }
    }
}
