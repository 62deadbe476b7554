//! PING, TIME, ROLE, WAIT, WAITAOF, SHUTDOWN.

use std::time::{Duration, Instant};

use millstream_command::Reply;
use millstream_command::integer::{NOT_AN_INTEGER, parse_i64};
use millstream_command::table::{CommandId, CommandSpec};
use millstream_engine::LogPosition;
use millstream_runtime::since_1970;

use crate::SyncMode;
use crate::session::{ReplicaWait, Session, WaitKind};

pub(crate) fn ping(args: &[&[u8]]) -> Reply {
    match args {
        [_] => Reply::Simple("PONG".into()),
        [_, message] => Reply::bulk(message.to_vec()),
        _ => Reply::error("ERR wrong number of arguments for 'ping' command"),
    }
}

pub(crate) fn time() -> Reply {
    let now = since_1970();
    let text = |number: u64| Reply::bulk(number.to_string());
    Reply::Array(vec![text(now.as_secs()), text(now.subsec_micros().into())])
}

/// There are no replicas and there is no replication offset.
pub(crate) fn role() -> Reply {
    Reply::Array(vec![Reply::Text("master"), Reply::Int(0), Reply::Array(Vec::new())])
}

/// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] | ABORT. Everything is saved at any time, so the words
/// change nothing.
///
/// # Errors
/// The error reply.
pub(crate) fn shutdown(args: &[&[u8]]) -> Result<(), Reply> {
    let syntax = Err(Reply::error("ERR syntax error"));
    let (mut save, mut nosave, mut abort, mut other) = (false, false, false, false);
    for word in &args[1..] {
        match &word.to_ascii_uppercase()[..] {
            b"SAVE" => save = true,
            b"NOSAVE" => nosave = true,
            b"ABORT" => abort = true,
            b"NOW" | b"FORCE" => other = true,
            _ => return syntax,
        }
    }
    if (save && nosave) || (abort && (save || nosave || other)) {
        return syntax;
    }
    if abort { Err(Reply::error("ERR No shutdown in progress.")) } else { Ok(()) }
}

/// What WAIT or WAITAOF asks for.
pub(crate) struct WaitRequest {
    local: Option<LogPosition>,
    replicas_wanted: bool,
    timeout: Duration,
    with_local: bool,
}

/// WAIT replicas timeout; WAITAOF local replicas timeout.
///
/// # Errors
/// The error reply.
pub(crate) fn parse_wait(
    session: &Session,
    spec: &CommandSpec,
    args: &[&[u8]],
) -> Result<WaitRequest, Reply> {
    let with_local = spec.id == CommandId::Waitaof;
    let number = |text: &[u8]| parse_i64(text).ok_or(Reply::error(NOT_AN_INTEGER));
    let mut local = 0;
    if with_local {
        local = number(args[1])?;
        if !(0..=1).contains(&local) {
            let text = "ERR value is out of range, value must between 0 and 1";
            return Err(Reply::error(text));
        }
    }
    let numbers = if with_local { &args[2..] } else { &args[1..] };
    let replicas = match parse_i64(numbers[0]) {
        Some(replicas) if !with_local || replicas >= 0 => replicas,
        _ if with_local => {
            return Err(Reply::error("ERR value is out of range, must be positive"));
        }
        _ => return Err(Reply::error(NOT_AN_INTEGER)),
    };
    let timeout = parse_i64(numbers[1])
        .ok_or(Reply::error("ERR timeout is not an integer or out of range"))?;
    let timeout = u64::try_from(timeout).map_err(|_| Reply::error("ERR timeout is negative"))?;
    if local == 1 && !is_durable_on_request(session) {
        return Err(Reply::error(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    Ok(WaitRequest {
        local: (local == 1).then(|| session.last_position()),
        replicas_wanted: replicas > 0,
        timeout: Duration::from_millis(timeout),
        with_local,
    })
}

fn is_durable_on_request(session: &Session) -> bool {
    !session.shared.config.memory && session.shared.config.sync != SyncMode::No
}

impl WaitRequest {
    fn is_local(&self, session: &Session) -> bool {
        let position = session.last_position();
        is_durable_on_request(session) && position <= session.shared.store.engine.durable()
    }

    /// Whether nothing has to be waited for.
    pub(crate) fn is_satisfied(&self, session: &Session) -> bool {
        !self.replicas_wanted && (self.local.is_none() || self.is_local(session))
    }

    /// The reply without waiting.
    pub(crate) fn at_once(&self, session: &Session) -> Reply {
        if !self.with_local {
            return Reply::Int(0);
        }
        Reply::Array(vec![Reply::Int(self.is_local(session).into()), Reply::Int(0)])
    }

    /// Begins to wait.
    pub(crate) fn start(self, session: &Session) -> ReplicaWait {
        let deadline = (!self.timeout.is_zero()).then(|| Instant::now() + self.timeout);
        let local = self.local.map(|_| session.last_position());
        let kind = if self.with_local { WaitKind::Waitaof } else { WaitKind::Wait };
        ReplicaWait::new(local, self.replicas_wanted, deadline, kind)
    }
}
