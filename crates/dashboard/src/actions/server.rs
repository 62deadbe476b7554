//! What is changed about the server itself.

use millstream::ServerMonitor;
use millstream::redis::{Value, cmd};
use millstream_shown::visible;

use crate::failure::Failure;
use crate::visitor::Change;

/// Ends a connection. `place` is what its server is called.
///
/// # Errors
/// [`Failure::NotFound`]: there is no such connection any more. Those of the server.
pub(crate) async fn kill_client(
    change: &Change<'_>,
    monitor: &ServerMonitor,
    place: &str,
    id: u64,
) -> Result<(), Failure> {
    let kill = cmd("CLIENT").arg("KILL").arg("ID").arg(id).to_owned();
    let killed = monitor.query(&kill).await?;
    if matches!(killed, Value::Int(0)) {
        return Err(Failure::NotFound(format!("client {id} is gone already")));
    }
    change.audit(&format!("killed client {id} of {}", visible(place.as_bytes())));
    Ok(())
}

/// Forgets the slow log of each server.
///
/// # Errors
/// Those of the server; others of a Cluster may have forgotten theirs before.
pub(crate) async fn reset_slow_log(change: &Change<'_>) -> Result<(), Failure> {
    let monitors = ServerMonitor::all(change.millstream()).await?;
    for (before, monitor) in monitors.iter().enumerate() {
        if let Err(error) = monitor.query(cmd("SLOWLOG").arg("RESET")).await {
            if before > 0 {
                let all = monitors.len();
                change.audit(&format!("reset the slow logs of {before} of {all} servers: {error}"));
            }
            return Err(error.into());
        }
    }
    change.audit("reset the slow log");
    Ok(())
}
