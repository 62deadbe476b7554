//! Pages that stay fresh: what a browser asks for as a page, and then as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use maud::Markup;
use serde::Deserialize;

use crate::app::App;
use crate::failure::Failure;
use crate::notices::Notice;
use crate::pages::layout;
use crate::visitor::{Visitor, asks_for_events};

/// Between two looks for what is new.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a page shows.
#[derive(Debug)]
pub(crate) struct Content {
    /// What it is about, in the window's title.
    pub(crate) title: String,
    /// Replaced while somebody looks; empty on a page of which nothing is.
    pub(crate) live: Markup,
    /// Stays as it is: forms.
    pub(crate) fixed: Markup,
}

/// How a page is asked for.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) visitor: Visitor,
    path: String,
    is_live: bool,
    notice: Option<Notice>,
}

#[derive(Deserialize)]
struct NoticeKey {
    notice: Option<String>,
}

impl FromRequestParts<Arc<App>> for Ask {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        let is_live = asks_for_events(parts);
        let key = Query::<NoticeKey>::try_from_uri(&parts.uri).ok().and_then(|it| it.0.notice);
        let notice = key.filter(|_| !is_live).and_then(|key| app.notices.take(&key));
        Ok(Self { visitor, path: parts.uri.path().to_owned(), is_live, notice })
    }
}

impl Ask {
    /// Answers with the page, or with what changes on it for as long as the browser listens.
    pub(crate) async fn answer<F, Made>(self, make: F) -> Result<Response, Failure>
    where
        F: Fn(Visitor) -> Made + Send + 'static,
        Made: Future<Output = Result<Content, Failure>> + Send,
    {
        let Self { visitor, path, is_live, notice } = self;
        if !is_live {
            let content = make(visitor.clone()).await?;
            return Ok(layout::page(&visitor, &path, &content, notice.as_ref()).into_response());
        }
        let first = (make, visitor, None::<String>);
        let events = stream::unfold(first, |(make, visitor, last)| async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                let made = match visitor.later().await {
                    Ok(visitor) => make(visitor).await,
                    Err(failure) => Err(failure),
                };
                let (name, text) = match made {
                    Ok(content) => ("content", content.live.into_string()),
                    Err(failure) => ("failure", failure.to_string()),
                };
                if last.as_ref() != Some(&text) {
                    let event = Event::default().event(name).data(&text);
                    return Some((Ok::<_, Infallible>(event), (make, visitor, Some(text))));
                }
            }
        });
        Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
    }
}
