//! What all requests share: the way to the server, who is logged in, what was seen.

use std::time::{Duration, Instant};

use millstream::{ConnectOptions, Error, Millstream};
use tokio::sync::{Mutex, watch};

use crate::failure::Failure;
use crate::history::History;
use crate::letter_jobs::LetterJobs;
use crate::metrics::Scrapes;
use crate::notices::Notices;
use crate::random::secret;
use crate::sessions::Sessions;
use crate::{DashboardOptions, Lifecycle, Target};

/// A stranger's connection is made anew after so long: the server may have got a password since.
const STRANGER_AGE_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) options: DashboardOptions,
    pub(crate) sessions: Sessions,
    pub(crate) notices: Notices,
    pub(crate) history: History,
    pub(crate) letter_jobs: LetterJobs,
    pub(crate) scrapes: Scrapes,
    /// Stands in the forms of strangers, whose pages other sites cannot read.
    pub(crate) token: String,
    lifecycle: watch::Receiver<Lifecycle>,
    trusted: Mutex<Option<Millstream>>,
    stranger: Mutex<Option<(Millstream, Instant)>>,
}

impl App {
    pub(crate) fn new(options: DashboardOptions, lifecycle: watch::Receiver<Lifecycle>) -> Self {
        Self {
            options,
            sessions: Sessions::default(),
            notices: Notices::default(),
            history: History::default(),
            letter_jobs: LetterJobs::default(),
            scrapes: Scrapes::default(),
            token: secret(),
            lifecycle,
            trusted: Mutex::default(),
            stranger: Mutex::default(),
        }
    }

    pub(crate) fn lifecycle(&self) -> Lifecycle {
        self.lifecycle.borrow().clone()
    }

    pub(crate) fn target(&self) -> Result<Box<Target>, Failure> {
        match self.lifecycle() {
            Lifecycle::Starting => Err(Failure::NotReady("the server reads its data".to_owned())),
            Lifecycle::Stopping => Err(Failure::NotReady("the server is stopping".to_owned())),
            Lifecycle::Running(target) => Ok(target),
        }
    }

    /// For what the dashboard itself has to know. Nothing that a visitor says is for it.
    pub(crate) async fn trusted(&self) -> Result<Millstream, Failure> {
        let target = self.target()?;
        let mut kept = self.trusted.lock().await;
        if let Some(millstream) = &*kept {
            return Ok(millstream.clone());
        }
        Ok(kept.insert(connect(&target.trusted).await?).clone())
    }

    /// For a visitor who has not logged in.
    ///
    /// # Errors
    /// [`Failure::LoginNeeded`].
    pub(crate) async fn stranger(&self) -> Result<Millstream, Failure> {
        let target = self.target()?;
        let mut kept = self.stranger.lock().await;
        match &*kept {
            Some((millstream, begun)) if begun.elapsed() < STRANGER_AGE_MAX => {
                Ok(millstream.clone())
            }
            _ => {
                *kept = None;
                let millstream = connect(&target.anonymous).await?;
                *kept = Some((millstream.clone(), Instant::now()));
                Ok(millstream)
            }
        }
    }

    /// For a visitor with these credentials.
    ///
    /// # Errors
    /// [`Failure::LoginRefused`].
    pub(crate) async fn log_in(&self, user: &str, password: &str) -> Result<Millstream, Failure> {
        let target = self.target()?;
        let user = Some(user).filter(|user| !user.is_empty());
        let way = target.anonymous.credentials(user, password);
        connect(&way).await.map_err(|failure| match failure {
            Failure::Server(Error::Refused { code, text })
                if matches!(&*code, "WRONGPASS" | "ERR") =>
            {
                Failure::LoginRefused(text)
            }
            other => other,
        })
    }
}

async fn connect(way: &ConnectOptions) -> Result<Millstream, Failure> {
    way.connect().await.map_err(|error| match error {
        Error::Refused { code, .. } if code == "NOAUTH" => Failure::LoginNeeded,
        error => Failure::Server(error),
    })
}
