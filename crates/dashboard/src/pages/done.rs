//! What a form leads to: back to a page, which says what was done, or why it was not.

use axum::response::{IntoResponse, Redirect, Response};

use crate::failure::Failure;
use crate::notices::Notice;
use crate::visitor::Visitor;

/// Back to `path`, which may have a query. Whoever has to log in, and whose form is not ours, is
/// told so in place of that.
pub(super) fn back(visitor: &Visitor, path: &str, done: Result<String, Failure>) -> Response {
    let notice = match done {
        Ok(text) => Notice { text, is_failure: false },
        Err(failure @ (Failure::LoginNeeded | Failure::ReadOnly | Failure::Forged)) => {
            return failure.into_response();
        }
        Err(failure) => Notice { text: failure.to_string(), is_failure: true },
    };
    let key = visitor.app.notices.add(notice);
    let mark = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{mark}notice={key}")).into_response()
}
