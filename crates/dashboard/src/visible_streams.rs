//! What of the dashboard's own looks a visitor may see.
//!
//! The dashboard looks at streams as itself, and a visitor's rules may be narrower. So the server
//! is asked as the visitor: once for a key that nobody could have named in a rule, which says
//! whether they may read all; if not, for each stream.

use futures_util::future::join_all;
use millstream::Error;
use millstream::redis::{Value, cmd};

use crate::failure::Failure;
use crate::history::StreamNow;
use crate::visitor::{Visitor, shown_user};

/// Commands that are on their way at a time.
const CONCURRENT: usize = 100;

impl Visitor {
    /// Whether they may read every stream, known or not.
    ///
    /// # Errors
    /// No server answers.
    pub(crate) async fn sees_all(&self) -> Result<bool, Failure> {
        self.may_read(self.app.probe.as_bytes()).await
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
        // The server's own refusal says which rule it was.
        self.must_read(self.app.probe.as_bytes()).await
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
    async fn may_read(&self, stream: &[u8]) -> Result<bool, Failure> {
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

    /// The streams that the dashboard knows and they may read.
    ///
    /// # Errors
    /// No server answers.
    pub(crate) async fn streams(&self) -> Result<Vec<StreamNow>, Failure> {
        let all = self.app.history.streams();
        if self.sees_all().await? {
            return Ok(all);
        }
        let mut visible = Vec::new();
        let mut all = all.into_iter();
        loop {
            let some: Vec<StreamNow> = all.by_ref().take(CONCURRENT).collect();
            if some.is_empty() {
                return Ok(visible);
            }
            let asked = some.iter().map(|stream: &StreamNow| self.may_read(&stream.name));
            for (stream, may_read) in some.iter().zip(join_all(asked).await) {
                if may_read? {
                    visible.push(stream.clone());
                }
            }
        }
    }
}

fn has_code(error: &Error, wanted: &str) -> bool {
    matches!(error, Error::Refused { code, .. } if code == wanted)
}

/// For whoever may not see sums over all streams.
pub(crate) const NOT_ALL: &str = "You may not read all streams, so sums over all of them are not \
shown, and only those that you may read are listed.";
