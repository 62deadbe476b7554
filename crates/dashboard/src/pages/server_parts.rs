//! What the pages about the server itself have in common.

use std::borrow::Cow;

use maud::{Markup, html};
use millstream::redis::{Cmd, Value, cmd};
use millstream::{Error, ServerMonitor};
use millstream_shown::visible;

use crate::failure::Failure;
use crate::visitor::Visitor;

const TABS: [(&str, &str); 5] = [
    ("/server", "State"),
    ("/server/settings", "Settings"),
    ("/server/clients", "Clients"),
    ("/server/slow-log", "Slow log"),
    ("/server/commands", "Commands"),
];

/// One server of those that there are.
pub(super) struct Place {
    /// Of a Cluster its own address.
    pub(super) name: String,
    pub(super) monitor: ServerMonitor,
}

/// The server, or each one of a Cluster.
pub(super) async fn places(visitor: &Visitor) -> Result<Vec<Place>, Failure> {
    let monitors = ServerMonitor::all(&visitor.millstream).await?;
    let mut places = Vec::with_capacity(monitors.len());
    let is_one = monitors.len() == 1;
    for (at, monitor) in monitors.into_iter().enumerate() {
        let name = match is_one {
            true => visitor.app.target()?.address,
            false => own_address(&monitor).await.unwrap_or_else(|| format!("server {}", at + 1)),
        };
        places.push(Place { name, monitor });
    }
    places.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(places)
}

/// As the servers of a Cluster know it.
async fn own_address(monitor: &ServerMonitor) -> Option<String> {
    let nodes = monitor.query(cmd("CLUSTER").arg("NODES")).await.ok()?;
    let nodes = String::from_utf8_lossy(&bytes(&nodes)).into_owned();
    let own = nodes.lines().find(|line| line.contains("myself"))?;
    let address = own.split(' ').nth(1)?.split(['@', ',']).next()?;
    Some(address.to_owned())
}

/// The pages about the server, and which one this is.
pub(super) fn head(here: &str) -> Markup {
    html! {
        h1 { "Server" }
        nav .tabs aria-label="About the server" {
            @for (at, name) in TABS {
                a .button href=(at) aria-current=[(at == here).then_some("page")] { (name) }
            }
        }
    }
}

/// Its name, where there are several.
pub(super) fn title(places: usize, name: &str) -> Markup {
    html! { @if places > 1 { h2 { (name) } } }
}

/// In place of what cannot be shown. Whoever has to log in is led there, and a server that is away
/// is told as everywhere.
pub(super) fn told<T>(answer: Result<T, Error>) -> Result<Result<T, Markup>, Failure> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(Error::Refused { code, text }) if code != "NOAUTH" => {
            let said = visible(format!("{code} {text}").as_bytes());
            Ok(Err(html! { p .hint { "The server does not show this: " (said) } }))
        }
        Err(error) => Err(error.into()),
    }
}

/// What a place answers, or why it does not.
pub(super) async fn ask(place: &Place, command: &Cmd) -> Result<Result<Value, Markup>, Failure> {
    told(place.monitor.query(command).await)
}

/// A text or a number of an answer; of anything else nothing.
pub(super) fn bytes(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::BulkString(bytes) => Cow::Borrowed(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => {
            Cow::Borrowed(text.as_bytes())
        }
        Value::Int(number) => Cow::Owned(number.to_string().into_bytes()),
        _ => Cow::Borrowed(b""),
    }
}

pub(super) fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(*number).unwrap_or(0),
        other => String::from_utf8_lossy(&bytes(other)).parse().unwrap_or(0),
    }
}

pub(super) fn parts(value: &Value) -> &[Value] {
    match value {
        Value::Array(parts) => parts,
        _ => &[],
    }
}
