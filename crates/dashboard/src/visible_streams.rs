//! What of the dashboard's own looks a visitor may see.
//!
//! The dashboard looks at streams as itself, and a visitor's rules may be narrower. So the server
//! is asked as the visitor: once for a key that nobody could have named in a rule, which says
//! whether they may read all; if not, for each stream.

use futures_util::future::join_all;
use millstream::Error;
use millstream::redis::cmd;

use crate::failure::Failure;
use crate::history::StreamNow;
use crate::visitor::Visitor;

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

    /// # Errors
    /// [`Failure::Server`] with `NOPERM`: they may not read the stream. No server answers.
    pub(crate) async fn must_read(&self, stream: &[u8]) -> Result<(), Failure> {
        match self.millstream.query(cmd("XINFO").arg("STREAM").arg(stream)).await {
            Err(error) if is_denial(&error) || matches!(error, Error::Connection(_)) => {
                Err(error.into())
            }
            // What else there is to say of it, others say.
            _ => Ok(()),
        }
    }

    async fn may_read(&self, stream: &[u8]) -> Result<bool, Failure> {
        match self.must_read(stream).await {
            Err(Failure::Server(error)) if is_denial(&error) => Ok(false),
            outcome => outcome.map(|()| true),
        }
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

fn is_denial(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if code == "NOPERM")
}

/// For whoever may not see sums over all streams.
pub(crate) const NOT_ALL: &str = "You may not read all streams, so sums over all of them are not \
shown, and only those that you may read are listed.";
