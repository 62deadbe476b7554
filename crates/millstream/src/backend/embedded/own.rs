//! The commands that are not about data and that the toolkit asks all the same.

use std::sync::Arc;

use millstream_command::Reply;
use millstream_command::compatibility::EXTENSIONS;
use millstream_command::table::CommandId;

use super::batch::Request;
use super::host::EmbeddedHost;

pub(super) fn run(host: &Arc<EmbeddedHost>, request: &Request<'_>) -> Reply {
    match request.spec.id {
        CommandId::Ping => Reply::Simple("PONG".into()),
        CommandId::Info => Reply::bulk(info()),
        CommandId::ClientUnblock => {
            let number = std::str::from_utf8(request.args[2]).ok().and_then(|it| it.parse().ok());
            Reply::Int(number.is_some_and(|number| host.readers.unblock(number)).into())
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
