//! What of the dashboard's own looks a visitor may see.
//!
//! The dashboard looks at streams as itself, and a visitor's rules may be narrower. So the server
//! is asked as the visitor: once for a key that nobody could have named in a rule, and for the
//! rules; where those do not say that they may read all, for each stream.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use millstream::Error;
use millstream::redis::{Value, cmd, from_redis_value};

use crate::failure::Failure;
use crate::history::StreamNow;
use crate::sights::Sight;
use crate::visitor::{Visitor, shown_user};

/// How rules say that every key may be read.
const ALL_KEYS: [&str; 5] = ["~*", "%R~*", "%RW~*", "%WR~*", "*"];

/// Commands that are on their way at a time.
const CONCURRENT: usize = 100;

impl Visitor {
    /// Whether they may read every stream, known or not.
    ///
    /// # Errors
    /// No server answers.
    pub(crate) async fn sees_all(&self) -> Result<bool, Failure> {
        let sight = self.sight();
        if let Some(all) = sight.all() {
            return Ok(all);
        }
        let all = self.asks_for_all(&sight).await?;
        sight.set_all(all);
        Ok(all)
    }

    fn sight(&self) -> Arc<Sight> {
        self.app.sights.of(shown_user(self.user.as_deref().unwrap_or_default()))
    }

    /// As [`Self::may_read`], of what was asked for lately.
    async fn saw(&self, sight: &Sight, stream: &Bytes) -> Result<bool, Failure> {
        if let Some(may_read) = sight.stream(stream) {
            return Ok(may_read);
        }
        let may_read = self.may_read(stream).await?;
        sight.set_stream(stream.clone(), may_read);
        Ok(may_read)
    }

    async fn asks_for_all(&self, sight: &Sight) -> Result<bool, Failure> {
        if !self.may_read(self.app.probe.as_bytes()).await? {
            return Ok(false);
        }
        // A pattern such as `[^_]*` fits to that key, too.
        if self.has_pattern_for_all().await? {
            return Ok(true);
        }
        let mut names = self.app.history.unseen();
        names.extend(self.app.history.streams().into_iter().map(|stream| stream.name));
        for some in names.chunks(CONCURRENT) {
            for may_read in join_all(some.iter().map(|name| self.saw(sight, name))).await {
                if !may_read? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether the visitor's rules say so, where the dashboard may know them. A user with selectors
    /// is no such case: one of them may be what lets them ask at all.
    ///
    /// # Errors
    /// There is no server.
    async fn has_pattern_for_all(&self) -> Result<bool, Failure> {
        let user = shown_user(self.user.as_deref().unwrap_or_default());
        let ask = self.app.trusted().await?.query(cmd("ACL").arg("GETUSER").arg(user)).await;
        let Ok(rules) = ask else { return Ok(false) };
        let Ok(rules) = from_redis_value::<HashMap<String, Value>>(rules) else { return Ok(false) };
        let has_selectors = match rules.get("selectors") {
            None | Some(Value::Nil) => false,
            Some(Value::Array(all)) => !all.is_empty(),
            Some(_) => true,
        };
        if has_selectors {
            return Ok(false);
        }
        // One text of all patterns; in Redis 6 a list of them.
        let patterns: Vec<String> = match rules.get("keys") {
            Some(Value::BulkString(text)) => {
                String::from_utf8_lossy(text).split(' ').map(str::to_owned).collect()
            }
            Some(other) => from_redis_value(other.clone()).unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(patterns.iter().any(|pattern| ALL_KEYS.contains(&&pattern[..])))
    }

    /// As [`Self::must_read`], of every stream. Asked often, so that it is no error of the server's
    /// where that can be: people watch their number.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn must_see_all(&self) -> Result<(), Failure> {
        if self.sees_all().await? {
            return Ok(());
        }
        // The server's own refusal says which rule it was, unless it is one about some streams.
        self.must_read(self.app.probe.as_bytes()).await?;
        Err(Failure::Forbidden(NOT_ALL.to_owned()))
    }

    /// # Errors
    /// [`Failure::Server`] with `NOPERM`: they may not read the stream. [`Failure::LoginNeeded`]:
    /// their user is gone. No server answers, or it says anything else than what the stream is.
    pub(crate) async fn must_read(&self, stream: &[u8]) -> Result<(), Failure> {
        match self.millstream.query(cmd("XINFO").arg("STREAM").arg(stream)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_no_stream() || has_code(&error, "WRONGTYPE") => Ok(()),
            Err(error) if has_code(&error, "WRONGPASS") => Err(Failure::LoginNeeded),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Self::must_read`], asked so that it is no refusal of the server's, where the dashboard
    /// itself may ask so: a page over many streams must not fill the log of refusals.
    ///
    /// # Errors
    /// As there, but for a refusal.
    pub(crate) async fn may_read(&self, stream: &[u8]) -> Result<bool, Failure> {
        if let Some(is_allowed) = self.would_be_allowed(&[b"XINFO", b"STREAM", stream]).await? {
            return Ok(is_allowed);
        }
        match self.must_read(stream).await {
            Err(Failure::Server(error)) if has_code(&error, "NOPERM") => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    /// Whether the visitor may run a command, without running it. `None`: the dashboard itself may
    /// not ask that.
    ///
    /// # Errors
    /// There is no server.
    pub(crate) async fn would_be_allowed(
        &self,
        command: &[&[u8]],
    ) -> Result<Option<bool>, Failure> {
        let user = shown_user(self.user.as_deref().unwrap_or_default());
        let mut ask = cmd("ACL");
        ask.arg("DRYRUN").arg(user).arg(command);
        Ok(match self.app.trusted().await?.query(&ask).await {
            Ok(Value::Okay) => Some(true),
            Ok(Value::BulkString(_) | Value::SimpleString(_)) => Some(false),
            _ => None,
        })
    }

    /// The streams that the dashboard knows and they may read, without the number of dead letters
    /// where they may not read those.
    ///
    /// # Errors
    /// No server answers.
    pub(crate) async fn streams(&self) -> Result<Vec<StreamNow>, Failure> {
        let all = self.app.history.streams();
        if self.sees_all().await? {
            return Ok(all);
        }
        let sight = self.sight();
        let mut visible = Vec::new();
        let mut all = all.into_iter();
        loop {
            let some: Vec<StreamNow> = all.by_ref().take(CONCURRENT).collect();
            if some.is_empty() {
                break;
            }
            let asked = some.iter().map(|stream: &StreamNow| self.saw(&sight, &stream.name));
            for (stream, may_read) in some.iter().zip(join_all(asked).await) {
                if may_read? {
                    visible.push(stream.clone());
                }
            }
        }
        let names: HashSet<Bytes> = visible.iter().map(|stream| stream.name.clone()).collect();
        for group in visible.iter_mut().flat_map(|stream| &mut stream.groups) {
            group.dead_letters.take_if(|letters| !names.contains(&letters.stream));
        }
        Ok(visible)
    }
}

fn has_code(error: &Error, wanted: &str) -> bool {
    matches!(error, Error::Refused { code, .. } if code == wanted)
}

/// For whoever may not see sums over all streams.
pub(crate) const NOT_ALL: &str = "You may not read all streams, so sums over all of them are not \
shown, and only those that you may read are listed.";
