//! How things are shown to people and to programs, on the command line and in the dashboard: names
//! of any bytes, times and sizes in words and back, and the JSON of groups, entries and letters.
//!
//! Must not know where it is shown: no terminal, no HTML.

// `println!` and `eprintln!` panic where nothing can be written any more.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod age;
mod consumer_row;
mod delayed_row;
mod fields_json;
mod fields_schema;
mod group_row;
mod json_bytes;
mod letter_row;
mod or_dash;
mod pending_row;
mod plural;
mod policy_row;
mod retention_row;
mod visible;

pub mod byte_size;
pub mod duration;
pub mod entry_id;
pub mod moment;
pub mod setting;

pub use age::{age_of, short, short_or_dash};
pub use consumer_row::ConsumerRow;
pub use delayed_row::DelayedRow;
pub use fields_json::{FieldsJson, parse_fields};
pub use fields_schema::FieldsSchema;
pub use group_row::GroupRow;
pub use json_bytes::JsonBytes;
pub use letter_row::LetterRow;
pub use or_dash::or_dash;
pub use pending_row::PendingRow;
pub use plural::{entries, plural};
pub use policy_row::{PolicyRow, policy_facts};
pub use retention_row::{RetentionRow, retention_facts};
pub use visible::{parse_visible, visible, visible_message, visible_start};
