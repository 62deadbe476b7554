//! What all requests share: the way to the server, who is logged in, what was seen.

use std::time::{Duration, Instant};

use millstream::{ConnectOptions, Error, Millstream};
use tokio::sync::{Mutex, Semaphore, watch};

use crate::failure::Failure;
use crate::history::History;
use crate::letter_jobs::LetterJobs;
use crate::metrics::Scrapes;
use crate::notices::Notices;
use crate::places::Places;
use crate::random::secret;
use crate::refused_logins::RefusedLogins;
use crate::sessions::Sessions;
use crate::sights::Sights;
use crate::visitor::{DEFAULT_USER, shown_user};
use crate::{DashboardOptions, Lifecycle, Target};

/// A stranger's connection is made anew after so long: the server may have got a password since.
const STRANGER_AGE_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) options: DashboardOptions,
    pub(crate) sessions: Sessions,
    /// Those who are logging in have connections of their own to the server.
    logins: Semaphore,
    pub(crate) refused_logins: RefusedLogins,
    pub(crate) notices: Notices,
    pub(crate) history: History,
    pub(crate) sights: Sights,
    pub(crate) letter_jobs: LetterJobs,
    pub(crate) scrapes: Scrapes,
    /// Stands in the forms of strangers, whose pages other sites cannot read.
    pub(crate) token: String,
    /// A key that nobody could have named.
    pub(crate) probe: String,
    lifecycle: watch::Receiver<Lifecycle>,
    trusted: Mutex<Kept>,
    stranger: Mutex<Kept>,
}

/// A connection that many share, and why there is none.
#[derive(Debug, Default)]
struct Kept {
    made: Option<(Millstream, Instant)>,
    /// When the server did not answer last, and what was told then.
    missed: Option<(Instant, String)>,
}

impl App {
    pub(crate) fn new(
        options: DashboardOptions,
        lifecycle: watch::Receiver<Lifecycle>,
        places: Places,
    ) -> Self {
        Self {
            options,
            sessions: Sessions::new(places.sessions),
            logins: Semaphore::new(places.logins),
            refused_logins: RefusedLogins::default(),
            notices: Notices::default(),
            history: History::default(),
            sights: Sights::default(),
            letter_jobs: LetterJobs::default(),
            scrapes: Scrapes::default(),
            token: secret(),
            probe: secret(),
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
        shared(&self.trusted, &self.target()?.trusted, Duration::MAX).await
    }

    /// For a visitor who has not logged in.
    ///
    /// # Errors
    /// [`Failure::LoginNeeded`].
    pub(crate) async fn stranger(&self) -> Result<Millstream, Failure> {
        let found = shared(&self.stranger, &self.target()?.anonymous, STRANGER_AGE_MAX).await?;
        Ok(self.as_able_as_the_server(found).await)
    }

    /// What the server can do is no question of who asks for it: whoever may not ask for INFO would
    /// be told that the server lacks what it has. Scripts are no ability of a server whose user may
    /// not run them: there are other ways.
    async fn as_able_as_the_server(&self, millstream: Millstream) -> Millstream {
        if millstream.abilities().are_told() {
            return millstream;
        }
        let Ok(trusted) = self.trusted().await else { return millstream };
        let mut abilities = trusted.abilities().clone();
        abilities.has_scripts &= millstream.abilities().has_scripts;
        millstream.with_abilities(abilities)
    }

    /// For a visitor with these credentials.
    ///
    /// # Errors
    /// [`Failure::LoginRefused`], also where they prove nothing.
    pub(crate) async fn log_in(&self, user: &str, password: &str) -> Result<Millstream, Failure> {
        let target = self.target()?;
        // Nobody closes it.
        let _place = self.logins.acquire().await;
        let user = Some(user).filter(|user| !user.is_empty());
        let way = target.anonymous.clone().credentials(user, password);
        let millstream = connect(&way).await.map_err(|failure| match failure {
            Failure::Server(Error::Refused { code, text })
                if matches!(&*code, "WRONGPASS" | "ERR") =>
            {
                Failure::LoginRefused(text)
            }
            other => other,
        })?;
        if shown_user(user.unwrap_or_default()) == DEFAULT_USER {
            // Where strangers are let in, they are this user, and any password will do for it.
            match connect(&target.anonymous).await {
                Err(Failure::LoginNeeded) => {}
                Err(other) => return Err(other),
                Ok(_) => {
                    let text = "its default user has no password, so that a login says nothing";
                    return Err(Failure::LoginRefused(text.to_owned()));
                }
            }
        }
        Ok(self.as_able_as_the_server(millstream).await)
    }
}

/// The connection that is kept, unless it is older. Of all that wait for a server that does not
/// answer, one tries, and the others are told the same: else each would wait for those before it.
async fn shared(
    kept: &Mutex<Kept>,
    way: &ConnectOptions,
    age_max: Duration,
) -> Result<Millstream, Failure> {
    let asked = Instant::now();
    let mut kept = kept.lock().await;
    if let Some((millstream, begun)) = &kept.made
        && begun.elapsed() < age_max
    {
        return Ok(millstream.clone());
    }
    match &kept.missed {
        Some((at, text)) if *at >= asked => return Err(Failure::NotReady(text.clone())),
        _ => *kept = Kept::default(),
    }
    match connect(way).await {
        Ok(millstream) => {
            kept.made = Some((millstream.clone(), Instant::now()));
            Ok(millstream)
        }
        Err(failure) => {
            if failure.is_no_answer() {
                kept.missed = Some((Instant::now(), failure.to_string()));
            }
            Err(failure)
        }
    }
}

async fn connect(way: &ConnectOptions) -> Result<Millstream, Failure> {
    way.connect().await.map_err(|error| match error {
        Error::Refused { code, .. } if code == "NOAUTH" => Failure::LoginNeeded,
        error => Failure::Server(error),
    })
}
