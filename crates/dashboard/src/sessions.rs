//! Who has logged in.
//!
//! A session has a connection of its own to the server, logged in as its user: what it may do is
//! the server's business.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use millstream::Millstream;
use parking_lot::Mutex;

use crate::random::secret;

/// Each has a connection.
const KEPT: usize = 64;
/// A visitor who does nothing for so long is logged out.
const IDLE_MAX: Duration = Duration::from_secs(60 * 60);
/// Whoever logged in so long ago does it again.
const AGE_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// A program that gives its credentials with each request is believed for so long without asking
/// the server again.
const PROGRAM_AGE_MAX: Duration = Duration::from_secs(60);

/// Who has logged in, by what their browsers show.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Kept>>);

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
    fn is_over(&self) -> bool {
        self.used.elapsed() > IDLE_MAX || self.begun.elapsed() > self.age_max
    }
}

impl Sessions {
    /// Begins one; returns what the browser is to show.
    pub(crate) fn begin(&self, user: String, millstream: Millstream) -> String {
        let key = secret();
        self.keep(key.clone(), user, millstream, AGE_MAX);
        key
    }

    /// Begins one of a program, which shows its credentials each time.
    pub(crate) fn begin_program(&self, credentials: &str, user: String, millstream: Millstream) {
        self.keep(program(credentials), user, millstream, PROGRAM_AGE_MAX);
    }

    fn keep(&self, key: String, user: String, millstream: Millstream, age_max: Duration) {
        let session = Session { user, millstream, token: secret() };
        let now = Instant::now();
        let mut all = self.0.lock();
        all.retain(|_, kept| !kept.is_over());
        if all.len() >= KEPT {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            oldest.map(|key| all.remove(&key));
        }
        all.insert(key, Kept { session, age_max, begun: now, used: now });
    }

    pub(crate) fn find(&self, key: &str) -> Option<Session> {
        let mut all = self.0.lock();
        let kept = all.get_mut(key)?;
        if kept.is_over() {
            all.remove(key);
            return None;
        }
        kept.used = Instant::now();
        Some(kept.session.clone())
    }

    pub(crate) fn find_program(&self, credentials: &str) -> Option<Session> {
        self.find(&program(credentials))
    }

    pub(crate) fn end(&self, key: &str) {
        self.0.lock().remove(key);
    }
}

/// No browser's session has such a key.
fn program(credentials: &str) -> String {
    format!("program {credentials}")
}
