//! What must hold for any bytes whatever: the entry points of fuzz targets and of property tests.
//!
//! Each function takes arbitrary bytes and says whether they were accepted. It gives them to
//! something that reads bytes which it cannot trust, and panics where a property is broken: what
//! is refused is refused with a reason, what is accepted is consistent
//! ([`check`](millstream_engine::Transaction::check) says so) and can be read. Checksums are made
//! right first, so that what lies behind them is reached.
//!
//! Those of the protocol are beside it, in `crates/resp/tests/it/checks`.

mod acl;
mod admin;
mod block;
mod commands;
mod config;
mod image;
mod pieces;
mod store;
mod stored;

pub use acl::check_acl;
pub use admin::check_admin_requests;
pub use block::check_block;
pub use commands::check_commands;
pub use config::check_config;
pub use image::check_image;
pub use pieces::{pieces, put_pieces};
pub use store::{Seeds, seeds};
pub use stored::{check_checkpoint_records, check_log_records, check_stored_file};

/// The name of a target, which is that of its folder of inputs, and what is done with an input.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("acl", check_acl),
    ("admin_api", check_admin_requests),
    ("block", check_block),
    ("checkpoint", check_checkpoint_records),
    ("command", check_commands),
    ("config", check_config),
    ("image", check_image),
    ("log_record", check_log_records),
    ("stored_file", check_stored_file),
];
