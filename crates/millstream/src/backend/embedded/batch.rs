//! Running commands to their end: room for what they log, blocks that they need from disk, one
//! after the other with the engine held for a bounded time.
//!
//! What a session of the server does for its connection, without a connection. The engine is never
//! held over an await.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use millstream_command::table::{self, CommandId, CommandSpec};
use millstream_command::{Answer, Reply, broken_fence, is_data_command, run};
use millstream_engine::{LoadedBlocks, LogPosition, NeededBlocks, Transaction};
use millstream_runtime::admission::{self, Admitted, RoomWait, frees_space};
use redis::{Arg, Cmd, Value};
use tokio::time::sleep;

use super::host::EmbeddedHost;
use super::parked::Parked;
use super::{cold, host, own, value};
use crate::Error;

/// Commands of one hold of the engine.
const AT_ONCE: usize = 64;
/// Before a write that found no room asks again.
const ROOM_PAUSE: Duration = Duration::from_millis(5);
/// Commands that are one transaction are one record of the log, which holds up to 1 GiB.
const TRANSACTION_BYTES_MAX: usize = 512 << 20;
/// An embedded engine has one database.
const DB: u8 = 0;
/// What a read answers whose wait was ended.
const NOTHING: (Reply, LogPosition) = (Reply::NilArray, LogPosition::ZERO);

/// A command as the engine takes it.
pub(super) struct Request<'a> {
    pub(super) spec: &'static CommandSpec,
    pub(super) args: Vec<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// # Errors
    /// There is no such command, or the number of arguments is wrong.
    pub(super) fn new(command: &'a Cmd) -> Result<Self, Error> {
        let args: Vec<&[u8]> = command
            .args_iter()
            .map(|argument| match argument {
                Arg::Simple(bytes) => bytes,
                // A cursor: where a scan begins.
                _ => b"0",
            })
            .collect();
        let spec = table::resolve(&args).map_err(|error| value::error(&error.to_string()))?;
        Ok(Self { spec, args })
    }

    fn bytes(&self) -> usize {
        self.args.iter().map(|argument| argument.len()).sum()
    }
}

/// Why a batch does not go on.
enum Pause {
    Room,
    Blocks(NeededBlocks),
    /// A read has nothing yet.
    Parked(Parked),
    /// The engine is of no use any more.
    Broken,
}

/// Commands on their way through the engine.
pub(super) struct Batch<'a> {
    host: &'a Arc<EmbeddedHost>,
    requests: Vec<Request<'a>>,
    /// Of those that ran, with the position that each depends on.
    replies: Vec<(Reply, LogPosition)>,
    loaded: LoadedBlocks,
    wait: RoomWait,
}

impl<'a> Batch<'a> {
    pub(super) fn new(host: &'a Arc<EmbeddedHost>, requests: Vec<Request<'a>>) -> Self {
        let replies = Vec::with_capacity(requests.len());
        let (loaded, wait) = (LoadedBlocks::default(), RoomWait::default());
        Self { host, requests, replies, loaded, wait }
    }

    /// One by one; what one of them answers says nothing of the others.
    pub(super) async fn run(mut self) -> Result<Vec<Result<Value, Error>>, Error> {
        while let Err(pause) = self.step(None) {
            self.wait_for(pause).await?;
        }
        self.host.ran();
        self.answer().await
    }

    /// One command that may have to wait for something to read.
    pub(super) async fn read(mut self, reader: u64) -> Result<Value, Error> {
        assert_eq!(self.requests.len(), 1, "a reader runs one command at a time");
        loop {
            match self.step(Some(reader)) {
                Ok(()) => break,
                Err(Pause::Parked(parked)) => {
                    self.host.ran();
                    match parked.wait().await {
                        Some(reply) => self.replies.push(reply),
                        // Somebody ended the wait: the store itself, where that is of no use.
                        None => {
                            self.host.check()?;
                            self.replies.push(NOTHING);
                        }
                    }
                    break;
                }
                Err(pause) => self.wait_for(pause).await?,
            }
        }
        self.host.ran();
        self.answer().await?.pop().unwrap_or(Ok(Value::Nil))
    }

    /// All or none, as one record; no answers at all if an XFENCE among them ended it.
    pub(super) async fn run_as_one(mut self) -> Result<Vec<Result<Value, Error>>, Error> {
        if let Some(request) = self.requests.iter().find(|it| !is_data_command(it.spec.id)) {
            let text = format!("EXECABORT {} is no command for a transaction", request.spec.name);
            return Err(value::error(&text));
        }
        if self.requests.iter().map(Request::bytes).sum::<usize>() > TRANSACTION_BYTES_MAX {
            return Err(value::error("EXECABORT the transaction is too large: at most 512 MiB"));
        }
        while let Err(pause) = self.step_as_one()? {
            self.wait_for(pause).await?;
        }
        self.host.ran();
        self.answer().await
    }

    async fn wait_for(&mut self, pause: Pause) -> Result<(), Error> {
        match pause {
            Pause::Room => sleep(ROOM_PAUSE).await,
            Pause::Blocks(needed) => {
                let loading = cold::off_thread(self.host, move |engine| engine.load(&needed));
                self.loaded.extend(loading.await?);
            }
            Pause::Broken => return Err(host::broken()),
            Pause::Parked(_) => unreachable!("only a reader parks, and it waits itself"),
        }
        self.host.check()
    }

