//! Which streams users may read, remembered for moments.
//!
//! A page over all streams is drawn every two seconds, and for a user with rules about some streams
//! it takes a question for each of them. What this is asked for is a list; a page of one stream
//! asks the server itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

/// Rules that change are seen after so long.
const KEPT_FOR: Duration = Duration::from_secs(5);
/// Users that are remembered; as many as have sessions.
const USERS_MAX: usize = 64;

/// What is remembered, by the name of the user.
#[derive(Debug, Default)]
pub(crate) struct Sights(Mutex<HashMap<String, (Instant, Arc<Sight>)>>);

/// What is known of one user.
#[derive(Debug, Default)]
pub(crate) struct Sight(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    all: Option<bool>,
    streams: HashMap<Bytes, bool>,
}

impl Sights {
    /// Of that user; empty where nothing was asked lately.
    pub(crate) fn of(&self, user: &str) -> Arc<Sight> {
        let mut users = self.0.lock();
        if let Some((at, sight)) = users.get(user)
            && at.elapsed() < KEPT_FOR
        {
            return Arc::clone(sight);
        }
        users.retain(|_, (at, _)| at.elapsed() < KEPT_FOR);
        if users.len() >= USERS_MAX {
            users.clear();
        }
        let sight = Arc::new(Sight::default());
        users.insert(user.to_owned(), (Instant::now(), Arc::clone(&sight)));
        sight
    }
}

impl Sight {
    /// Whether they may read all streams; `None`: it was not asked.
    pub(crate) fn all(&self) -> Option<bool> {
        self.0.lock().all
    }

    pub(crate) fn set_all(&self, may_read: bool) {
        self.0.lock().all = Some(may_read);
    }

    /// Whether they may read that one; `None`: it was not asked.
    pub(crate) fn stream(&self, stream: &[u8]) -> Option<bool> {
        self.0.lock().streams.get(stream).copied()
    }

    pub(crate) fn set_stream(&self, stream: Bytes, may_read: bool) {
        self.0.lock().streams.insert(stream, may_read);
    }
}
