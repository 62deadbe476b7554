//! Arbitrary bytes as the image of a value (RESTORE).

use millstream_engine::{Engine, Now, Options};

/// Refused, or a value whose own image makes the same value again.
///
/// # Panics
/// If not.
pub fn check_image(data: &[u8]) -> bool {
    let now = Now { wall_ms: 1_000_000, monotonic_ms: 0 };
    let engine = Engine::in_memory(&Options::default(), now);
    let mut transaction = engine.lock(now);
    transaction.begin();
    let is_accepted = transaction.restore(0, b"a", data, None, false).is_ok();
    if is_accepted {
        let image = transaction.dump(0, b"a").expect("in memory").expect("restored above");
        transaction.restore(0, b"b", &image, None, false).expect("its own image");
        assert_eq!(transaction.dump(0, b"b"), Ok(Some(image)));
    }
    transaction.finish();
    transaction.check();
    is_accepted
}
