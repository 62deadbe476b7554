//! What is never shown.

/// Whether a setting of that name is a password.
pub(crate) fn is_secret(setting: &[u8]) -> bool {
    let name = String::from_utf8_lossy(setting).to_ascii_lowercase();
    name.contains("pass") || name.ends_with("auth") || name.contains("secret")
}
