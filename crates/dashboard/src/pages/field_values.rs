//! Fields of an entry as a whole, JSON in lines.

use maud::{Markup, html};
use millstream::Fields;
use millstream_shown::{visible, visible_message};

use super::parts::{count, empty, name};
use super::pretty_json::pretty;

/// Fields that are shown, and bytes of each.
const FIELDS_MAX: usize = 500;
const BYTES_MAX: usize = 64 * 1024;

pub(super) fn field_values(fields: &Fields) -> Markup {
    html! {
        @if fields.is_empty() { (empty("It has no fields.")) }
        @else {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Fields" {
                table {
                    thead { tr { th { "Field" } th { "Value" } th .number { "Bytes" } } }
                    tbody { @for (field, value) in fields.iter().take(FIELDS_MAX) { tr {
                        td .keep { (name(field)) }
                        td .wide { pre { (whole(value)) } }
                        td .number { (count(value.len() as u64)) }
                    } } }
                }
            }
            @if fields.len() > FIELDS_MAX {
                p .quiet { "And " (count((fields.len() - FIELDS_MAX) as u64)) " other fields." }
            }
        }
    }
}

/// Lines of a text stay lines; what is no text is escaped.
fn whole(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => match pretty(text) {
            Some(pretty) => visible_message(&pretty),
            None => {
                let (shown, rest) = text.split_at(text.floor_char_boundary(BYTES_MAX));
                visible_message(shown) + &more(rest.len())
            }
        },
        Err(_) => {
            let (shown, rest) = value.split_at(value.len().min(BYTES_MAX));
            visible(shown) + &more(rest.len())
        }
    }
}

fn more(bytes: usize) -> String {
    match bytes {
        0 => String::new(),
        bytes => format!("\n... and {} more bytes", count(bytes as u64)),
    }
}
