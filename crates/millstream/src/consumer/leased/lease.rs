//! A key that says who has a partition, and goes by itself when its owner is not heard of.

use std::time::Duration;

use redis::{Value, cmd};
use tokio::time::Instant;

use crate::milliseconds::milliseconds;
use crate::{EntryId, Error, Millstream, reply};

/// Longer or shorter, but only of who has it.
const EXTEND: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";
/// Ours ends so much earlier than the server's: clocks do not run alike, and what runs must stop.
const MARGIN_PARTS: u32 = 10;
/// No lease has so many owners in a millisecond.
const FENCES_PER_MS: u64 = 1000;

/// The lease of one stream for one group. All its keys are in the stream's slot.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    millstream: Millstream,
    key: String,
    /// No other run of any consumer has the same.
    token: String,
    length: Duration,
}

/// What a new owner knows.
pub(super) struct Acquired {
    pub(super) until: Instant,
    pub(super) fence: u64,
}

/// The key of a lease, whose value says who has it.
pub(crate) fn lease_key(stream: &str, group: &str) -> String {
    format!("{stream}:lease:{group}")
}

/// The consumer that a lease's value names.
pub(crate) fn owner_of(value: &str) -> &str {
    value.rsplit_once('/').map_or(value, |(owner, _)| owner)
}

/// The id of an entry that a new owner adds, as one number. It goes by the server's clock, so that
/// it grows even if all that the server had is lost, also what a failover lost. Of what is stored
/// it never goes back, whatever the clock does. Exact as a float with 53 bits, too.
fn fence(id: EntryId) -> u64 {
    id.ms.saturating_mul(FENCES_PER_MS).saturating_add(id.seq)
}

impl Lease {
    pub(super) fn new(
        millstream: &Millstream,
        stream: &str,
        group: &str,
        token: &str,
        length: Duration,
    ) -> Self {
        let (key, token) = (lease_key(stream, group), token.to_owned());
        Self { millstream: millstream.clone(), key, token, length }
    }

    /// Takes it if nobody has it.
    pub(super) async fn acquire(&self) -> Result<Option<Acquired>, Error> {
        let asked = Instant::now();
        let mut set = cmd("SET");
        set.arg(&self.key).arg(&self.token).arg("NX").arg("PX").arg(milliseconds(self.length));
        let mut until = self.end(asked);
        if self.millstream.run_surely(&set).await? == Value::Nil {
            // It may be ours by an earlier try whose answer was lost.
            match self.extend().await? {
                Some(extended) => until = extended,
                None => return Ok(None),
            }
        }
        // Whoever comes later counts higher, since it can only come when this is over.
        let mut count = cmd("XADD");
        count.arg(format!("{}:owners", self.key)).arg(&["MAXLEN", "1", "*", "owner", &*self.token]);
        let id = reply::id(&self.millstream.run_surely(&count).await?);
        let id = id.map_err(reply::NotUnderstood::of("XADD"))?;
        Ok(Some(Acquired { until, fence: fence(id) }))
    }

    /// Makes it last from now on; returns until when. `None`: it is not ours any more.
    pub(super) async fn extend(&self) -> Result<Option<Instant>, Error> {
        let asked = Instant::now();
        let is_ours = self.set_length(self.length).await?;
        Ok(is_ours.then(|| self.end(asked)))
    }

    /// Lets somebody else have it at once.
    pub(super) async fn release(&self) -> Result<(), Error> {
        self.set_length(Duration::from_millis(1)).await.map(drop)
    }

    async fn set_length(&self, length: Duration) -> Result<bool, Error> {
        let length_ms = milliseconds(length);
        if self.millstream.abilities().has_scripts {
            let mut script = cmd("EVAL");
            script.arg(EXTEND).arg(1).arg(&self.key).arg(&self.token).arg(length_ms);
            return Ok(self.millstream.run_surely(&script).await? == Value::Int(1));
        }
        let mut set = cmd("SET");
        set.arg(&self.key).arg(&self.token).arg("IFEQ").arg(&self.token);
        set.arg("PX").arg(length_ms);
        Ok(self.millstream.run_surely(&set).await? != Value::Nil)
    }

    /// When a lease asked for at that moment is over, as we see it.
    fn end(&self, asked: Instant) -> Instant {
        asked + (self.length - self.length / MARGIN_PARTS)
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }
}
