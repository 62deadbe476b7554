//! What nobody can guess.

/// 32 hexadecimal digits of the operating system's randomness.
///
/// # Panics
/// The operating system has none: nothing secret can be made then.
pub(crate) fn secret() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether both are the same, in a time that does not tell how much of them is.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let differ = one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differ == 0
}
