//! What a server can do, found out by asking it.
//!
//! Versions say little: forks have some commands and lack others. So each ability is tried with a
//! command that can do nothing, on a group that is not there: `NOGROUP` means that the command was
//! understood. So does the refusal of a user who may run it, and may not touch that key: keys are
//! looked at after the command is known. What an option is for is not looked at before, so there it
//! is tried once more, without a key. A server that is not ready says nothing about what it can do,
//! and is an error: what is found out counts for as long as the handle.

use std::collections::BTreeMap;

use redis::{Value, cmd};

use crate::backend::Backend;
use crate::{Error, reply};

/// A group that nobody has.
const NO_GROUP: &str = "millstream:no-such-group";
/// What a server is called that does not say what it is.
pub(crate) const UNNAMED: &str = "this server";
/// What a client looks for in INFO; see `docs/delivery.md`.
const EXTENSIONS: &str = "millstream_extensions:";

/// What the server can do beyond what every one since Redis 6.2 can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// Name and version, as the server calls itself.
    pub server: String,
    /// Group policies: the server hands out again, delays, limits and buries by itself.
    pub has_policies: bool,
    /// `XCFGSET MAXLEN` and its like: what a stream keeps is its own business.
    pub has_retention: bool,
    /// `XACK FENCE` and `XFENCE`: what counts only while a consumer still has an entry.
    pub has_fence: bool,
    /// `XPENDING WITHERRORS`: the errors of what is pending.
    pub has_pending_errors: bool,
    /// `MEMORY USAGE key DISK`: what a stream takes on disk.
    pub has_disk_usage: bool,
    /// `XREADGROUP CLAIM`: one read takes over what is idle, and new entries.
    pub has_claim: bool,
    /// `XAUTOCLAIM`.
    pub has_auto_claim: bool,
    /// `XNACK`: giving entries back.
    pub has_nack: bool,
    /// `XREADGROUP MAXCOUNT`: a limit over all streams of a read.
    pub has_max_count: bool,
    /// `XADD IDMP`: the server knows what a producer added before.
    pub has_idempotent_add: bool,
    /// `XSCHEDULE`: entries of the future.
    pub has_schedule: bool,
    /// Scripts.
    pub has_scripts: bool,
    /// Commands that this user may not run, with the server's words: it may well have them.
    refusals: BTreeMap<&'static str, String>,
}

impl Abilities {
    /// Of an engine within this process.
    #[cfg(feature = "embedded")]
    pub(crate) fn embedded() -> Self {
        Self {
            server: format!("Millstream {}", env!("CARGO_PKG_VERSION")),
            has_policies: true,
            has_retention: true,
            has_fence: true,
            has_pending_errors: true,
            has_disk_usage: true,
            has_claim: true,
            has_auto_claim: true,
            has_nack: true,
            has_max_count: true,
            has_idempotent_add: true,
            has_schedule: true,
            has_scripts: false,
            refusals: BTreeMap::new(),
        }
    }

    /// Whether the server said what it is: it does not to a user who may not run `INFO`, and then
    /// what it has beyond others was not found out either.
    #[must_use]
    pub fn are_told(&self) -> bool {
        self.server != UNNAMED
    }

    /// Why the user cannot have what a command is needed for that was tried: the user may not run
    /// it.
    pub(crate) fn refusal(&self, command: &str) -> Option<Error> {
        let text = self.refusals.get(command)?.clone();
        Some(Error::Refused { code: "NOPERM".to_owned(), text })
    }

    /// The same for a user who may not run what `other` may not.
    pub(crate) fn refused_as(self, other: &Self) -> Self {
        Self { refusals: other.refusals.clone(), ..self }
    }

    /// Asks.
    ///
    /// # Errors
    /// [`Error::Connection`], and [`Error::Refused`] by a server that loads its data, is busy with
    /// a script or has its slots divided. What this user may not run (ACL) is taken for what is not
    /// there, and noted.
    pub(crate) async fn find_out(backend: &dyn Backend) -> Result<Self, Error> {
        let info = match refusable(backend.run(cmd("INFO").arg("server")).await)? {
            Ok(info) => reply::lossy_text(&info).unwrap_or_default(),
            // Without a password nothing else would be answered either.
            Err(Error::Refused { code, text }) if matches!(&*code, "NOAUTH" | "WRONGPASS") => {
                return Err(Error::Refused { code, text });
            }
            Err(_) => String::new(),
        };
        let extensions = info.lines().find_map(|line| line.strip_prefix(EXTENSIONS));
        let extensions = extensions.unwrap_or_default();
        let has = |name: &str| extensions.split(',').any(|it| it == name);
        let nack = [NO_GROUP, NO_GROUP, "FAIL", "IDS", "1", "1-1"];
        let mut trials = Trials { backend, refusals: BTreeMap::new() };
        Ok(Self {
            server: name(&info),
            has_policies: has("group-policy"),
            has_retention: has("retention"),
            has_fence: has("fence"),
            has_pending_errors: has("pending-errors"),
            has_disk_usage: has("disk-usage"),
            has_claim: trials.know_read_option("CLAIM").await?,
            has_auto_claim: trials.know("XAUTOCLAIM", &[NO_GROUP, NO_GROUP, "c", "1", "0"]).await?,
            has_nack: trials.know("XNACK", &nack).await?,
            has_max_count: trials.know_read_option("MAXCOUNT").await?,
            has_idempotent_add: trials.know_idempotence().await?,
            has_schedule: has("schedule"),
            has_scripts: trials.know("EVAL", &["return 1", "0"]).await?,
            refusals: trials.refusals,
        })
    }
}

