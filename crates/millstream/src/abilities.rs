//! What a server can do, found out by asking it.
//!
//! Versions say little: forks have some commands and lack others. So each ability is tried with a
//! command that can do nothing, on a group that is not there: `NOGROUP` means that the command was
//! understood. A server that is not ready says nothing about what it can do, and is an error: what
//! is found out counts for as long as the handle.

use redis::{Cmd, Value, cmd};

use crate::backend::Backend;
use crate::{Error, reply};

/// A group that nobody has.
const NO_GROUP: &str = "millstream:no-such-group";
/// What a server is called that does not say what it is.
const UNNAMED: &str = "this server";
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
        }
    }

    /// Whether the server said what it is: it does not to a user who may not run `INFO`, and then
    /// what it has beyond others was not found out either.
    #[must_use]
    pub fn are_told(&self) -> bool {
        self.server != UNNAMED
    }

    /// Asks.
    ///
    /// # Errors
    /// [`Error::Connection`], and [`Error::Refused`] by a server that loads its data, is busy with
    /// a script or has its slots divided. What may not be asked (ACL) is taken for what is not
    /// there.
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
        let read = |option: &str| {
            let mut command = cmd("XREADGROUP");
            command.arg(&["GROUP", NO_GROUP, "c", option, "1", "STREAMS", NO_GROUP, ">"]);
            command
        };
        let auto_claim = cmd("XAUTOCLAIM").arg(&[NO_GROUP, NO_GROUP, "c", "1", "0"]).to_owned();
        let nack = cmd("XNACK").arg(&[NO_GROUP, NO_GROUP, "FAIL", "IDS", "1", "1-1"]).to_owned();
        Ok(Self {
            server: name(&info),
            has_policies: has("group-policy"),
            has_retention: has("retention"),
            has_fence: has("fence"),
            has_pending_errors: has("pending-errors"),
            has_disk_usage: has("disk-usage"),
            has_claim: understands(backend, &read("CLAIM")).await?,
            has_auto_claim: understands(backend, &auto_claim).await?,
            has_nack: understands(backend, &nack).await?,
            has_max_count: understands(backend, &read("MAXCOUNT")).await?,
            has_idempotent_add: knows_idempotence(backend).await?,
            has_schedule: has("schedule"),
            has_scripts: matches!(
                refusable(backend.run(cmd("EVAL").arg(&["return 1", "0"])).await)?,
                Ok(Value::Int(1))
            ),
        })
    }
}

/// Whether a command that names a group that is not there is refused for that alone.
async fn understands(backend: &dyn Backend, command: &Cmd) -> Result<bool, Error> {
    Ok(matches!(refusable(backend.run(command).await)?, Ok(_) | Err(Error::NoGroup(_))))
}

/// By an empty name, which IDMP alone can refuse.
async fn knows_idempotence(backend: &dyn Backend) -> Result<bool, Error> {
    let add = cmd("XADD").arg(&[NO_GROUP, "NOMKSTREAM", "IDMP", "", "i", "*", "f", "v"]).to_owned();
    match refusable(backend.run(&add).await)? {
        // It takes no writes now, before it looks at them: whoever has the one has the other.
        Err(Error::Refused { code, .. }) if matches!(&*code, "OOM" | "MISCONF" | "NOREPLICAS") => {
            let set = cmd("XCFGSET").arg(&[NO_GROUP, "IDMP-DURATION", "1"]).to_owned();
            let answer = refusable(backend.run(&set).await)?;
            let is_unknown =
                |it: &Error| matches!(it, Error::Refused { text, .. } if text.contains("unknown"));
            Ok(!answer.as_ref().is_err_and(is_unknown))
        }
        answer => Ok(matches!(answer, Err(Error::Refused { text, .. }) if text.contains("IDMP"))),
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
