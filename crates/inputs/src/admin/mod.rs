//! Arbitrary requests to the dashboard of a server in this process: by the router that stands
//! behind the admin port, and over the connections that it has there. Only what hyper does before,
//! which is to read HTTP, is left out.
//!
//! 1. Every answer is one that the documentation knows, and what it holds is well-formed: pages,
//!    JSON, lines of metrics, addresses ([`answer`]).
//! 2. What must not change does not: whatever only looks, was refused, may not be done by whoever
//!    asks, was asked for by a page of others or without the token of a form ([`must_stay`]).
//! 3. Nothing panics, in the dashboard or in the server.
//! 4. Once the dashboard is gone its connections are, too.
//!
//! A dashboard and the store behind it are kept from input to input while nothing was changed.

mod answer;
mod door;
mod html;
mod request;
mod routes;
mod store;

use std::panic::{set_hook, take_hook};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use axum::http::Method;

use self::answer::Circumstances;
use self::door::Door;
use self::request::{Asked, Site, contains, parts};
use self::store::Store;

/// Those that stand by for the next input, of each site one.
static PLACES: Mutex<[Option<Place>; 4]> = Mutex::new([const { None }; 4]);
/// On any thread: one that the runtime caught is none the less a finding.
static PANICS: AtomicUsize = AtomicUsize::new(0);

const STRANGE: &str = "it comes from a page of somebody else";

#[derive(Debug)]
struct Place {
    site: Site,
    // Goes before the store that it shows.
    door: Door,
    store: Store,
}

/// Requests, one after the other: each is answered as it should be, and nothing changes that must
/// not. Returns whether something was found, or done.
///
/// # Panics
/// If not.
pub fn check_admin_requests(data: &[u8]) -> bool {
    count_panics();
    let panics = PANICS.load(Ordering::SeqCst);
    let (site, texts) = parts(data);
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    // One that was left by a panic is not used again.
    let mut place = places[site as usize].take().unwrap_or_else(|| Place::start(site));
    let mut visit = Visit::default();
    texts.iter().for_each(|text| place.visit(text, &mut visit));
    if visit.is_changed {
        place = place.begin_anew();
    } else {
        assert!(place.store.is_unchanged(), "looking has changed something");
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), panics, "something panicked");
    places[site as usize] = Some(place);
    visit.was_answered
}

/// What the requests of one input have come to.
#[derive(Debug, Default)]
struct Visit {
    /// The store may be other than it was filled.
    is_changed: bool,
    has_cut: bool,
    was_answered: bool,
}

impl Place {
    fn start(site: Site) -> Self {
        let store = Store::start(site == Site::Locked);
        Self { site, door: Door::open(site, &store), store }
    }

    fn begin_anew(self) -> Self {
        let Self { site, door, mut store } = self;
        drop(door);
        store.fill();
        Self { site, door: Door::open(site, &store), store }
    }

    fn visit(&mut self, text: &[u8], visit: &mut Visit) {
        let Some(asked) = Asked::parse(text, &self.door.secrets) else { return };
        let answered = self.door.ask(&asked);
        let is_refused = answered.as_ref().is_some_and(|it| it.status.as_u16() >= 400);
        if let Some(answered) = &answered {
            let has_cut = visit.has_cut || asked.names_bytes();
            let known = Circumstances { site: self.site, has_cut };
            if let Err(reason) = answer::check(&asked, answered, known) {
                panic!("{reason:#}");
            }
            visit.was_answered |= !is_refused;
        }
        let stays = must_stay(self.site, &asked, self.door.token());
        if stays == Some(STRANGE) {
            assert!(is_refused || answered.is_none(), "{STRANGE}, and was answered");
        }
        if asked.is_change() && !visit.is_changed {
            if stays.is_some() || is_refused {
                let reason = stays.unwrap_or("it was refused");
                assert!(self.store.is_unchanged(), "{reason}, and something has changed");
            } else {
                visit.is_changed = true;
            }
        }
        visit.has_cut |= asked.is_change() && asked.uri.path().ends_with("/clients/kill");
    }
}

