//! The form that adds an entry to a stream, be it there or not.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};
use millstream::Fields;
use millstream_shown::{parse_fields, parse_visible};

use super::done::back;
use super::layout::token;
use crate::actions::entry::{Added, Adding, add};
use crate::app::App;
use crate::failure::Failure;
use crate::segments::{Segments, entry_path, stream_path};
use crate::sent::{Sent, id, time_if_any};
use crate::visitor::Visitor;

/// Rows for fields. Who has more writes JSON.
const ROWS: usize = 5;
/// Bytes of a form: browsers send three for most that are no letter.
const FORM_MAX: usize = 16 << 20;

pub(super) fn routes() -> Router<Arc<App>> {
    let body = DefaultBodyLimit::max(FORM_MAX);
    Router::new()
        .route("/streams", post(post_new).layer(body))
        .route("/streams/{stream}/add", post(post_add).layer(body))
}

async fn post_add(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let stream = segments.after("streams");
    let page = stream_path(&stream);
    add_to(&visitor, &stream, &page, &sent).await
}

/// To a stream that is named in the form.
async fn post_new(visitor: Visitor, sent: Sent) -> Response {
    match parse_visible(sent.text("stream").as_bytes()) {
        Ok(stream) if !stream.is_empty() => add_to(&visitor, &stream, "/streams", &sent).await,
        Ok(_) => {
            let text = "say which stream the entry is for".to_owned();
            back(&visitor, "/streams", Err(Failure::Invalid(text)))
        }
        Err(text) => back(&visitor, "/streams", Err(Failure::Invalid(text))),
    }
}

/// `page` is where the form was.
async fn add_to(visitor: &Visitor, stream: &[u8], page: &str, sent: &Sent) -> Response {
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        let adding = match (sent.text("id"), time_if_any(sent.raw("delay"))?) {
            ("", None) => Adding::Now,
            ("", Some(delay)) => Adding::After(delay),
            (as_id, None) => Adding::As(id(as_id)?),
            _ => {
                let text = "an entry that is delayed gets its id when it is due: give one of both";
                return Err(Failure::Invalid(text.to_owned()));
            }
        };
        add(&change, stream, &fields(sent)?, adding).await
    };
    match done.await {
        Ok(Added::Entry(id)) => {
            let text = format!("Entry {id} was added.");
            back(visitor, &entry_path(stream, id), Ok(text))
        }
        Ok(Added::Delayed(token)) => {
            let page = format!("{}/schedule", stream_path(stream));
            back(visitor, &page, Ok(format!("The entry waits for its time, as {token}.")))
        }
        Err(failure) => back(visitor, page, Err(failure)),
    }
}

/// Of the JSON, if there is some, else of the rows that are not empty.
fn fields(sent: &Sent) -> Result<Fields, Failure> {
    let json = sent.text("json");
    let rows = sent.all("name").zip(sent.all("value"));
    let rows: Vec<_> =
        rows.filter(|(name, value)| !(name.is_empty() && value.is_empty())).collect();
    if !json.is_empty() {
        if !rows.is_empty() {
            let text = "write the fields as rows or as JSON, not as both";
            return Err(Failure::Invalid(text.to_owned()));
        }
        let wrong = |error| Failure::Invalid(format!("the JSON is no entry: {error}"));
        return parse_fields(json.as_bytes()).map_err(wrong);
    }
    if rows.is_empty() {
        return Err(Failure::Invalid("an entry has at least one field".to_owned()));
    }
    let has_escapes = sent.is_on("escapes");
    let bytes = |text: &str| match has_escapes {
        true => parse_visible(text.as_bytes()).map_err(Failure::Invalid),
        // Browsers send line ends as two characters, whatever was typed.
        false => Ok(text.replace("\r\n", "\n").into_bytes()),
    };
    let mut fields = Fields::new();
    for (name, value) in rows {
        if name.is_empty() {
            return Err(Failure::Invalid("a field has no name".to_owned()));
        }
        fields = fields.with(bytes(name)?, bytes(value)?);
    }
    Ok(fields)
}

/// `stream` is the one that it is for; `None`: the form asks which.
pub(super) fn form(visitor: &Visitor, stream: Option<&[u8]>) -> Markup {
    let path = stream
        .map_or_else(|| "/streams".to_owned(), |stream| format!("{}/add", stream_path(stream)));
    let has_schedule = visitor.millstream.abilities().has_schedule;
    html! {
        details .panel #add {
            summary { "Add an entry" }
            form .stacked method="post" action=(path) {
                (token(visitor))
                @if stream.is_none() {
                    label { "Stream"
                        input name="stream" required size="40" autocomplete="off"
                            autocapitalize="off" spellcheck="false";
                        small {
                            "one that is not there is made; bytes that are no text as \\xff, a \
                             backslash as \\\\"
                        }
                    }
                }
                fieldset {
                    legend { "Fields" }
                    @for row in 1..=ROWS {
                        div .pair {
                            input name="name" aria-label={"Name of field " (row)}
                                placeholder="name" autocomplete="off";
                            textarea .line name="value" rows="1"
                                aria-label={"Value of field " (row)} placeholder="value" {}
                        }
                    }
                    label .check {
                        input type="checkbox" name="escapes" value="yes";
                        "Escapes such as \\n and \\xff stand for what they mean"
                    }
                }
                label { "Or all of them as JSON"
                    textarea name="json" rows="4" spellcheck="false"
                        placeholder="{\"order_id\": 7, \"items\": [1, 2]}" {}
                    small {
                        "an object of fields, or a list of pairs; {\"b64\": \"...\"} as a value is \
                         bytes"
                    }
                }
                div .row {
                    label { "Id"
                        input name="id" placeholder="the server's" size="22" autocomplete="off";
                    }
                    @if has_schedule {
                        label { "Delay"
                            input name="delay" placeholder="none, or such as 10m" size="20";
                        }
                    }
                    button .primary { "Add" }
                }
            }
        }
    }
}
