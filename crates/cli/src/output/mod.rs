//! What commands print: tables for people, JSON for programs.
//!
//! Nothing that comes from a server reaches a terminal as it is: names and values go through
//! [`visible`]. There are no colours.

mod age;
mod failure;
mod json_bytes;
mod line;
mod list;
mod notice;
mod plural;
mod table;
mod visible;

pub(crate) use age::{age_of, short, short_or_dash};
pub(crate) use failure::{ends_quietly, print_failure};
pub(crate) use json_bytes::{JsonBytes, print_json};
pub(crate) use line::{print_line, print_text};
pub(crate) use list::List;
pub(crate) use notice::notice;
pub(crate) use plural::{entries, plural};
pub(crate) use table::{Column, Table, or_dash, print_facts};
pub(crate) use visible::{parse_visible, visible, visible_message};
