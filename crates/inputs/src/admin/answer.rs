//! What must hold for every answer, whatever was asked.

use anyhow::{Context, Result, ensure};
use axum::http::{Method, StatusCode};
use serde_json::Value;

use super::door::Answered;
use super::html;
use super::request::{Asked, Site, contains};
use super::store::PASSWORD;

/// Who is to blame is said by one of these.
const STATUSES: [u16; 14] = [200, 303, 400, 401, 403, 404, 405, 409, 413, 415, 421, 422, 501, 503];
/// Stands in names and values of the store, and in requests.
const MARKUP: &str = "<x-millstream";

/// What is known when an answer comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    pub(super) site: Site,
    /// Connections were cut off, maybe those of the dashboard.
    pub(super) has_cut: bool,
}

/// # Errors
/// What does not hold.
pub(super) fn check(asked: &Asked, answered: &Answered, known: Circumstances) -> Result<()> {
    let status = answered.status.as_u16();
    ensure!(STATUSES.contains(&status), "status {status}");
    let may_be_away = known.site == Site::Away || known.has_cut;
    ensure!(status != 503 || may_be_away, "the server is there, and is said to be away");
    if let Some(to) = answered.headers.get("location") {
        let to = to.to_str().context("an address is text")?;
        let is_ours = to.strip_prefix('/').is_some_and(|rest| !rest.starts_with(['/', '\\']));
        ensure!(is_ours && answered.status == StatusCode::SEE_OTHER, "leads to {to}");
    }
    let says_it = contains(&asked.body, PASSWORD.as_bytes())
        || contains(asked.uri.to_string().as_bytes(), PASSWORD.as_bytes());
    ensure!(says_it || !contains(&answered.body, PASSWORD.as_bytes()), "the password is shown");
    if asked.method == Method::HEAD {
        return Ok(());
    }
    let kind = answered.headers.get("content-type").map(|kind| kind.to_str()).transpose()?;
    match kind.map(|kind| kind.split(';').next().unwrap_or_default()) {
        Some("text/html") => check_page(answered)?,
        Some("application/json") => check_json(asked, answered)?,
        Some("text/plain") if asked.uri.path() == "/metrics" && status == 200 => {
            check_metrics(&text(answered)?)?;
        }
        _ => {}
    }
    check_refusal(asked, answered)
}

fn text(answered: &Answered) -> Result<String> {
    String::from_utf8(answered.body.clone()).context("a text in UTF-8")
}

fn check_page(answered: &Answered) -> Result<()> {
    let policy = answered.headers.get("content-security-policy").context("a page has a policy")?;
    let policy = policy.to_str()?;
    ensure!(policy.contains("default-src 'none'"), "policy {policy}");
    let page = text(answered)?;
    ensure!(!page.contains(MARKUP), "markup of somebody else: {page}");
    html::check(&page).map_err(|reason| anyhow::anyhow!("{reason}\nin {page}"))
}

fn check_json(asked: &Asked, answered: &Answered) -> Result<()> {
    let json: Value = serde_json::from_slice(&answered.body)
        .with_context(|| answered.body.escape_ascii().to_string())?;
    if answered.status.as_u16() >= 400 && asked.is_api() {
        let error = json.get("error").and_then(Value::as_str);
        ensure!(error.is_some_and(|error| !error.is_empty()), "no reason is said: {json}");
    }
    Ok(())
}

/// Programs that ask for JSON are refused in JSON, but for what is no request to a route of ours.
fn check_refusal(asked: &Asked, answered: &Answered) -> Result<()> {
    let is_guards = matches!(answered.status.as_u16(), 405 | 421)
        || answered.body.starts_with(b"there is no Host")
        || answered.body.starts_with(b"this was asked for by a page");
    if asked.is_api() && answered.status.as_u16() >= 400 && !is_guards {
        let kind = answered.headers.get("content-type").map(|kind| kind.as_bytes());
        ensure!(kind == Some(b"application/json"), "{answered:?}");
    }
    Ok(())
}

/// Lines of the text format of Prometheus: no name brings a line of its own.
fn check_metrics(text: &str) -> Result<()> {
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let rest = line.trim_start_matches(is_name);
        ensure!(rest.len() < line.len(), "a line without a name: {line:?}");
        let rest = match rest.strip_prefix('{') {
            Some(labels) => after_labels(labels).with_context(|| format!("labels of {line:?}"))?,
            None => rest,
        };
        let value = rest.split_whitespace().next().unwrap_or_default();
        ensure!(value.parse::<f64>().is_ok(), "a line without a value: {line:?}");
    }
    Ok(())
}

/// Behind `name="value",name="value"}`.
fn after_labels(mut labels: &str) -> Option<&str> {
    loop {
        if let Some(rest) = labels.strip_prefix('}') {
            return Some(rest);
        }
        let (_, value) = labels.split_once("=\"")?;
        let mut is_escaped = false;
        let end = value.find(|c| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        })?;
        labels = value[end + 1..].strip_prefix(',').unwrap_or(&value[end + 1..]);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};

    use super::*;

    /// Whether an answer to this request would be found to be right.
    fn is_right(path: &str, status: u16, kind: &str, location: &str, body: &str) -> bool {
        let asked = format!("GET {path}");
        let asked = Asked::parse(asked.as_bytes(), &Vec::new()).expect("a request");
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().expect("a header"));
        headers.insert(CONTENT_SECURITY_POLICY, "default-src 'none'".parse().expect("a header"));
        if !location.is_empty() {
            headers.insert(LOCATION, location.parse().expect("a header"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        let answered = Answered { status, headers, body: body.as_bytes().to_vec() };
        let known = Circumstances { site: Site::Open, has_cut: false };
        check(&asked, &answered, known).is_ok()
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_found() {
        let (text, html, json) = ("text/plain", "text/html; charset=utf-8", "application/json");
        assert!(is_right("/", 303, text, "/login?then=%2F", ""));
        for to in ["//evil.example", "/\\evil.example", "https://evil.example", "a"] {
            assert!(!is_right("/", 303, text, to, ""), "{to}");
        }
        for status in [500, 502, 503, 302, 204] {
            assert!(!is_right("/", status, text, "", ""), "{status}");
        }
        assert!(is_right("/", 200, html, "", "<!DOCTYPE html><p>&lt;x-millstream</p>"));
        assert!(!is_right("/", 200, html, "", "<!DOCTYPE html><p><x-millstream></p>"));
        assert!(is_right("/api/v1/a", 404, json, "", "{\"error\":\"a\"}"));
        assert!(!is_right("/api/v1/a", 404, json, "", "{\"error\":\"\"}"));
        assert!(!is_right("/api/v1/a", 200, json, "", "{\"a\""));
        assert!(!is_right("/api/v1/a", 400, text, "", "a"));
        assert!(!is_right("/", 200, text, "", PASSWORD));
        let metrics = |line: &str| is_right("/metrics", 200, text, "", &format!("# a\n{line}\n"));
        for line in ["a 1", "a{b=\"c\"} 1.5", "a{b=\"c\\\"} 1\",d=\"\"} NaN"] {
            assert!(metrics(line), "{line}");
        }
        for line in ["a{b=\"c\nd\"} 1", "a", "a{b=\"c\"d\"} 1", "{} 1"] {
            assert!(!metrics(line), "{line}");
        }
    }
}
