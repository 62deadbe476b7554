//! Logging in and out: by a user of the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Form;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use millstream::{Error, Millstream};
use millstream_shown::visible_start;
use serde::Deserialize;

use crate::app::App;
use crate::failure::Failure;
use crate::pages::layout;
use crate::visitor::{COOKIE, Visitor, session_key, shown_user};

/// Bytes of the form.
pub(crate) const FORM_MAX: usize = 16 << 10;
/// Of a name in the log.
const NAME_SHOWN: usize = 64;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Then {
    #[serde(default)]
    then: String,
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    #[serde(default)]
    user: String,
    password: String,
    #[serde(default)]
    then: String,
}

/// A page of ours: `//host` and `/\host` would be somebody else's.
fn page(then: &str) -> &str {
    let is_ours = then.starts_with('/') && !then[1..].starts_with(['/', '\\']);
    // What else there may be no browser puts into an address, and no header takes.
    if is_ours && then.bytes().all(|byte| byte.is_ascii_graphic()) { then } else { "/" }
}

pub(crate) async fn form(Query(Then { then }): Query<Then>) -> Markup {
    shown(&then, None)
}

fn shown(then: &str, refused: Option<&str>) -> Markup {
    layout::bare(
        "Log in",
        &html! {
            h1 { "Log in" }
            @if let Some(refused) = refused { p .alarm role="alert" { (refused) } }
            p { "With a user of the server. Where only a password is set, leave the user empty." }
            form .stacked method="post" action="/login" {
                input type="hidden" name="then" value=(page(then));
                label { "User" input name="user" autocomplete="username" autocapitalize="off"; }
                label {
                    "Password"
                    input type="password" name="password" required autofocus
                        autocomplete="current-password";
                }
                button .primary { "Log in" }
            }
        },
    )
}

pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Form(Credentials { user, password, then }): Form<Credentials>,
) -> Result<Response, Failure> {
    let name = shown_user(&user);
    let shown_name = millstream_shown::visible(name.as_bytes());
    let millstream = match prove(&app, &user, &password, address).await {
        Ok(millstream) => millstream,
        Err(refused @ Failure::LoginRefused(_)) => {
            let body = shown(&then, Some(&refused.to_string()));
            return Ok((refused.status(), body).into_response());
        }
        Err(other) => return Err(other),
    };
    tracing::info!("dashboard: {shown_name} at {address} logged in");
    let key = app.sessions.begin(name.to_owned(), millstream);
    let cookie = format!("{COOKIE}={key}; {}", attributes(&app));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(page(&then))).into_response())
}

/// Asks the server whether they are who they say. If not, the log has a line, and the answer takes
/// a while.
///
/// # Errors
/// [`Failure::LoginRefused`], and those of the server.
pub(crate) async fn prove(
    app: &App,
    user: &str,
    password: &str,
    address: SocketAddr,
) -> Result<Millstream, Failure> {
    let proved = app.log_in(user, password).await;
    if proved.is_ok() {
        app.refused_logins.forget(address.ip());
    }
    if let Err(failure) = &proved
        && matches!(failure, Failure::LoginRefused(_) | Failure::Server(Error::Connection(_)))
    {
        let user = visible_start(shown_user(user).as_bytes(), NAME_SHOWN);
        // Also where the server holds its refusal back for longer than the dashboard waits.
        let penalty = app.refused_logins.note(address.ip(), Instant::now());
        if penalty.is_logged() {
            let count = penalty.count;
            tracing::warn!(
                "dashboard: {user} at {address} could not log in ({count} in a row from there): \
                 {failure}"
            );
        }
        if matches!(failure, Failure::LoginRefused(_)) {
            tokio::time::sleep(penalty.wait).await;
        }
    }
    proved
}

/// What no script sees, no page of others sends, and by HTTPS nobody on the way reads.
fn attributes(app: &App) -> &'static str {
    match app.options.https {
        Some(_) => "Path=/; HttpOnly; SameSite=Strict; Secure",
        None => "Path=/; HttpOnly; SameSite=Strict",
    }
}

#[derive(Deserialize)]
pub(crate) struct Token {
    token: String,
}

pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    parts: Parts,
    Form(Token { token }): Form<Token>,
) -> Result<Response, Failure> {
    // Whoever may change nothing may still go.
    if visitor.can_write {
        visitor.change(Some(&token))?;
    }
    session_key(&parts).inspect(|key| app.sessions.end(key));
    let cookie = format!("{COOKIE}=; {}; Max-Age=0", attributes(&app));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn a_login_leads_to_no_page_of_others() {
        assert_eq!(page("/streams?match=a"), "/streams?match=a");
        for other in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb"] {
            assert_eq!(page(other), "/", "{other}");
        }
    }

    #[test]
    fn a_login_that_leads_to_no_address_is_answered() {
        for other in ["/\u{1}", "/a\u{7f}", "/a b", "/\u{e4}"] {
            assert_eq!(page(other), "/", "{other}");
        }
    }
}
