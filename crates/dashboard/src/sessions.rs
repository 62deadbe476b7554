//! Who has logged in.
//!
//! A session has a connection of its own to the server, logged in as its user: what it may do is
//! the server's business.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use millstream::Millstream;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::random::secret;

/// A visitor who does nothing for so long is logged out.
const IDLE_MAX: Duration = Duration::from_secs(60 * 60);
/// Whoever logged in so long ago does it again.
const AGE_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// A program that gives its credentials with each request is believed for so long without asking
/// the server again.
const PROGRAM_AGE_MAX: Duration = Duration::from_secs(60);

/// Who has logged in, by what their browsers show.
#[derive(Debug)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<String, Kept>>,
    /// Each has a connection.
    max: usize,
    /// Of this and of their credentials the tokens of programs are made: their sessions are short,
    /// and a form may be sent in the next one.
    program_secret: String,
}

#[derive(Debug)]
struct Kept {
    session: Session,
    age_max: Duration,
    begun: Instant,
    used: Instant,
}

/// Somebody who has logged in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) millstream: Millstream,
    /// Stands in each of their forms.
    pub(crate) token: String,
}

impl Kept {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) > IDLE_MAX || now.duration_since(self.begun) > self.age_max
    }
}

impl Sessions {
    pub(crate) fn new(max: usize) -> Self {
        Self { all: Mutex::default(), max, program_secret: secret() }
    }

    /// Begins one; returns what the browser is to show.
    pub(crate) fn begin(&self, user: String, millstream: Millstream) -> String {
        let key = secret();
        let session = Session { user, millstream, token: secret() };
        self.keep(key.clone(), session, AGE_MAX);
        key
    }

    /// Begins one of a program, which shows its credentials each time.
    pub(crate) fn begin_program(&self, credentials: &str, user: String, millstream: Millstream) {
        let token = digest(&format!("{}{credentials}", self.program_secret));
        let session = Session { user, millstream, token };
        self.keep(program(credentials), session, PROGRAM_AGE_MAX);
    }

    fn keep(&self, key: String, session: Session, age_max: Duration) {
        let now = Instant::now();
        let mut all = self.all.lock();
        all.retain(|_, kept| !kept.is_over(now));
        if all.len() >= self.max {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            oldest.map(|key| all.remove(&key));
        }
        all.insert(key, Kept { session, age_max, begun: now, used: now });
    }

    /// For somebody who does something: their hour begins anew.
    pub(crate) fn find(&self, key: &str) -> Option<Session> {
        self.find_at(key, Instant::now(), true)
    }

    /// For a page that is open, and of which nobody knows whether somebody sits there.
    pub(crate) fn peek(&self, key: &str) -> Option<Session> {
        self.find_at(key, Instant::now(), false)
    }

    fn find_at(&self, key: &str, now: Instant, is_use: bool) -> Option<Session> {
        let mut all = self.all.lock();
        let kept = all.get_mut(key)?;
        if kept.is_over(now) {
            all.remove(key);
            return None;
        }
        if is_use {
            kept.used = now;
        }
        Some(kept.session.clone())
    }

    pub(crate) fn find_program(&self, credentials: &str) -> Option<Session> {
        self.find(&program(credentials))
    }

    pub(crate) fn end(&self, key: &str) {
        self.all.lock().remove(key);
    }
}

/// No browser's session has such a key, and no password can be read from it.
fn program(credentials: &str) -> String {
    format!("program {}", digest(credentials))
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use millstream::ConnectOptions;
    use millstream_server::{Config, RunningServer, Server};

    use super::*;

    fn server() -> RunningServer {
        let config = Config { port: Some(0), memory: true, ..Config::default() };
        Server::start(config).expect("it starts")
    }

    fn way(server: &RunningServer) -> ConnectOptions {
        let connector = server.connector();
        ConnectOptions::dialled(move || connector.connect())
    }

    /// Symptom: a form that was sent with the credentials of a program was refused, unless it was
    /// loaded a moment ago.
    #[tokio::test]
    async fn a_program_has_the_same_token_in_its_next_session() {
        let server = server();
        let (sessions, way) = (Sessions::new(3), way(&server));
        let mut tokens = Vec::new();
        for credentials in ["Basic one", "Basic one", "Basic other"] {
            let millstream = way.connect().await.expect("it accepts");
            sessions.begin_program(credentials, "ada".to_owned(), millstream);
            tokens.push(sessions.find_program(credentials).expect("it began").token);
        }
        assert_eq!(tokens[0], tokens[1]);
        assert_ne!(tokens[0], tokens[2]);
    }

    /// Symptom: a page that was left open kept its session for twelve hours.
    #[tokio::test]
    async fn an_hour_of_an_open_page_ends_a_session_and_requests_do_not() {
        let server = server();
        let way = way(&server);
        let sessions = Sessions::new(2);
        let begin = |millstream| sessions.begin("ada".to_owned(), millstream);
        let one = begin(way.connect().await.expect("it accepts"));
        let other = begin(way.connect().await.expect("it accepts"));
        let now = Instant::now();
        for minutes in (10..=120).step_by(10) {
            let at = now + Duration::from_secs(minutes * 60);
            assert!(sessions.find_at(&one, at, true).is_some(), "{minutes} min");
            let is_there = sessions.find_at(&other, at, false).is_some();
            // The session is a moment older than the test.
            assert_eq!(is_there, minutes < 60, "{minutes} min");
        }
    }
}