    /// Runs as many as possible. `Err`: there are more, and something is to be waited for.
    fn step(&mut self, reader: Option<u64>) -> Result<(), Pause> {
        let host = self.host;
        while self.replies.len() < self.requests.len() {
            let mut txn: Option<Transaction<'_>> = None;
            for _ in 0..AT_ONCE {
                let Some(request) = self.requests.get(self.replies.len()) else { return Ok(()) };
                if !is_data_command(request.spec.id) {
                    self.replies.push((own::run(request, host.clock.now()), LogPosition::ZERO));
                    continue;
                }
                let txn = match &mut txn {
                    Some(txn) => txn,
                    None => txn.insert(host.lock().ok_or(Pause::Broken)?),
                };
                let done = run_one(host, request, reader, &self.loaded, &mut self.wait, txn)?;
                self.replies.push(done);
                self.loaded = LoadedBlocks::default();
            }
        }
        Ok(())
    }

    /// Runs all of them, or none.
    fn step_as_one(&mut self) -> Result<Result<(), Pause>, Error> {
        let host = self.host;
        let writes = || self.requests.iter().filter(|request| request.spec.is_write());
        let mut reservation = None;
        if writes().next().is_some() {
            let frees = writes().all(|request| frees_space(request.spec));
            let bytes = self.requests.iter().map(Request::bytes).sum();
            let count = self.requests.len();
            match admission::may_write(host, &mut self.wait, frees, count, bytes) {
                Ok(Admitted::Now(granted)) => reservation = granted,
                Ok(Admitted::NotYet) => return Ok(Err(Pause::Room)),
                Err(text) => return Err(value::error(text)),
            }
        }
        let mut txn = host.lock().ok_or_else(host::broken)?;
        txn.install(&self.loaded);
        txn.begin();
        txn.may_put_off(true);
        let fences = self.requests.iter().filter(|it| it.spec.id == CommandId::Xfence);
        let mut broken = fences.filter_map(|fence| broken_fence(&fence.args, DB, &mut txn));
        if let Some(reply) = broken.next() {
            txn.finish();
            return match reply {
                Reply::Error(text) => Err(value::error(&text)),
                _ => Ok(Ok(())),
            };
        }
        let mut replies = Vec::with_capacity(self.requests.len());
        for request in &self.requests {
            let reply = match run(request.spec, &request.args, DB, false, &mut txn) {
                Answer::Reply(reply) => reply,
                // A part of a transaction cannot be put off.
                Answer::NeedsRoom => Reply::error(admission::no_room(&host.store)),
                // Nothing has changed yet: what ran before only looked.
                Answer::NeedsBlocks => {
                    txn.finish();
                    return Ok(Err(Pause::Blocks(txn.take_needed())));
                }
                Answer::Park { .. } => Reply::NilArray,
            };
            replies.push(reply);
        }
        let position = txn.finish();
        drop(txn);
        host.store.note_log_end(position);
        drop(reservation);
        self.replies = replies.into_iter().map(|reply| (reply, position)).collect();
        Ok(Ok(()))
    }

    /// Once everything that is reported is safe.
    async fn answer(&mut self) -> Result<Vec<Result<Value, Error>>, Error> {
        let replies = mem::take(&mut self.replies);
        let until = replies.iter().map(|(_, position)| *position).max();
        self.host.released(until.unwrap_or(LogPosition::ZERO)).await?;
        let mut values = Vec::with_capacity(replies.len());
        for (mut reply, _) in replies {
            if reply.has_cold() {
                cold::warm(self.host, &mut reply).await?;
            }
            values.push(value::value(reply));
        }
        Ok(values)
    }
}

/// Runs a command about data. With a reader it may park.
fn run_one(
    host: &Arc<EmbeddedHost>,
    request: &Request<'_>,
    reader: Option<u64>,
    loaded: &LoadedBlocks,
    wait: &mut RoomWait,
    txn: &mut Transaction<'_>,
) -> Result<(Reply, LogPosition), Pause> {
    let Request { spec, args } = request;
    let mut reservation = None;
    if spec.is_write() {
        match admission::may_write(host, wait, frees_space(spec), 1, request.bytes()) {
            Ok(Admitted::Now(granted)) => reservation = granted,
            Ok(Admitted::NotYet) => return Err(Pause::Room),
            Err(text) => return Ok((Reply::error(text), LogPosition::ZERO)),
        }
    }
    txn.install(loaded);
    txn.begin();
    txn.may_put_off(true);
    let answer = run(spec, args, DB, reader.is_some(), txn);
    let position = txn.finish();
    host.store.note_log_end(position);
    drop(reservation);
    match answer {
        Answer::Reply(reply) => {
            wait.end();
            Ok((reply, position))
        }
        Answer::NeedsBlocks => Err(Pause::Blocks(txn.take_needed())),
        Answer::NeedsRoom => {
            host.store.wake_preparer();
            if wait.is_more_in_vain(&host.store.engine) {
                return Ok((Reply::error(admission::no_room(&host.store)), position));
            }
            Err(Pause::Room)
        }
        Answer::Park { request, block_ms } => {
            let Some(reader) = reader else { return Ok((Reply::NilArray, position)) };
            match Parked::park(host, reader, *request, block_ms, txn) {
                Some(parked) => Err(Pause::Parked(parked)),
                None => Ok((Reply::NilArray, position)),
            }
        }
    }
}
