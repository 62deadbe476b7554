//! Who is connected to the server (CLIENT LIST).

use std::time::Duration;

use axum::Form;
use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use millstream::redis::cmd;
use millstream_shown::{byte_size, short, visible};
use serde::Deserialize;

use super::done::back;
use super::layout::token;
use super::pager::Pager;
use super::parts::{count, empty};
use super::server_parts::{ask, head};
use crate::actions;
use crate::client_list::{Client, ClientOrder};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::query_text;
use crate::servers::{bytes, places};
use crate::visitor::Visitor;

const PER_PAGE: usize = 50;
const PATH: &str = "/server/clients";

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    /// Part of what a row says.
    #[serde(default)]
    find: String,
    #[serde(default)]
    sort: ClientOrder,
    #[serde(default)]
    page: usize,
}

/// What the orders are called on the page.
fn order_text(order: ClientOrder) -> &'static str {
    match order {
        ClientOrder::Id => "number",
        ClientOrder::Name => "name",
        ClientOrder::Age => "oldest first",
        ClientOrder::Idle => "idle for longest first",
        ClientOrder::Memory => "most memory first",
        ClientOrder::Commands => "most commands first",
    }
}

pub(crate) async fn get(ask: Ask, Query(which): Query<Which>) -> Result<Response, Failure> {
    ask.answer(move |visitor| content(visitor, which.clone())).await
}

async fn content(visitor: Visitor, which: Which) -> Result<Content, Failure> {
    let places = places(&visitor).await?;
    let (mut all, mut hints) = (Vec::new(), Vec::new());
    for place in &places {
        match ask(place, cmd("CLIENT").arg("LIST")).await? {
            Ok(list) => {
                let list = String::from_utf8_lossy(&bytes(&list)).into_owned();
                all.extend(Client::list(&place.name, &list));
            }
            Err(why) => hints.push(why),
        }
    }
    all.retain(|client| client.has(&which.find));
    which.sort.sort(&mut all);
    let total = all.len();
    let pager = Pager::new(which.page, PER_PAGE, total);
    let shown: Vec<Client> = pager.of(all).collect();
    let sort = which.sort.word();
    let to = |page: usize| match which.find.trim() {
        "" => format!("{PATH}?page={page}&sort={sort}"),
        find => format!("{PATH}?page={page}&sort={sort}&find={}", query_text(find)),
    };
    let live = html! {
        (head(PATH))
        h2 { "Clients " span .count { (count(total as u64)) } }
        @for hint in &hints { (hint) }
        @if shown.is_empty() && hints.is_empty() { (empty("No client is like that.")) }
        @else if !shown.is_empty() { (table(&visitor, &shown, places.len() > 1)) }
        (pager.links("Pages", to))
    };
    let fixed = html! {
        @if visitor.can_write {
            form #kill method="post" action="/server/clients/kill" { (token(&visitor)) }
        }
        form .row.panel method="get" action=(PATH) {
            label { "Name, address, user, command or library"
                input name="find" value=(which.find);
            }
            label { "In order of"
                select name="sort" { @for order in ClientOrder::ALL {
                    option value=(order.word()) selected[order == which.sort] {
                        (order_text(order))
                    }
                } }
            }
            button { "Show" }
        }
    };
    Ok(Content { title: "Clients".to_owned(), live, fixed })
}

fn table(visitor: &Visitor, clients: &[Client], has_places: bool) -> Markup {
    let seconds = |client: &Client, name: &str| short(Duration::from_secs(client.number(name)));
    html! {
        div .scroll data-scroll tabindex="0" role="region" aria-label="Clients" {
            table {
                thead { tr {
                    th .number { "Number" }
                    @if has_places { th { "Server" } }
                    th { "Name" } th { "Address" } th { "User" } th { "Library" }
                    th { "Last command" } th { "State" } th .number { "Age" } th .number { "Idle" }
                    th .number { "Memory" } th .number { "Commands" }
                    @if visitor.can_write { th { "Kill" } }
                } }
                tbody { @for client in clients { tr {
                    td .number { (dash(client.get("id"))) }
                    @if has_places { td .name { (dash(&client.place)) } }
                    td .name { (dash(client.get("name"))) }
                    td .name { (dash(client.get("addr"))) }
                    td .name { (dash(client.get("user"))) }
                    td .name {
                        (dash(client.get("lib-name"))) " "
                        (visible_or_none(client.get("lib-ver")))
                    }
                    td .name { (dash(client.get("cmd"))) }
                    td { (state(client.get("flags"))) }
                    td .number { (seconds(client, "age")) }
                    td .number { (seconds(client, "idle")) }
                    td .number { (byte_size::show(client.get("tot-mem").parse().ok())) }
                    td .number {
                        @if client.get("tot-cmds").is_empty() { "-" }
                        @else { (count(client.number("tot-cmds"))) }
                    }
                    @if visitor.can_write { td { (kill_button(client)) } }
                } } }
            }
        }
    }
}

fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { visible(text.as_bytes()) }
}

fn visible_or_none(text: &str) -> String {
    if text.is_empty() { String::new() } else { visible(text.as_bytes()) }
}

/// What the letters stand for that people look for.
fn state(flags: &str) -> String {
    let known = [
        ('b', "waits"),
        ('x', "in MULTI"),
        ('O', "monitors"),
        ('S', "replica"),
        ('M', "primary"),
        ('P', "subscribed"),
        ('c', "is closed"),
    ];
    let words = known.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| *word);
    let words: Vec<&str> = words.collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn kill_button(client: &Client) -> Markup {
    let id = client.get("id");
    html! {
        button .small.danger form="kill" name="client" value={(id) "@" (client.place)}
            aria-label={"Kill client " (id)}
            data-ask={"Client " (id) " is cut off. Most connect again by themselves. Go on?"} {
            "Kill"
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct KillForm {
    token: String,
    /// `number@server`.
    client: String,
}

pub(crate) async fn post_kill(visitor: Visitor, Form(form): Form<KillForm>) -> Response {
    let done = async {
        let change = visitor.change(Some(&form.token))?;
        let none = || Failure::Invalid("that is no client".to_owned());
        let (id, name) = form.client.split_once('@').ok_or_else(none)?;
        let id = id.parse().map_err(|_| none())?;
        let places = places(&visitor).await?;
        let place = places.iter().find(|place| place.name == name).ok_or_else(none)?;
        actions::server::kill_client(&change, &place.monitor, &place.name, id).await?;
        Ok(format!("Client {id} was cut off."))
    };
    back(&visitor, PATH, done.await)
}
