//! Waiting until a group has nothing to do.

use std::time::Duration;

use crate::name::Name;
use crate::output::notice;
use crate::server::Server;

/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
const TROUBLE_PAUSE: Duration = Duration::from_secs(2);

/// Until all of the stream was handed out and nothing is pending, whoever has it. A server that is
/// away is waited for, as the worker does.
pub(super) async fn wait(server: &Server, key: &Name, group: &Name) {
    loop {
        match is_drained(server, key, group).await {
            Ok(true) => return,
            Ok(false) => tokio::time::sleep(LOOK_PAUSE).await,
            Err(error) => {
                notice(&format!("cannot look whether there is more to do: {error}"));
                tokio::time::sleep(TROUBLE_PAUSE).await;
            }
        }
    }
}

async fn is_drained(server: &Server, key: &Name, group: &Name) -> Result<bool, millstream::Error> {
    // Before the group: what is added between the two is seen the next time.
    let Some(stream) = server.stream(key).info().await? else { return Ok(true) };
    let groups = server.groups(key).groups().await?;
    let name: &[u8] = group.as_ref();
    let Some(group) = groups.into_iter().find(|it| it.name_bytes == name) else { return Ok(true) };
    let is_read = match group.lag {
        Some(lag) => lag == 0,
        // The server does not know: what is deleted was maybe not handed out.
        None => stream.last.is_none_or(|last| last <= group.last_delivered),
    };
    Ok(is_read && group.held == 0 && group.pending == 0)
}
