//! The section of what is bounded: each limit as CONFIG GET shows it, and those that nobody
//! sets, in one place.

use millstream_engine::Settings as EngineSettings;

use crate::config_command;
use crate::limit_settings::{self, LIMITS};
use crate::shared::Shared;

pub(super) fn section(shared: &Shared, engine: &EngineSettings) -> String {
    let line = |name: &&str| {
        let field = name.replace('-', "_");
        format!("limit_{field}:{}\r\n", config_command::value(shared, engine, name))
    };
    let memory = &shared.memory;
    let state = format!("limit_maxmemory_hard_in_force:{}\r\n", memory.hard());
    let fixed = limit_settings::fixed(shared);
    let fixed = fixed.iter().map(|(name, number)| format!("limit_{name}:{number}\r\n"));
    LIMITS.iter().map(line).chain([state]).chain(fixed).collect()
}
