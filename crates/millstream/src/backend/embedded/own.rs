//! The commands that are not about data and that the toolkit asks all the same.

use millstream_command::Reply;
use millstream_command::compatibility::EXTENSIONS;
use millstream_command::table::CommandId;
use millstream_engine::Now;

use super::batch::Request;

pub(super) fn run(request: &Request<'_>, now: Now) -> Reply {
    match request.spec.id {
        CommandId::Ping => Reply::Simple("PONG".into()),
        CommandId::Info => Reply::bulk(info()),
        CommandId::Time => {
            let (seconds, micros) = (now.wall_ms / 1000, now.wall_ms % 1000 * 1000);
            Reply::Array(vec![Reply::bulk(seconds.to_string()), Reply::bulk(micros.to_string())])
        }
        _ => Reply::Error(
            format!("ERR '{}' has no meaning without a server", request.spec.name).into(),
        ),
    }
}

/// What it is, as a server would say it.
fn info() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("# Server\r\nmillstream_version:{version}\r\nmillstream_extensions:{EXTENSIONS}\r\n")
}
