//! What the pages about the server itself have in common.

use maud::{Markup, html};
use millstream::Error;
use millstream::redis::{Cmd, Value};
use millstream_shown::visible;

use crate::failure::Failure;
use crate::servers::Place;

const TABS: [(&str, &str); 5] = [
    ("/server", "State"),
    ("/server/settings", "Settings"),
    ("/server/clients", "Clients"),
    ("/server/slow-log", "Slow log"),
    ("/server/commands", "Commands"),
];

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
