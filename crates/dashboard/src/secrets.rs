//! What is never shown.

/// Whether a setting of that name is a password.
pub(crate) fn is_secret(setting: &[u8]) -> bool {
    let name = String::from_utf8_lossy(setting).to_ascii_lowercase();
    name.contains("pass") || name.ends_with("auth") || name.contains("secret")
}

/// Which arguments are passwords. The servers say so themselves of most; this is for the others,
/// and for those that are older.
pub(crate) fn secret_arguments(arguments: &[Vec<u8>]) -> Vec<bool> {
    let mut secret = vec![false; arguments.len()];
    let word = |at: usize| arguments.get(at).map(|it| it.to_ascii_uppercase()).unwrap_or_default();
    let mut hide = |from: usize, count: usize| {
        secret.iter_mut().skip(from).take(count).for_each(|it| *it = true);
    };
    match (&word(0)[..], &word(1)[..]) {
        (b"AUTH", _) => hide(1, usize::MAX),
        (b"HELLO" | b"MIGRATE", _) => {
            for at in 1..arguments.len() {
                match &word(at)[..] {
                    b"AUTH" | b"AUTH2" => hide(at + 1, 2),
                    _ => {}
                }
            }
        }
        (b"CONFIG", b"SET") => {
            for at in (2..arguments.len()).step_by(2) {
                if is_secret(&arguments[at]) {
                    hide(at + 1, 1);
                }
            }
        }
        (b"ACL", b"SETUSER") => hide(3, usize::MAX),
        _ => {}
    }
    secret
}
