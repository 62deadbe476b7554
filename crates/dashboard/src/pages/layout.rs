//! What is around every page.

use maud::{DOCTYPE, Markup, html};

use crate::live::Content;
use crate::notices::Notice;
use crate::visitor::Visitor;

/// Assets are asked for by this, so that no browser has old ones.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The parts of the dashboard, and where each is.
const PARTS: [(&str, &str); 5] = [
    ("/", "Overview"),
    ("/streams", "Streams"),
    ("/dead-letters", "Dead letters"),
    ("/schedule", "Schedule"),
    ("/server", "Server"),
];

/// A page with everything around it. `path` is where it is.
pub(crate) fn page(
    visitor: &Visitor,
    path: &str,
    content: &Content,
    notice: Option<&Notice>,
) -> Markup {
    let address = visitor.app.target().map(|target| target.address).unwrap_or_default();
    document(
        &format!("{} - {address}", content.title),
        &html! {
            a .skip href="#content" { "To the content" }
            header .top {
                a .brand href="/" { img src=(asset("icon.svg")) alt=""; "Millstream" }
                nav aria-label="Parts" {
                    @for (at, name) in PARTS {
                        a href=(at) aria-current=[is_part(path, at).then_some("page")] { (name) }
                    }
                }
                div .who {
                    span title="The server" { (visitor.millstream.abilities().server) " " (address) }
                    @if !visitor.can_write { span .tag title="Nothing can be changed here" { "read-only" } }
                    @if let Some(user) = &visitor.user {
                        span { (user) }
                        form method="post" action="/logout" {
                            (token(visitor))
                            button .small { "Log out" }
                        }
                    }
                }
            }
            main #content tabindex="-1" {
                div .crumbs {
                    div .bar {
                        span #live-state .state role="status" { "as of now" }
                        button #live-pause .small type="button" hidden { "Pause" }
                    }
                }
                @if let Some(notice) = notice {
                    p .(if notice.is_failure { "alarm" } else { "notice" }) role="status" { (notice.text) }
                }
                @let has_live = !content.live.0.is_empty();
                div #live data-live=(if has_live { "on" } else { "off" }) { (content.live) }
                (content.fixed)
            }
        },
    )
}

fn is_part(path: &str, part: &str) -> bool {
    path == part || (part != "/" && path.starts_with(&format!("{part}/")))
}

/// A page with nothing around it.
pub(crate) fn bare(title: &str, body: &Markup) -> Markup {
    document(title, &html! { main .narrow #content { (body) } })
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href=(asset("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(asset("style.css"));
                script src=(asset("live.js")) defer {}
            }
            body { (body) }
        }
    }
}

fn asset(name: &str) -> String {
    format!("/assets/{name}?{VERSION}")
}

/// Stands in each form.
pub(crate) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="token" value=(visitor.token); }
}
