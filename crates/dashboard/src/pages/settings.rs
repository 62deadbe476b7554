//! The settings of the server (CONFIG GET).

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use millstream_shown::visible;
use serde::Deserialize;

use super::parts::{count, empty};
use super::server_parts::{head, title, told};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::secrets::is_secret;
use crate::servers::places;
use crate::visitor::Visitor;

/// Characters of a value that are shown.
const VALUE_MAX: usize = 400;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    /// Part of the name.
    #[serde(default)]
    find: String,
}

pub(crate) async fn get(ask: Ask, Query(which): Query<Which>) -> Result<Response, Failure> {
    ask.answer(move |visitor| content(visitor, which.clone())).await
}

async fn content(visitor: Visitor, which: Which) -> Result<Content, Failure> {
    let places = places(&visitor).await?;
    let mut sections = Vec::new();
    for place in &places {
        let section = match told(place.monitor.settings("*").await)? {
            Ok(settings) => table(&settings, which.find.trim()),
            Err(why) => why,
        };
        sections.push(html! { (title(places.len(), &place.name)) (section) });
    }
    let fixed = html! {
        (head("/server/settings"))
        form .row.panel method="get" action="/server/settings" {
            label { "Part of the name" input name="find" value=(which.find); }
            button { "Show" }
            @if !which.find.is_empty() { a .button href="/server/settings" { "Show all" } }
        }
        @for section in sections { (section) }
        p .quiet { "Passwords are never shown. CONFIG SET changes what can be changed." }
    };
    Ok(Content { title: "Settings".to_owned(), live: html! {}, fixed })
}

fn table(settings: &BTreeMap<String, String>, find: &str) -> Markup {
    let find = find.to_ascii_lowercase();
    let found = settings.iter().filter(|(name, _)| name.to_ascii_lowercase().contains(&find));
    let found: Vec<_> = found.collect();
    html! {
        h2 { "Settings " span .count { (count(found.len() as u64)) } }
        @if found.is_empty() { (empty("No setting has that in its name.")) }
        @else {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Settings" {
                table {
                    thead { tr { th { "Setting" } th { "Value" } } }
                    tbody { @for (name, value) in found { tr {
                        td .tight { span .name { (visible(name.as_bytes())) } }
                        td { (shown(name, value)) }
                    } } }
                }
            }
        }
    }
}

fn shown(name: &str, value: &str) -> Markup {
    let is_set = !value.is_empty();
    html! {
        @if is_secret(name.as_bytes()) {
            span .quiet { @if is_set { "(set, not shown)" } @else { "(not set)" } }
        } @else if is_set {
            @let (start, rest) = value.split_at(value.floor_char_boundary(VALUE_MAX));
            span .name { (visible(start.as_bytes())) @if !rest.is_empty() { "..." } }
        } @else { span .quiet { "(empty)" } }
    }
}
