//! The wall clock of a real server jumps: back by an hour, behind its last start, a day ahead and
//! back again, before 1970, behind 2100, at random under load.
//!
//! What goes by the wall clock, and what by real time: `docs/operations.md`, "The machine's clock".

#[path = "clock/client.rs"]
mod client;
#[path = "support/command_line.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod command_line;
#[path = "clock/ids.rs"]
mod ids;
#[path = "support/moved_clock.rs"]
mod moved_clock;
#[path = "support/process.rs"]
mod process;
#[path = "support/raw.rs"]
mod raw;
#[path = "clock/real_time.rs"]
mod real_time;
#[path = "clock/wall_time.rs"]
mod wall_time;
