//! Sizes in bytes, as Redis writes them.

use indicatif::BinaryBytes;

/// `1048576`, `1mb`, `512kb`, `2gb`: as in the configuration of Redis; `k`, `m` and `g` are powers
/// of 1000, `kb`, `mb` and `gb` of 1024. 1 at least.
///
/// # Errors
/// What is wrong with it.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let units = [
        ("kb", 1 << 10),
        ("mb", 1 << 20),
        ("gb", 1 << 30),
        ("k", 1000),
        ("m", 1_000_000),
        ("g", 1_000_000_000),
        ("b", 1),
        ("", 1),
    ];
    let found = units.into_iter().find_map(|(unit, size)| {
        let digits = lower.strip_suffix(unit)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(size))
    });
    let bytes = found.flatten().filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| format!("{text:?} is no size: write bytes, or a number with kb, mb or gb"))
}

/// `512 B`, `1.50 KiB`; a dash where it is not known.
pub fn show(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| BinaryBytes(bytes).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_in_redis() {
        for (text, bytes) in [("1", 1), ("10b", 10), ("1k", 1000), ("1KB", 1024), ("3gb", 3 << 30)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "0", "kb", "-1", "+1", "1.5mb", "1tb", "99999999999gb"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
        assert_eq!(show(Some(1536)), "1.50 KiB");
        assert_eq!(show(None), "-");
    }
}
