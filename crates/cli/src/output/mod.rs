//! What commands print: tables for people, JSON for programs.
//!
//! Nothing that comes from a server reaches a terminal as it is: names and values go through
//! [`visible`]. There are no colours.

mod failure;
mod json;
mod line;
mod list;
mod notice;
mod table;

pub(crate) use failure::{ends_quietly, print_failure};
pub(crate) use json::print_json;
pub(crate) use line::{print_line, print_text};
pub(crate) use list::List;
pub(crate) use millstream_shown::{
    JsonBytes, age_of, entries, or_dash, parse_visible, plural, short, short_or_dash, visible,
    visible_message, visible_start,
};
pub(crate) use notice::{notice, notice_line};
pub(crate) use table::{Column, Table, print_facts};
