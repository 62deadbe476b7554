//! The section of what is bounded: each limit as CONFIG GET shows it, in one place.

use millstream_engine::Settings as EngineSettings;

use crate::config_command;
use crate::limit_settings::LIMITS;
use crate::shared::Shared;

pub(super) fn section(shared: &Shared, engine: &EngineSettings) -> String {
    let line = |name: &&str| {
        let field = name.replace('-', "_");
        format!("limit_{field}:{}\r\n", config_command::value(shared, engine, name))
    };
    let memory = &shared.memory;
    let state = format!("limit_maxmemory_hard_in_force:{}\r\n", memory.hard());
    LIMITS.iter().map(line).collect::<String>() + &state
}
