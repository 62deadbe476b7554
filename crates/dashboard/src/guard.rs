//! What is refused before anybody looks at it: requests by pages of others.
//!
//! 1. *Host*: a page of somebody else can let its own name lead to this address (DNS rebinding),
//!    and would then be taken for ours by the browser. Its name stands in `Host`, which is why
//!    only addresses, `localhost` and names that were configured may stand there.
//! 2. *Origin*: browsers say from whose page a change is asked for; only ours may. Forms have a
//!    token beside that ([`crate::visitor::Visitor::change`]).
//!
//! Every answer forbids that scripts or frames of others are let in.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' \
                      data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // What says whether the server is well is asked for by any name, and says nothing else.
    let is_health = matches!(request.uri().path(), "/healthz" | "/readyz");
    let host = match host(request.uri(), request.headers()) {
        Some(host) => host,
        // As HTTP/1.0 of load balancers.
        None if is_health => String::new(),
        None => return (StatusCode::BAD_REQUEST, "there is no Host\n").into_response(),
    };
    if !is_health && !is_known(&host, &app.options.hosts) {
        let text = format!(
            "the name {host:?} is not one of this dashboard; next: call it by its address, or let \
             it be known by that name (--admin-host)\n"
        );
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_change && !is_ours(request.headers(), &host) {
        let text = "this was asked for by a page of somebody else\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// With its port, if it has one.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    uri.authority().map(|authority| authority.as_str()).or(named).map(str::to_ascii_lowercase)
}

fn is_known(host: &str, names: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Programs that are no browsers say nothing about a page.
fn is_ours(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match text("origin") {
        None => true,
        Some(origin) => {
            origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_known_names_are_ours() {
        let names = ["millstream.example".to_owned()];
        for known in [
            "127.0.0.1:8379",
            "127.0.0.1",
            "[::1]:8379",
            "[::1]",
            "localhost:1",
            "millstream.example",
            "millstream.example:8379",
        ] {
            assert!(is_known(known, &names), "{known}");
        }
        for strange in ["evil.example", "localhost.evil.example:8379", "", ":1", "127.0.0.1.nip.io"]
        {
            assert!(!is_known(strange, &names), "{strange}");
        }
    }

    #[test]
    fn changes_are_asked_for_by_our_own_pages() {
        let asked = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            is_ours(&headers.collect(), "127.0.0.1:8379")
        };
        assert!(asked(&[]));
        assert!(asked(&[("sec-fetch-site", "same-origin")]));
        assert!(asked(&[("origin", "http://127.0.0.1:8379")]));
        assert!(!asked(&[("origin", "http://127.0.0.1:1")]));
        assert!(!asked(&[("origin", "null")]));
        assert!(!asked(&[("origin", "http://evil.example")]));
        assert!(!asked(&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8379")]));
        assert!(!asked(&[("sec-fetch-site", "same-site")]));
    }
}
