//! What a command has cost a server so far (INFO commandstats).

use millstream::ServerInfo;
use millstream::redis::Value;
use serde::Serialize;
use utoipa::ToSchema;

use crate::servers::bytes;

/// Of one command, since the server started.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CommandCost {
    /// Subcommands as `config|get`.
    pub(crate) name: String,
    pub(crate) calls: u64,
    /// To run them; what they waited for the disk or for an entry does not count.
    pub(crate) micros: u64,
    pub(crate) failed: u64,
    /// They were not run at all: for want of rights, or of arguments.
    pub(crate) rejected: u64,
}

impl CommandCost {
    /// `cmdstat_xadd:calls=2,usec=30,usec_per_call=15.00,rejected_calls=0,failed_calls=1`.
    pub(crate) fn all(answer: &Value) -> Vec<Self> {
        let text = String::from_utf8_lossy(&bytes(answer)).into_owned();
        let lines = text.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'));
        let row = |(name, facts): (&str, &str)| {
            let facts = ServerInfo::from_text(&facts.replace(',', "\n").replace('=', ":"));
            let number = |name: &str| facts.count(name).unwrap_or(0);
            Self {
                name: name.to_owned(),
                calls: number("calls"),
                micros: number("usec"),
                failed: number("failed_calls"),
                rejected: number("rejected_calls"),
            }
        };
        lines.map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_commands_are_read() {
        let text = "# Commandstats\r\ncmdstat_xadd:calls=2,usec=30,usec_per_call=15.00,\
                    rejected_calls=3,failed_calls=1\r\ncmdstat_config|get:calls=1,usec=5\r\n";
        let found = CommandCost::all(&Value::BulkString(text.as_bytes().to_vec()));
        let row = |name: &str, calls, micros, failed, rejected| {
            let name = name.to_owned();
            CommandCost { name, calls, micros, failed, rejected }
        };
        assert_eq!(found, [row("xadd", 2, 30, 1, 3), row("config|get", 1, 5, 0, 0)]);
    }
}
