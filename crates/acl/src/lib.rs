//! Users, and what they may do: the access rules of Redis, without a server around them.
//!
//! ```text
//! rules ("on >pw ~orders:* +@stream") ─► User ─► may this user run that command on those keys?
//! ```
//!
//! A [`User`] has selectors; a command is allowed if one of them allows the command itself, the
//! database and every key. Rules, their texts and their errors are those of Redis 8.2
//! (<https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/>); rules about
//! databases (`db=0,1`) are those of Valkey 9.1. Must know neither sessions nor files: who is
//! connected, and where users are kept, is the server's business.
//!
//! Everything is compared with both servers by `millstream-conformance`.

mod categories;
mod commands;
mod databases;
mod keys;
mod password;
mod request;
mod rule_error;
mod selector;
mod user;
mod users;

pub use categories::{Categories, CategoryName};
pub use password::PasswordHash;
pub use request::{Denial, Request};
pub use rule_error::RuleError;
pub use user::{DEFAULT_USER, SelectorText, User};
pub use users::{UserFileError, Users};

/// Whether text stays one word where rules stand in a line: nothing in it is a blank or a zero.
fn is_one_word(text: &[u8]) -> bool {
    !text.iter().any(|byte| *byte == 0 || byte.is_ascii_whitespace() || *byte == 0x0b)
}
