//! A server that is measured, and the only key of it that is touched.

use std::time::Duration;

use bytes::Bytes;
use millstream::{ConnectOptions, Error};
use redis::{cmd, pipe};

use super::account::{Account, Ending};
use super::answer::entries;
use super::durability::{Durability, ask, text};
use super::plan::{Load, Plan};
use crate::name::Name;
use crate::server::Server;

/// Of all keys that are made here.
const PREFIX: &str = "millstream-bench:";
/// The group of all workers.
pub(super) const GROUP: &str = "workers";
/// A key goes by itself after so long, should this process be killed.
const KEPT: Duration = Duration::from_hours(24);
/// Entries that are read back at once.
const PAGE: usize = 1000;

/// One server.
#[derive(Debug)]
pub(super) struct Site {
    /// `A` or `B`, where there are two.
    pub(super) label: &'static str,
    pub(super) way: ConnectOptions,
    /// For all but the load.
    pub(super) control: Server,
    pub(super) durability: Durability,
    /// The stream; nothing else is ever written.
    pub(super) key: Name,
}

impl Site {
    /// Connects, and finds out what it is.
    ///
    /// # Errors
    /// It cannot be reached.
    pub(super) async fn open(label: &'static str, way: ConnectOptions) -> anyhow::Result<Self> {
        let control = Server::connect(&way).await?;
        let cannot = control.cannot("look at the server");
        let durability = Durability::find_out(&control.millstream).await.map_err(cannot)?;
        let key = format!("{PREFIX}{:016x}:stream", fastrand::u64(..));
        let key = Name::from(Bytes::from(key));
        Ok(Self { label, way, control, durability, key })
    }

    /// A new stream with its group; what was there before goes.
    pub(super) async fn make_stream(&self, load: Load) -> anyhow::Result<()> {
        let key = self.key.as_ref();
        let mut all = pipe();
        all.cmd("UNLINK").arg(key);
        all.cmd("XGROUP").arg("CREATE").arg(key).arg(GROUP).arg("0").arg("MKSTREAM");
        all.cmd("EXPIRE").arg(key).arg(KEPT.as_secs());
        if load == Load::Produce {
            // Nobody reads there.
            all.cmd("XGROUP").arg("DESTROY").arg(key).arg(GROUP);
        }
        let made = self.control.millstream.query_all(&all).await;
        made.map(drop).map_err(self.cannot(load))
    }

    /// # Errors
    /// The server is gone, for one: then the key may be there still.
    pub(super) async fn remove_stream(&self) -> Result<(), Error> {
        self.control.stream(&self.key).delete().await.map(drop)
    }

    /// Says of an error that a load could not be measured.
    pub(super) fn cannot(&self, load: Load) -> impl Fn(Error) -> anyhow::Error + '_ {
        self.control.cannot(format!("measure {}", load.name()))
    }

    /// Processor time of the server so far, user's and system's; none where it does not tell.
    pub(super) async fn cpu_time(&self, load: Load) -> anyhow::Result<Option<Duration>> {
        let info = ask(&self.control.millstream, &["INFO", "cpu"]).await;
        let info = info.map_err(self.cannot(load))?.as_ref().and_then(text).unwrap_or_default();
        let seconds = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name))?;
            Duration::try_from_secs_f64(value.trim().parse().ok()?).ok()
        };
        Ok(seconds("used_cpu_user:").zip(seconds("used_cpu_sys:")).map(|(user, sys)| user + sys))
    }

    /// What MEMORY USAGE says of the stream.
    pub(super) async fn memory_bytes(&self, load: Load) -> anyhow::Result<Option<u64>> {
        match self.control.stream(&self.key).memory_bytes().await {
            Err(Error::Refused { .. }) => Ok(None),
            found => found.map_err(self.cannot(load)),
        }
    }

    /// Reads all entries back, and says what is wrong with them.
    pub(super) async fn check_stream(&self, plan: &Plan) -> anyhow::Result<Vec<String>> {
        let account = Account::new(plan.messages);
        let cannot = self.cannot(plan.load);
        let (mut from, mut length) = (b"-".to_vec(), 0);
        loop {
            let mut range = cmd("XRANGE");
            range.arg(self.key.as_ref()).arg(&from).arg("+").arg("COUNT").arg(PAGE);
            let answer = self.control.millstream.query(&range).await.map_err(&cannot)?;
            let found = entries(answer).ok_or_else(|| cannot(Error::Answer("XRANGE")))?;
            let mut count = 0;
            for entry in found {
                let entry = entry.ok_or_else(|| cannot(Error::Answer("XRANGE")))?;
                account.saw(entry.number(plan.payload.bytes));
                from = [&b"("[..], &entry.id].concat();
                count += 1;
            }
            length += count as u64;
            if count < PAGE {
                return Ok(account.wrong_in_stream(length));
            }
        }
    }

    /// What the server says of the stream and its group.
    pub(super) async fn ending(&self, load: Load) -> anyhow::Result<Ending> {
        let mut both = pipe();
        both.cmd("XLEN").arg(self.key.as_ref());
        both.cmd("XPENDING").arg(self.key.as_ref()).arg(GROUP);
        let cannot = self.cannot(load);
        let answers = self.control.millstream.query_all(&both).await.map_err(&cannot)?;
        let [length, pending] = &answers[..] else { return Err(cannot(Error::Answer("XLEN"))) };
        let length = super::answer::count(length).ok_or_else(|| cannot(Error::Answer("XLEN")))?;
        let pending = match pending {
            redis::Value::Array(parts) => parts.first().and_then(super::answer::count),
            _ => None,
        };
        let pending = pending.ok_or_else(|| cannot(Error::Answer("XPENDING")))?;
        Ok(Ending { length, pending })
    }
}
