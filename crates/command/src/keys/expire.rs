//! EXPIRE, TTL, PERSIST and their like.

use millstream_engine::{ExpiryCondition, Lifetime, Transaction};

use crate::Reply;
use crate::options::{Options, integer};
use crate::refusal::{Outcome, Refusal};

/// How a command counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeForm {
    /// Seconds, not milliseconds.
    pub(crate) seconds: bool,
    /// From the epoch on, not from now on.
    pub(crate) absolute: bool,
}

impl TimeForm {
    /// The time in Unix milliseconds; `None` if it does not fit.
    pub(crate) fn to_unix_ms(self, value: i64, now_ms: u64) -> Option<i64> {
        let ms = if self.seconds { value.checked_mul(1000)? } else { value };
        if self.absolute { Some(ms) } else { ms.checked_add(i64::try_from(now_ms).ok()?) }
    }
}

pub(crate) fn invalid_expire_time(name: &str) -> Refusal {
    Refusal::Text(format!("ERR invalid expire time in '{name}' command").into())
}

pub(crate) fn expire(
    args: &[&[u8]],
    name: &'static str,
    form: TimeForm,
    db: u8,
    txn: &mut Transaction<'_>,
) -> Outcome {
    let value = integer(args[2]);
    let condition = condition(args)?;
    let at_ms =
        form.to_unix_ms(value?, txn.now().wall_ms).ok_or_else(|| invalid_expire_time(name))?;
    Ok(Reply::Int(i64::from(txn.set_expiry(db, args[1], at_ms, condition))))
}

fn condition(args: &[&[u8]]) -> Result<ExpiryCondition, Refusal> {
    let mut options = Options::new(args, 3);
    let mut condition = ExpiryCondition::default();
    while let Some(word) = options.peek() {
        if options.take_word("NX", 0) {
            condition.only_new = true;
        } else if options.take_word("XX", 0) {
            condition.only_existing = true;
        } else if options.take_word("GT", 0) {
            condition.only_later = true;
        } else if options.take_word("LT", 0) {
            condition.only_earlier = true;
        } else {
            let parts: [&[u8]; 2] = [b"ERR Unsupported option ", word];
            return Err(Refusal::Bytes(parts.concat()));
        }
    }
    let has_other = condition.only_existing || condition.only_later || condition.only_earlier;
    if condition.only_new && has_other {
        return Err(Refusal::text(
            "ERR NX and XX, GT or LT options at the same time are not compatible",
        ));
    }
    if condition.only_later && condition.only_earlier {
        return Err(Refusal::text("ERR GT and LT options at the same time are not compatible"));
    }
    Ok(condition)
}

/// TTL and its like: −2 without a key, −1 without an expiry.
pub(crate) fn lifetime(args: &[&[u8]], form: TimeForm, db: u8, txn: &mut Transaction<'_>) -> Reply {
    let at_ms = match txn.lifetime(db, args[1]) {
        Lifetime::Missing => return Reply::Int(-2),
        Lifetime::Unlimited => return Reply::Int(-1),
        Lifetime::Until(at_ms) => at_ms,
    };
    let ms = if form.absolute { at_ms } else { at_ms.saturating_sub(txn.now().wall_ms) };
    // Seconds are rounded to the nearest, as in Redis.
    Reply::number(if form.seconds { ms.saturating_add(500) / 1000 } else { ms })
}

pub(crate) fn persist(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    Reply::Int(i64::from(txn.persist(db, args[1])))
}
