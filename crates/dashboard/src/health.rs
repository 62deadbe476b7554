//! Whether the server lives, and whether it can work: for supervisors and load balancers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use millstream::redis::cmd;
use millstream::{Error, ServerInfo, ServerMonitor};
use tokio::time::{Instant, timeout_at};

use crate::Lifecycle;
use crate::app::App;
use crate::failure::Failure;
use crate::servers::{bytes, own_address};

/// A server that takes longer to say how it is can not work.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether it makes sense to let it go on: while it reads its data it does.
pub(crate) async fn is_alive(State(app): State<Arc<App>>) -> (StatusCode, String) {
    match app.lifecycle() {
        Lifecycle::Starting => (StatusCode::OK, "starting\n".to_owned()),
        Lifecycle::Stopping => (StatusCode::OK, "stopping\n".to_owned()),
        // Nothing but a new start helps a store whose disk failed.
        Lifecycle::Running(_) => match ask_all(&app, poisoned).await {
            Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
    }
}

/// Whether it takes work, writes included.
pub(crate) async fn is_ready(State(app): State<Arc<App>>) -> (StatusCode, String) {
    let reason = match app.target() {
        Err(reason) => Some(reason.to_string()),
        Ok(_) => ask_all(&app, obstacle).await.err(),
    };
    match reason {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// Asks the server, or each one of a Cluster: each has keys that the others do not.
///
/// # Errors
/// Why there is no answer, and what `obstacle` says; of a Cluster with the address of each.
async fn ask_all(
    app: &App,
    obstacle: impl Fn(&ServerInfo) -> Option<String>,
) -> Result<(), String> {
    let due = Instant::now() + PATIENCE;
    let late = || format!("the server did not answer within {PATIENCE:?}");
    let all = async { Ok::<_, Failure>(ServerMonitor::all(&app.trusted().await?).await?) };
    let all = timeout_at(due, all).await.map_err(|_| late())?;
    let monitors = all.map_err(|failure| failure.to_string())?;
    let is_one = monitors.len() == 1;
    let each = monitors.iter().enumerate().map(async |(at, monitor)| {
        let reason = match timeout_at(due, ask(monitor, &obstacle)).await {
            Ok(Ok(found)) => found?,
            Ok(Err(error)) => Failure::from(error).to_string(),
            Err(_) => late(),
        };
        if is_one {
            return Some(reason);
        }
        let name = timeout_at(due, own_address(monitor)).await.ok().flatten();
        let name = name.unwrap_or_else(|| format!("server {} of {}", at + 1, monitors.len()));
        Some(format!("{name}: {reason}"))
    });
    let reasons: Vec<String> = join_all(each).await.into_iter().flatten().collect();
    match monitors.is_empty() {
        true => Err("there is no server".to_owned()),
        false if reasons.is_empty() => Ok(()),
        false => Err(reasons.join("; ")),
    }
}

/// Of a Cluster.
const SLOTS: u64 = 16_384;

/// What `obstacle` says of a server, or the server of its Cluster: one that has died is soon in no
/// list of those that there are.
async fn ask(
    monitor: &ServerMonitor,
    obstacle: impl Fn(&ServerInfo) -> Option<String>,
) -> Result<Option<String>, Error> {
    let info = monitor.info().await?;
    let found = obstacle(&info);
    if found.is_some() || info.get("cluster_enabled") != Some("1") {
        return Ok(found);
    }
    let state = match monitor.query(cmd("CLUSTER").arg("INFO")).await {
        Ok(state) => state,
        // Not for this user to know.
        Err(Error::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let state = bytes(&state);
    let state = ServerInfo::from_text(&String::from_utf8_lossy(&state));
    let served = state.count("cluster_slots_ok").filter(|served| *served < SLOTS);
    Ok(served.map(|served| format!("its Cluster serves {served} of {SLOTS} slots")))
}

/// Why it will take no write any more.
fn poisoned(info: &ServerInfo) -> Option<String> {
    let is_poisoned = info.get("millstream_poisoned") == Some("1");
    let reason = info.get("millstream_poison_reason").unwrap_or("the disk failed");
    is_poisoned.then(|| format!("writes are refused until a restart: {reason}"))
}

/// Why it takes no writes; `None`: it does.
fn obstacle(info: &ServerInfo) -> Option<String> {
    let is = |name: &str, value: &str| info.get(name) == Some(value);
    if let Some(reason) = poisoned(info) {
        return Some(reason);
    }
    if is("loading", "1") {
        return Some("the server reads its data".to_owned());
    }
    if is("millstream_disk_full", "1") {
        return Some("the disk is full: writes are refused".to_owned());
    }
    if is("millstream_checkpoint_overdue", "1") {
        return Some("checkpoints fail, and the log may not grow: writes are refused".to_owned());
    }
    if is("aof_last_write_status", "err") {
        return Some("the last write to the append-only file failed".to_owned());
    }
    (is("role", "slave")).then(|| "the server is a replica, and takes no writes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_takes_no_writes_is_not_ready() {
        let of = |text: &str| obstacle(&ServerInfo::from_text(text));
        assert_eq!(of("loading:0\nmillstream_poisoned:0\nrole:master\n"), None);
        let reason = of("millstream_poisoned:1\nmillstream_poison_reason:fsync: EIO\n");
        assert_eq!(reason.as_deref(), Some("writes are refused until a restart: fsync: EIO"));
        for bad in [
            "loading:1",
            "millstream_disk_full:1",
            "millstream_checkpoint_overdue:1",
            "aof_last_write_status:err",
            "role:slave",
        ] {
            assert!(of(bad).is_some(), "{bad}");
        }
    }
}
