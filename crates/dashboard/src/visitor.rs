//! Who is asking, and what they may do.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millstream::redis::cmd;
use millstream::{ConsumerGroupManager, Error, GroupInfo, Millstream, ServerMonitor};
use millstream_shown::visible;

use crate::app::App;
use crate::failure::Failure;
use crate::login;
use crate::random::is_same;
use crate::sessions::Session;

/// The cookie of a session.
pub(crate) const COOKIE: &str = "millstream_session";

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) app: Arc<App>,
    /// As whom the server knows them.
    pub(crate) millstream: Millstream,
    /// Who has logged in; `None`: nobody.
    pub(crate) user: Option<String>,
    /// Whether the dashboard lets them try to change something; the server may still refuse.
    pub(crate) can_write: bool,
    /// Stands in each form that they send.
    pub(crate) token: String,
    pub(crate) address: SocketAddr,
    /// They gave their credentials with the request itself.
    is_program: bool,
    /// What their browser shows.
    session: Option<String>,
}

/// A visitor who may change something, and does.
#[derive(Debug)]
pub(crate) struct Change<'a>(&'a Visitor);

impl Visitor {
    /// The same some time later, as whoever they are by then. They did nothing for it.
    ///
    /// # Errors
    /// [`Failure::LoginNeeded`]: they have logged out, or the server has got a password.
    pub(crate) async fn later(&self) -> Result<Self, Failure> {
        let millstream = match &self.session {
            Some(key) => self.app.sessions.peek(key).ok_or(Failure::LoginNeeded)?.millstream,
            None if self.is_program => self.millstream.clone(),
            None => self.app.stranger().await?,
        };
        Ok(Self { millstream, ..self.clone() })
    }

    /// For what shows only what was seen before: that the server is away must be told, too.
    ///
    /// # Errors
    /// None of the servers answers.
    pub(crate) async fn server_answers(&self) -> Result<(), Failure> {
        let mut missed = Ok(());
        for monitor in ServerMonitor::all(&self.millstream).await? {
            match monitor.query(&cmd("PING")).await {
                Err(error @ Error::Connection(_)) => missed = Err(error.into()),
                _ => return Ok(()),
            }
        }
        missed
    }

    /// A group, as it is.
    ///
    /// # Errors
    /// [`Failure::NotFound`], and those of the server.
    pub(crate) async fn group(&self, stream: &[u8], group: &[u8]) -> Result<GroupInfo, Failure> {
        let groups = ConsumerGroupManager::new(&self.millstream, stream).groups().await?;
        groups.into_iter().find(|info| info.name_bytes == group).ok_or_else(|| {
            let (group, stream) = (visible(group), visible(stream));
            Failure::NotFound(format!("stream {stream} has no group {group}"))
        })
    }

    /// To be asked for before anything is changed, with the token of the form. One in JSON, which a
    /// browser sends for pages of ours only, needs none. A form does also where the request says
    /// itself who sends it: a browser that was asked for a password once does so by itself.
    ///
    /// # Errors
    /// [`Failure::ReadOnly`], [`Failure::Forged`].
    pub(crate) fn change(&self, token: Option<&str>) -> Result<Change<'_>, Failure> {
        if !self.can_write {
            return Err(Failure::ReadOnly);
        }
        if token.is_some_and(|token| !is_same(token, &self.token)) {
            return Err(Failure::Forged);
        }
        Ok(Change(self))
    }
}

impl Change<'_> {
    /// As whom the server knows the visitor.
    pub(crate) fn millstream(&self) -> &Millstream {
        &self.0.millstream
    }

    /// One line in the log: who changed what. `what` is shown text, without line ends.
    pub(crate) fn audit(&self, what: &str) {
        let Self(visitor) = self;
        let user = visitor.user.as_deref().unwrap_or("(not logged in)");
        let user = millstream_shown::visible(user.as_bytes());
        tracing::info!("dashboard: {user} at {}: {what}", visitor.address);
    }
}

/// Whether it is no page that is asked for, but what becomes of one that is open.
pub(crate) fn asks_for_events(parts: &Parts) -> bool {
    let accept = parts.headers.get(header::ACCEPT);
    accept.is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream"))
}

/// The session that a browser shows.
pub(crate) fn session_key(parts: &Parts) -> Option<&str> {
    let cookies = parts.headers.get_all(header::COOKIE).iter();
    let mut all = cookies.filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
    all.find_map(|one| one.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let ConnectInfo(address) = ConnectInfo::<SocketAddr>::from_request_parts(parts, app)
            .await
            .map_err(|_| Failure::Invalid("nobody knows where this comes from".to_owned()))?;
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let (session, is_program) = match authorization {
            Some(given) => (Some(program(app, given.as_bytes(), address).await?), true),
            // An open page, which goes on asking by itself.
            None if asks_for_events(parts) => {
                (session_key(parts).and_then(|key| app.sessions.peek(key)), false)
            }
            None => (session_key(parts).and_then(|key| app.sessions.find(key)), false),
        };
        let key = session_key(parts).filter(|_| session.is_some() && !is_program);
        let key = key.map(str::to_owned);
        let app = Arc::clone(app);
        Ok(match session {
            Some(Session { user, millstream, token }) => Self {
                app,
                millstream,
                user: Some(user),
                can_write: true,
                token,
                address,
                is_program,
                session: key,
            },
            None => Self {
                millstream: app.stranger().await?,
                user: None,
                can_write: app.options.can_strangers_write,
                token: app.token.clone(),
                address,
                is_program,
                session: None,
                app,
            },
        })
    }
}

/// A program says who it is by HTTP's Basic authentication. Without a user name: the default user.
async fn program(app: &App, given: &[u8], address: SocketAddr) -> Result<Session, Failure> {
    let refused = || Failure::LoginRefused("Authorization is not Basic".to_owned());
    let given = std::str::from_utf8(given).map_err(|_| refused())?;
    if let Some(session) = app.sessions.find_program(given) {
        return Ok(session);
    }
    let (scheme, encoded) = given.split_once(' ').ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(refused());
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| refused())?;
    let decoded = String::from_utf8(decoded).map_err(|_| refused())?;
    let (user, password) = decoded.split_once(':').ok_or_else(refused)?;
    let millstream = login::prove(app, user, password, address).await?;
    app.sessions.begin_program(given, shown_user(user).to_owned(), millstream);
    app.sessions.find_program(given).ok_or_else(refused)
}

/// As whom servers take strangers.
pub(crate) const DEFAULT_USER: &str = "default";

pub(crate) fn shown_user(user: &str) -> &str {
    if user.is_empty() { DEFAULT_USER } else { user }
}
