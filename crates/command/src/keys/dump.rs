//! DUMP and RESTORE.
//!
//! ```text
//! payload   "MSD" | version u8 | image | checksum u64 little-endian
//! ```
//!
//! The checksum is XXH3 (64 bits, seed 0) of everything before it: it tells damage, not malice.
//! The image is checked part by part by the engine. Older versions will stay readable; Redis'
//! payloads are refused, as Redis refuses these. Tests: beside, `engine/src/image/tests.rs`.

use millstream_engine::Transaction;
use xxhash_rust::xxh3::xxh3_64;

use crate::Reply;
use crate::keys::expire::TimeForm;
use crate::options::{Options, integer};
use crate::refusal::{Outcome, Refusal};

const MAGIC: [u8; 4] = *b"MSD\x01";
const CHECKSUM_BYTES: usize = 8;

/// The payload that holds an image.
fn wrap(image: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(MAGIC.len() + image.len() + CHECKSUM_BYTES);
    payload.extend_from_slice(&MAGIC);
    payload.extend_from_slice(image);
    payload.extend_from_slice(&xxh3_64(&payload).to_le_bytes());
    payload
}

/// The image in a payload, if it is one of this version and undamaged.
fn unwrap(payload: &[u8]) -> Option<&[u8]> {
    let (content, checksum) = payload.split_last_chunk::<CHECKSUM_BYTES>()?;
    let is_whole = xxh3_64(content).to_le_bytes() == *checksum;
    content.strip_prefix(&MAGIC).filter(|_| is_whole)
}

/// DUMP key
pub(crate) fn dump(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(txn.dump(db, args[1])?.map_or(Reply::Nil, |image| Reply::bulk(wrap(&image))))
}

/// RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
pub(crate) fn restore(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let mut options = Options::new(args, 4);
    let (mut replaces, mut is_absolute) = (false, false);
    let (mut idle_s, mut frequency) = (None, None);
    while options.left() > 0 {
        if options.take_word("REPLACE", 0) {
            replaces = true;
        } else if options.take_word("ABSTTL", 0) {
            is_absolute = true;
        } else if frequency.is_none() && options.take_word("IDLETIME", 1) {
            let seconds = u64::try_from(options.integer()?).ok();
            idle_s =
                Some(seconds.ok_or(Refusal::text("ERR Invalid IDLETIME value, must be >= 0"))?);
        } else if idle_s.is_none() && options.take_word("FREQ", 1) {
            let value = options.integer()?;
            if !(0..=255).contains(&value) {
                return Err(Refusal::text("ERR Invalid FREQ value, must be >= 0 and <= 255"));
            }
            frequency = Some(value);
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    let key = args[1];
    if !replaces && txn.kind(db, key).is_some() {
        return Err(Refusal::text("BUSYKEY Target key name already exists."));
    }
    let ttl = integer(args[2])?;
    if ttl < 0 {
        return Err(Refusal::text("ERR Invalid TTL value, must be >= 0"));
    }
    let image =
        unwrap(args[3]).ok_or(Refusal::text("ERR DUMP payload version or checksum are wrong"))?;
    let form = TimeForm { seconds: false, absolute: is_absolute };
    let at_ms = form.to_unix_ms(ttl, txn.now().wall_ms).unwrap_or(i64::MAX);
    let expires_at_ms = (ttl > 0).then_some(at_ms.unsigned_abs());
    txn.restore(db, key, image, expires_at_ms, replaces)?;
    if let Some(idle_s) = idle_s {
        txn.set_idle(db, key, idle_s.saturating_mul(1000));
    }
    Ok(Reply::OK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_payload_says_its_version_and_has_a_checksum() {
        let payload = wrap(b"image");
        assert_eq!(payload[..9], *b"MSD\x01image");
        assert_eq!(payload.len(), 9 + CHECKSUM_BYTES);
        assert_eq!(unwrap(&payload), Some(&b"image"[..]));
    }

    #[test]
    fn damage_at_any_byte_and_any_cut_is_noticed() {
        let payload = wrap(b"image");
        for at in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[at] ^= 0x10;
            assert_eq!(unwrap(&damaged), None, "byte {at}");
            assert_eq!(unwrap(&payload[..at]), None, "cut at {at}");
        }
        let other_version =
            [&b"MSD\x02image"[..], &xxh3_64(b"MSD\x02image").to_le_bytes()].concat();
        assert_eq!(unwrap(&other_version), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = unwrap(&bytes);
        }
    }
}