/// Why nothing may be changed by that.
fn must_stay(site: Site, asked: &Asked, token: &str) -> Option<&'static str> {
    if !asked.is_change() {
        return Some("it only asks");
    }
    let fetched_from = asked.header("sec-fetch-site");
    let is_strange = contains(asked.header("origin"), b"evil")
        || contains(asked.header("host"), b"evil")
        || !matches!(fetched_from, b"" | b"same-origin" | b"none");
    if is_strange {
        return Some(STRANGE);
    }
    let is_program = asked.headers.contains_key("authorization");
    let is_known = is_program || contains(asked.header("cookie"), b"millstream_session");
    let is_login = asked.uri.path() == "/login";
    match site {
        Site::Away => return Some("the server is not there yet"),
        Site::Shut => return Some("nobody may write"),
        Site::Locked if !is_known && !is_login => return Some("nobody has logged in"),
        _ => {}
    }
    if is_program || is_login {
        return None;
    }
    if asked.is_api() {
        // Other methods and JSON no browser sends for pages of others without asking first.
        let is_simple = asked.method == Method::POST;
        let is_json = contains(asked.header("content-type"), b"json");
        return (is_simple && !is_json).then_some("it is no JSON");
    }
    let has_token = contains(&asked.body, token.as_bytes());
    (!has_token).then_some("it has no token of ours")
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            others(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::routes::ROUTES;
    use super::*;

    #[test]
    fn every_route_of_the_api_is_among_those_that_inputs_name() {
        let place = Place::start(Site::Shut);
        let document = place.door.get("GET /api/openapi.json").body;
        let document: serde_json::Value = serde_json::from_slice(&document).expect("JSON");
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            let parts: Vec<&str> = path
                .split('/')
                .map(|part| if part.starts_with('{') { "{}" } else { part })
                .collect();
            for method in methods.as_object().expect("methods").keys() {
                described.insert((method.to_ascii_uppercase(), parts.join("/")));
            }
        }
        let known = ROUTES.iter().filter(|(_, path)| path.starts_with("/api/v1/"));
        let known: BTreeSet<_> =
            known.map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
        assert_eq!(known, described);
    }

    #[test]
    fn what_must_not_change_is_known() {
        let of = |site, text: &str| {
            let asked = Asked::parse(text.as_bytes(), &Vec::new()).expect("a request");
            must_stay(site, &asked, "TOKEN").is_some()
        };
        let basic = "DELETE /api/v1/streams/a\nauthorization: Basic x";
        for (site, text) in [
            (Site::Open, "GET /streams/a/delete"),
            (Site::Open, "POST /streams/a/delete\n\ntoken=TOKE"),
            (Site::Open, "POST /streams/a/delete\norigin: http://evil.example\n\ntoken=TOKEN"),
            (Site::Open, "DELETE /api/v1/streams/a\nsec-fetch-site: cross-site"),
            (Site::Open, "POST /api/v1/streams/a/trim\ncontent-type: text/plain\n\n{}"),
            (Site::Shut, basic),
            (Site::Locked, "DELETE /api/v1/streams/a"),
            (Site::Away, basic),
        ] {
            assert!(of(site, text), "{site:?} {text}");
        }
        for (site, text) in [
            (Site::Open, "POST /streams/a/delete\n\ntoken=TOKEN"),
            (Site::Open, "DELETE /api/v1/streams/a"),
            (Site::Open, "POST /api/v1/streams/a/trim\n\n{}"),
            (Site::Locked, basic),
        ] {
            assert!(!of(site, text), "{site:?} {text}");
        }
    }

    #[test]
    fn a_change_that_was_not_allowed_is_noticed() {
        let mut place = Place::start(Site::Open);
        assert!(place.store.is_unchanged());
        place.door.get("DELETE /api/v1/streams/orders/entries/8-1");
        assert!(!place.store.is_unchanged());
        let mut place = place.begin_anew();
        assert!(place.store.is_unchanged());
        place.door.get("PUT /api/v1/streams/orders/groups/plain/paused\n\n{\"paused\":true}");
        assert!(!place.store.is_unchanged(), "policies belong to what is compared");
    }
}
