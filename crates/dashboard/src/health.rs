//! Whether the server lives, and whether it can work: for supervisors and load balancers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use millstream::{ServerInfo, ServerMonitor};
use tokio::time::timeout;

use crate::Lifecycle;
use crate::app::App;
use crate::failure::Failure;

/// A server that takes longer to say how it is can not work.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether it makes sense to let it go on: while it reads its data it does.
pub(crate) async fn is_alive(State(app): State<Arc<App>>) -> (StatusCode, String) {
    match app.lifecycle() {
        Lifecycle::Starting => (StatusCode::OK, "starting\n".to_owned()),
        Lifecycle::Stopping => (StatusCode::OK, "stopping\n".to_owned()),
        Lifecycle::Running(_) => match answer(&app).await {
            // Nothing but a new start helps a store whose disk failed.
            Ok(info) if info.get("millstream_poisoned") == Some("1") => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", poisoned(&info)))
            }
            Ok(_) => (StatusCode::OK, "ok\n".to_owned()),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
    }
}

/// Whether it takes work, writes included.
pub(crate) async fn is_ready(State(app): State<Arc<App>>) -> (StatusCode, String) {
    let reason = match app.target() {
        Err(reason) => Some(reason.to_string()),
        Ok(_) => match answer(&app).await {
            Ok(info) => obstacle(&info),
            Err(reason) => Some(reason),
        },
    };
    match reason {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// # Errors
/// Why there is no answer.
async fn answer(app: &App) -> Result<ServerInfo, String> {
    let ask = async {
        let monitors = ServerMonitor::all(&app.trusted().await?).await?;
        let first = monitors.first().ok_or(Failure::NotReady("there is no server".to_owned()))?;
        Ok::<_, Failure>(first.info().await?)
    };
    match timeout(PATIENCE, ask).await {
        Ok(Ok(info)) => Ok(info),
        Ok(Err(failure)) => Err(failure.to_string()),
        Err(_) => Err(format!("the server did not answer within {PATIENCE:?}")),
    }
}

fn poisoned(info: &ServerInfo) -> String {
    let reason = info.get("millstream_poison_reason").unwrap_or("the disk failed");
    format!("writes are refused until a restart: {reason}")
}

/// Why it takes no writes; `None`: it does.
fn obstacle(info: &ServerInfo) -> Option<String> {
    let is = |name: &str, value: &str| info.get(name) == Some(value);
    if is("millstream_poisoned", "1") {
        return Some(poisoned(info));
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
