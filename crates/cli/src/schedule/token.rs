//! Names of delayed entries on the command line.

/// As `schedule add` printed it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse_token(text: &str) -> Result<String, String> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    let parts = text.split_once('-');
    match parts.is_some_and(|(due, number)| is_number(due) && is_number(number)) {
        true => Ok(text.to_owned()),
        false => Err("a token is what `schedule add` and `schedule ls` show, two whole numbers \
                      with a dash between them"
            .to_owned()),
    }
}

/// When its entry is due, in Unix milliseconds.
pub(super) fn due_ms(token: &str) -> Option<u64> {
    token.split_once('-').and_then(|(due, _)| due.parse().ok())
}
