//! What a form sends: fields in their order, some of them several times.

use axum::Form;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use millstream::EntryId;
use millstream_shown::{duration::parse_duration, entry_id::parse_id, parse_visible, visible};

use crate::failure::Failure;

/// The fields of a form.
#[derive(Debug)]
pub(crate) struct Sent(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, state)
            .await
            .map_err(IntoResponse::into_response)?;
        Ok(Self(fields))
    }
}

impl Sent {
    /// The first field of that name, as it was sent; empty if there is none.
    pub(crate) fn raw(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| &**value).unwrap_or_default()
    }

    /// The same without blanks around it.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// All fields of that name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| &**value)
    }

    pub(crate) fn token(&self) -> &str {
        self.raw("token")
    }

    /// Whether a box was ticked.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        !self.raw(name).is_empty()
    }

    /// A name with escapes; `what` says whose it is.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: it is missing, or none.
    pub(crate) fn name(&self, name: &str, what: &str) -> Result<Vec<u8>, Failure> {
        match self.text(name) {
            "" => Err(Failure::Invalid(format!("{what} is missing; \"\" is the empty name"))),
            text => shown_name(text, what),
        }
    }

    /// # Errors
    /// [`Failure::Invalid`]: one is none.
    pub(crate) fn ids(&self, name: &str) -> Result<Vec<EntryId>, Failure> {
        self.all(name).map(id).collect()
    }
}

/// A name as it is shown, with escapes.
///
/// # Errors
/// [`Failure::Invalid`].
pub(crate) fn shown_name(text: &str, what: &str) -> Result<Vec<u8>, Failure> {
    let wrong = |error| Failure::Invalid(format!("{what} is not understood: {error}"));
    parse_visible(text.trim().as_bytes()).map_err(wrong)
}

/// # Errors
/// [`Failure::Invalid`].
pub(crate) fn id(text: &str) -> Result<EntryId, Failure> {
    let text = text.trim();
    let wrong = |_| Failure::Invalid(format!("{} is no id of an entry", visible(text.as_bytes())));
    parse_id(text).map_err(wrong)
}

/// A time, or nothing.
///
/// # Errors
/// [`Failure::Invalid`].
pub(crate) fn time_if_any(text: &str) -> Result<Option<std::time::Duration>, Failure> {
    match text.trim() {
        "" => Ok(None),
        text => parse_duration(text).map(Some).map_err(Failure::Invalid),
    }
}

/// A whole number, or nothing.
///
/// # Errors
/// [`Failure::Invalid`]; `what` says of what it is.
pub(crate) fn number_if_any(text: &str, what: &str) -> Result<Option<u64>, Failure> {
    let wrong = || Failure::Invalid(format!("{what} is a whole number, not {text:?}"));
    match text.trim() {
        "" => Ok(None),
        digits if digits.bytes().all(|it| it.is_ascii_digit()) => {
            digits.parse().map(Some).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}