/// Commands that are tried, and those that this user may not run.
struct Trials<'a> {
    backend: &'a dyn Backend,
    refusals: BTreeMap<&'static str, String>,
}

impl Trials<'_> {
    /// Whether a command that names a group that is not there is refused for that alone, or for
    /// the key.
    async fn know(&mut self, command: &'static str, words: &[&str]) -> Result<bool, Error> {
        Ok(match self.answer(command, words).await? {
            Ok(_) | Err(Error::NoGroup(_)) => true,
            Err(error) => error.is_forbidden_key(),
        })
    }

    /// The same of an option with a number. Where the key is forbidden, whatever the options, one
    /// without a key and without a number says more.
    async fn know_read_option(&mut self, option: &str) -> Result<bool, Error> {
        let words = ["GROUP", NO_GROUP, "c", option, "1", "STREAMS", NO_GROUP, ">"];
        match self.answer("XREADGROUP", &words).await? {
            Ok(_) | Err(Error::NoGroup(_)) => Ok(true),
            Err(error) if error.is_forbidden_key() => {
                let words = ["GROUP", NO_GROUP, "c", option, "none", "none"];
                let answer = self.answer("XREADGROUP", &words).await?;
                Ok(matches!(answer, Err(Error::Refused { text, .. }) if text.contains("integer")))
            }
            Err(_) => Ok(false),
        }
    }

    /// By an empty name, which IDMP alone can refuse. Where nobody looks at that, by XCFGSET:
    /// whoever has the one has the other.
    async fn know_idempotence(&mut self) -> Result<bool, Error> {
        let words = [NO_GROUP, "NOMKSTREAM", "IDMP", "", "i", "*", "f", "v"];
        match self.answer("XADD", &words).await? {
            Err(error) if error.is_forbidden_key() => self.have_stream_settings().await,
            // It takes no writes now, before it looks at them.
            Err(Error::Refused { code, .. })
                if matches!(&*code, "OOM" | "MISCONF" | "NOREPLICAS") =>
            {
                self.have_stream_settings().await
            }
            answer => {
                Ok(matches!(answer, Err(Error::Refused { text, .. }) if text.contains("IDMP")))
            }
        }
    }

    /// Whether there is XCFGSET, be it for other users.
    async fn have_stream_settings(&self) -> Result<bool, Error> {
        let set = cmd("XCFGSET").arg(&[NO_GROUP, "IDMP-DURATION", "1"]).to_owned();
        let answer = refusable(self.backend.run(&set).await)?;
        let is_unknown =
            |it: &Error| matches!(it, Error::Refused { text, .. } if text.contains("unknown"));
        Ok(!answer.as_ref().is_err_and(is_unknown))
    }

    /// What the server says of a command; notes where this user may not run it.
    async fn answer(
        &mut self,
        command: &'static str,
        words: &[&str],
    ) -> Result<Result<Value, Error>, Error> {
        let answer = refusable(self.backend.run(cmd(command).arg(words)).await)?;
        if let Err(error @ Error::Refused { text, .. }) = &answer
            && error.is_forbidden_command()
        {
            self.refusals.insert(command, text.clone());
        }
        Ok(answer)
    }
}

/// Only what says nothing about the command is an error here.
fn refusable(answer: Result<Value, Error>) -> Result<Result<Value, Error>, Error> {
    let is_not_ready =
        |code: &str| matches!(code, "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN");
    match answer {
        Err(error @ Error::Connection(_)) => Err(error),
        Err(Error::Refused { code, text }) if is_not_ready(&code) => {
            Err(Error::Refused { code, text })
        }
        other => Ok(other),
    }
}

fn name(info: &str) -> String {
    let fact = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)).map(|it| it.trim_start_matches(':'))
    };
    let names = [("millstream_version", "Millstream"), ("valkey_version", "Valkey")];
    let found = names.iter().chain(&[("redis_version", "Redis")]);
    let named = found.filter_map(|(key, name)| Some(format!("{name} {}", fact(key)?))).next();
    named.unwrap_or_else(|| UNNAMED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_by_its_own_name() {
        assert_eq!(name("redis_version:8.2.3\r\nos:x\r\n"), "Redis 8.2.3");
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n";
        assert_eq!(name(valkey), "Valkey 9.1.2");
        assert_eq!(
            name("redis_version:8.10.0\r\nmillstream_version:0.1.0\r\n"),
            "Millstream 0.1.0"
        );
        assert_eq!(name(""), "this server");
    }
}
