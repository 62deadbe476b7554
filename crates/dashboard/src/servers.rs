//! The servers that there are, and answers of theirs that the toolkit has no types for.

use std::borrow::Cow;

use millstream::ServerMonitor;
use millstream::redis::{Value, cmd};

use crate::failure::Failure;
use crate::visitor::Visitor;

/// One server of those that there are.
pub(crate) struct Place {
    /// Of a Cluster its own address.
    pub(crate) name: String,
    pub(crate) monitor: ServerMonitor,
}

/// The server, or each one of a Cluster.
pub(crate) async fn places(visitor: &Visitor) -> Result<Vec<Place>, Failure> {
    let monitors = ServerMonitor::all(&visitor.millstream).await?;
    let mut places = Vec::with_capacity(monitors.len());
    let is_one = monitors.len() == 1;
    for (at, monitor) in monitors.into_iter().enumerate() {
        let name = match is_one {
            true => visitor.app.target()?.address,
            false => own_address(&monitor).await.unwrap_or_else(|| format!("server {}", at + 1)),
        };
        places.push(Place { name, monitor });
    }
    places.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(places)
}

/// As the servers of a Cluster know it.
pub(crate) async fn own_address(monitor: &ServerMonitor) -> Option<String> {
    let nodes = monitor.query(cmd("CLUSTER").arg("NODES")).await.ok()?;
    let nodes = String::from_utf8_lossy(&bytes(&nodes)).into_owned();
    let own = nodes.lines().find(|line| line.contains("myself"))?;
    let address = own.split(' ').nth(1)?.split(['@', ',']).next()?;
    Some(address.to_owned())
}

/// A text or a number of an answer; of anything else nothing.
pub(crate) fn bytes(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::BulkString(bytes) => Cow::Borrowed(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => {
            Cow::Borrowed(text.as_bytes())
        }
        Value::Int(number) => Cow::Owned(number.to_string().into_bytes()),
        _ => Cow::Borrowed(b""),
    }
}

pub(crate) fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(*number).unwrap_or(0),
        other => String::from_utf8_lossy(&bytes(other)).parse().unwrap_or(0),
    }
}

pub(crate) fn parts(value: &Value) -> &[Value] {
    match value {
        Value::Array(parts) => parts,
        _ => &[],
    }
}
