//! A dashboard, and whoever stands before it. It ends with its runtime, and with it all that it
//! does by itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt as _;
use millstream_dashboard::{Answers, DashboardOptions, Lifecycle};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::request::{Asked, Secrets, Site};
use super::store::{PASSWORD, STREAMS, Store};

/// Whoever waits longer goes away: what is slow on purpose (a pace, a wrong password) would be all
/// that there is time for.
const PATIENCE: Duration = Duration::from_millis(200);
/// What must be there before anything is asked.
const START_MAX: Duration = Duration::from_secs(60);
/// A page that stays fresh is listened to for so long.
const LISTENS: Duration = Duration::from_millis(1);

/// An answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Of what has no end, the beginning.
    pub(super) body: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Door {
    // Goes first: what runs in it ends then.
    runtime: Runtime,
    answers: Answers,
    pub(super) secrets: Secrets,
}

impl Door {
    pub(super) fn open(site: Site, store: &Store) -> Self {
        let options =
            DashboardOptions { can_strangers_write: site == Site::Open, ..Default::default() };
        let lifecycle = match site {
            Site::Away => Lifecycle::Starting,
            _ => Lifecycle::Running(Box::new(store.target())),
        };
        let (_, lifecycle) = tokio::sync::watch::channel(lifecycle);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answers = Answers::new(options, lifecycle);
        let looking = answers.clone();
        runtime.spawn(async move { looking.look().await });
        // default:pass-4711-word, reader:reader-pass, nobody:nobody-pass
        let secrets = vec![
            ("$PASSWORD", PASSWORD.to_owned()),
            ("$BASIC", "ZGVmYXVsdDpwYXNzLTQ3MTEtd29yZA==".to_owned()),
            ("$READER", "cmVhZGVyOnJlYWRlci1wYXNz".to_owned()),
            ("$NOBODY", "bm9ib2R5Om5vYm9keS1wYXNz".to_owned()),
        ];
        let mut door = Self { runtime, answers, secrets };
        if site != Site::Away {
            door.wait_for_a_look(site);
            door.find_secrets(site);
        }
        door
    }

    /// Until pages show all streams.
    fn wait_for_a_look(&self, site: Site) {
        let begun = Instant::now();
        let wanted = format!("\"streams\":{STREAMS},");
        let who = if site == Site::Locked { "\nauthorization: Basic $BASIC" } else { "" };
        loop {
            let overview = self.get(&format!("GET /api/v1/overview{who}"));
            if String::from_utf8_lossy(&overview.body).contains(&wanted) {
                return;
            }
            assert!(begun.elapsed() < START_MAX, "streams are never seen: {overview:?}");
        }
    }

    fn find_secrets(&mut self, site: Site) {
        let mut page = "GET /streams/orders".to_owned();
        if site == Site::Locked {
            let entered = self.get("POST /login\n\nuser=&password=$PASSWORD&then=/");
            let cookie = entered.headers.get("set-cookie").and_then(|cookie| cookie.to_str().ok());
            let cookie = cookie.and_then(|cookie| cookie.split(';').next()).expect("a session");
            page += &format!("\ncookie: {cookie}");
            self.secrets.push(("$SESSION", cookie.to_owned()));
        }
        let page = self.get(&page).body;
        let page = String::from_utf8_lossy(&page).into_owned();
        let token = page.split_once("name=\"token\" value=\"");
        let token = token.and_then(|(_, behind)| behind.split('"').next());
        // Where nobody may change anything there is no form.
        assert_eq!(token.is_none(), site == Site::Shut, "{page}");
        self.secrets.push(("$TOKEN", token.unwrap_or("none").to_owned()));
    }

    /// What stands in forms of ours.
    pub(super) fn token(&self) -> &str {
        let found = self.secrets.iter().find(|(word, _)| *word == "$TOKEN");
        found.map_or("none", |(_, token)| token)
    }

    /// For what is asked to have something to go on.
    ///
    /// # Panics
    /// It is not answered.
    pub(super) fn get(&self, text: &str) -> Answered {
        let asked = Asked::parse(text.as_bytes(), &self.secrets).expect("a request");
        self.within(START_MAX, &asked).expect("it answers in time")
    }

    /// `None`: whoever asked went away before.
    pub(super) fn ask(&self, asked: &Asked) -> Option<Answered> {
        self.within(PATIENCE, asked)
    }

    fn within(&self, limit: Duration, asked: &Asked) -> Option<Answered> {
        let from = SocketAddr::from(([127, 0, 0, 1], 50_000));
        let answering = async {
            let (head, body) = self.answers.answer(asked.request(), from).await.into_parts();
            let kind = head.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
            let body = match kind.is_some_and(|kind| kind.starts_with(b"text/event-stream")) {
                true => listen(body).await,
                false => to_bytes(body, usize::MAX).await.expect("it is in memory").to_vec(),
            };
            Answered { status: head.status, headers: head.headers, body }
        };
        self.runtime.block_on(async { timeout(limit, answering).await.ok() })
    }
}

/// Then goes away.
async fn listen(body: Body) -> Vec<u8> {
    let mut events = body.into_data_stream();
    match timeout(LISTENS, events.next()).await {
        Ok(Some(event)) => event.expect("it is in memory").to_vec(),
        Ok(None) | Err(_) => Vec::new(),
    }
}
