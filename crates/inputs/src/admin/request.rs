//! Arbitrary bytes as requests of HTTP, in a form that people can write, too:
//!
//! ```text
//! open
//! POST /api/v1/streams/{}/entries orders
//! origin: http://127.0.0.1:8379
//!
//! {"fields": {"a": "1"}}
//! --
//! GET 12 orders ?limit=1
//! ```
//!
//! The first letter says which dashboard is asked. A line of a request is a method (`.`: one that
//! the route has), a path or the number of a [route](ROUTES), names for the `{}` of the path, which
//! are percent-encoded, and a query. Headers that every browser sends are there by themselves; `-`
//! before a name takes one away. Words that begin with `$` stand for secrets of the dashboard.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Request, Uri};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::routes::ROUTES;

/// Requests after this are left out.
const REQUESTS_MAX: usize = 8;
const BETWEEN: &[u8] = b"\n--\n";
/// What no program puts into a path as it is.
const ENCODED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');

/// Which dashboard is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// No password, and everybody may write.
    Open,
    /// No password, and nobody may write.
    Shut,
    /// A password, and users.
    Locked,
    /// The server reads its data.
    Away,
}

/// A request, before it is known what its secrets are.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What words stand for: `$TOKEN` and its value.
pub(super) type Secrets = Vec<(&'static str, String)>;

/// Which dashboard is asked, and the text of each request.
pub(super) fn parts(data: &[u8]) -> (Site, Vec<&[u8]>) {
    let (head, mut rest) = split(data, b"\n");
    let site = match head.first() {
        Some(b'o') => Site::Open,
        Some(b's') => Site::Shut,
        Some(b'a') => Site::Away,
        _ => Site::Locked,
    };
    let mut all = Vec::new();
    while !rest.is_empty() && all.len() < REQUESTS_MAX {
        let part;
        (part, rest) = split(rest, BETWEEN);
        all.push(part);
    }
    (site, all)
}

impl Asked {
    /// `None`: HTTP has no such request, and no router ever sees it.
    pub(super) fn parse(text: &[u8], secrets: &Secrets) -> Option<Self> {
        let text = filled(text, secrets);
        let (head, body) = split(&text, b"\n\n");
        let (line, mut rest) = split(head, b"\n");
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (method, path) = (words.next()?, words.next()?);
        let (usual, path) = route(path);
        let (mut names, mut query) = (Vec::new(), Vec::new());
        for word in words {
            if word.starts_with(b"?") { query = word.to_vec() } else { names.push(word) }
        }
        let method = if method == b"." { usual.as_bytes() } else { method };
        let method = Method::from_bytes(method).ok()?;
        let target = [with_names(&path, &names), query].concat();
        let uri = Uri::try_from(&target[..]).or_else(|_| {
            let encoded = percent_encode(&target, ENCODED).to_string();
            Uri::try_from(encoded)
        });
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8379"));
        if !body.is_empty() {
            let kind = match body[0] {
                b'{' | b'[' => "application/json",
                _ => "application/x-www-form-urlencoded",
            };
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        while !rest.is_empty() {
            let line;
            (line, rest) = split(rest, b"\n");
            put_header(&mut headers, line);
        }
        Some(Self { method, uri: uri.ok()?, headers, body: body.to_vec() })
    }

    /// As the router takes it.
    pub(super) fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Whether it asks for something to be changed.
    pub(super) fn is_change(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    /// Whether it names something by bytes that are no UTF-8. Servers quote such names as they are,
    /// and the Rust client then gives the connection up, which looks as if the server was away.
    pub(super) fn names_bytes(&self) -> bool {
        let is_text = |text: &[u8]| {
            let decoded: Vec<u8> = percent_decode(text).collect();
            std::str::from_utf8(&decoded).is_ok() && !contains(&decoded, b"\\x")
        };
        let target = self.uri.to_string();
        !is_text(target.as_bytes()) || !is_text(&self.body) || contains(&self.body, b"b64")
    }

    pub(super) fn is_api(&self) -> bool {
        self.uri.path().starts_with("/api/")
    }

    /// Empty where there is none.
    pub(super) fn header(&self, name: &str) -> &[u8] {
        self.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default()
    }
}

fn put_header(headers: &mut HeaderMap, line: &[u8]) {
    if let Some(name) = line.strip_prefix(b"-") {
        let _ = HeaderName::from_bytes(name).map(|name| headers.remove(name));
        return;
    }
    let (name, value) = split(line, b":");
    let name = HeaderName::from_bytes(name.trim_ascii());
    let value = HeaderValue::from_bytes(value.trim_ascii());
    if let (Ok(name), Ok(value)) = (name, value) {
        headers.insert(name, value);
    }
}

/// The method that goes with a path, and the path that a number stands for.
fn route(word: &[u8]) -> (&'static str, Vec<u8>) {
    let number = std::str::from_utf8(word).ok().and_then(|text| text.parse::<usize>().ok());
    if let Some(number) = number {
        let (method, path) = ROUTES[number % ROUTES.len()];
        return (method, path.as_bytes().to_vec());
    }
    let found = ROUTES.iter().find(|(_, path)| path.as_bytes() == word);
    (found.map_or("GET", |(method, _)| method), word.to_vec())
}

/// Each `{}` replaced by the next name; by none where there is none left.
fn with_names(path: &[u8], names: &[&[u8]]) -> Vec<u8> {
    let (mut names, mut rest, mut filled) = (names.iter(), path, Vec::new());
    loop {
        let has_more = contains(rest, b"{}");
        let part;
        (part, rest) = split(rest, b"{}");
        filled.extend_from_slice(part);
        if !has_more {
            return filled;
        }
        let name = names.next().copied().unwrap_or_default();
        filled.extend(percent_encode(name, NON_ALPHANUMERIC).to_string().into_bytes());
    }
}

fn filled(text: &[u8], secrets: &Secrets) -> Vec<u8> {
    let mut text = text.to_vec();
    for (word, secret) in secrets {
        while let Some(at) = find(&text, word.as_bytes()) {
            text.splice(at..at + word.len(), secret.bytes());
        }
    }
    text
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    find(text, part).is_some()
}

/// What is before the first such mark, and what is behind it.
fn split<'t>(text: &'t [u8], mark: &[u8]) -> (&'t [u8], &'t [u8]) {
    match find(text, mark) {
        Some(at) => (&text[..at], &text[at + mark.len()..]),
        None => (text, b""),
    }
}
