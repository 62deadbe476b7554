//! A server: what it says of itself, its settings, its clock.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use redis::cmd;

use crate::reply::{self, NotUnderstood};
use crate::{Error, Millstream};

/// Looks at one server, and changes nothing but by [`Self::query`]: whatever else waits can be
/// dropped.
#[derive(Clone, Debug)]
pub struct ServerMonitor {
    millstream: Millstream,
    place: u16,
}

/// What a server says of itself (INFO), by name: `used_memory`, `aof_enabled`. Which names there
/// are is the server's business, so each of them may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo(BTreeMap<String, String>);

impl ServerMonitor {
    /// Each server that has keys: the one that was connected to, or all primaries of a Cluster.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn all(millstream: &Millstream) -> Result<Vec<Self>, Error> {
        let places = millstream.backend().places().await?;
        let of = |place| Self { millstream: millstream.clone(), place };
        Ok(places.into_iter().map(of).collect())
    }

    /// What it says of itself, all sections that it shows without being asked for more.
    ///
    /// # Errors
    /// Those of the server: `NOPERM` if the user may not ask.
    pub async fn info(&self) -> Result<ServerInfo, Error> {
        let answer = self.run(&cmd("INFO")).await?;
        let text = reply::lossy_text(&answer).map_err(NotUnderstood::of("INFO"))?;
        Ok(ServerInfo::from_text(&text))
    }

    /// The same with all sections that there are: also how often each command ran.
    ///
    /// # Errors
    /// Those of the server: `NOPERM` if the user may not ask.
    pub async fn info_all(&self) -> Result<ServerInfo, Error> {
        let answer = self.run(cmd("INFO").arg("ALL")).await?;
        let text = reply::lossy_text(&answer).map_err(NotUnderstood::of("INFO"))?;
        Ok(ServerInfo::from_text(&text))
    }

    /// Its settings that match a name or a pattern of names (CONFIG GET). Those that it does not
    /// know are missing.
    ///
    /// # Errors
    /// Those of the server: many that others run know no CONFIG, or not for everybody.
    pub async fn settings(&self, pattern: &str) -> Result<BTreeMap<String, String>, Error> {
        let answer = self.run(cmd("CONFIG").arg("GET").arg(pattern)).await?;
        let parse = || -> Result<BTreeMap<String, String>, NotUnderstood> {
            let text = reply::lossy_text;
            let all = reply::pairs(answer)?;
            all.iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect()
        };
        parse().map_err(NotUnderstood::of("CONFIG GET"))
    }

    /// What its clock says.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn time(&self) -> Result<SystemTime, Error> {
        let answer = self.run(&cmd("TIME")).await?;
        let parse = || {
            let parts = reply::array(answer)?;
            let [seconds, micros] = &parts[..] else { return Err(NotUnderstood) };
            let seconds = Duration::from_secs(reply::count(seconds)?);
            let since = seconds.checked_add(Duration::from_micros(reply::count(micros)?));
            // No clock has all times.
            since.and_then(|it| SystemTime::UNIX_EPOCH.checked_add(it)).ok_or(NotUnderstood)
        };
        parse().map_err(NotUnderstood::of("TIME"))
    }

    /// Runs any command at this server, for what there is no method for: of a Cluster each server
    /// has a list of clients, settings and a slow log of its own. Not for reads that block, as
    /// [`Millstream::query`].
    ///
    /// # Errors
    /// Those of the server. After [`Error::Connection`] it may have been done or not. Dropped while
    /// it waits, the same.
    pub async fn query(&self, command: &redis::Cmd) -> Result<redis::Value, Error> {
        self.run(command).await
    }

    async fn run(&self, command: &redis::Cmd) -> Result<redis::Value, Error> {
        self.millstream.backend().run_at(self.place, command).await
    }
}

impl ServerInfo {
    /// Of the text that INFO answers with.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let facts = lines.filter_map(|line| line.split_once(':'));
        Self(facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// All names with what stands there, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// What stands there as it is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The same as a number; `None` also if it is none.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_passed_over_and_values_may_have_colons() {
        let info =
            ServerInfo::from_text("# Server\r\nport:7\r\nlistener0:name=tcp,bind=::1\r\n\r\n");
        assert_eq!(
            (info.count("port"), info.get("listener0")),
            (Some(7), Some("name=tcp,bind=::1"))
        );
        assert_eq!((info.get("none"), info.count("listener0")), (None, None));
    }
}
