//! One consumer of a consumer group: read new entries, retry own failures, claim abandoned work.
//!
//! This file knows nothing of orders or of the demo; copy it and write your own [`Job`].
//!
//! 1. An entry is acknowledged only after its job is done, so a crash at any point means another
//!    delivery, never a loss. Jobs must therefore bear being run twice.
//! 2. What fails stays pending. Every delivery is counted by the server; from the
//!    [`ConsumerOptions::max_deliveries`]-th on the entry goes to the dead-letter stream instead.
//! 3. The dead letter and the acknowledgement are one transaction.
//! 4. Before it retries, a consumer asks the server whether the entry is still its own: a slow
//!    consumer may find that a colleague has claimed and finished its work.
//!
//! Errors of the connection are returned; call [`StreamConsumer::connect`] again and go on.
//! Entries that were in flight are still pending and come back by themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamId, StreamReadOptions, StreamReadReply,
};
use redis::{Client, Commands, Connection, RedisResult};

use super::dead_letter::{dead_letter_fields, dead_letter_stream};

/// Time allowed for connecting, and for an answer beyond the time a read may block.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a consumer reads.
#[derive(Clone, Debug)]
pub(super) struct ConsumerOptions {
    /// Most entries taken by one read or claim; at least 1.
    pub(super) count: usize,
    /// How long a read waits for new entries; whole milliseconds, at least 1 (0 would mean
    /// forever).
    pub(super) block_timeout: Duration,
    /// Entries of anybody that have been idle this long are claimed.
    pub(super) claim_min_idle: Duration,
    /// With this many deliveries an entry goes to the dead-letter stream; at least 2.
    pub(super) max_deliveries: usize,
}

/// One entry in the hands of a consumer.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Entry ID, as the server gives it.
    pub(super) id: String,
    /// Fields by name.
    pub(super) data: BTreeMap<String, String>,
    /// Whether it was claimed from the pending list of the group, rather than read.
    pub(super) claimed: bool,
}

/// What became of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// The job succeeded and the entry is acknowledged.
    Processed,
    /// The job succeeded, but somebody else had settled the entry already.
    ProcessedTwice,
    /// The job failed; the entry stays pending.
    Failed,
    /// Too many deliveries: the entry is in the dead-letter stream and acknowledged.
    DeadLettered,
}

/// The work to be done for every entry.
pub(super) trait Job {
    /// Does the work. An error leaves the entry pending, to be delivered again.
    fn handle(&mut self, message: &Message) -> anyhow::Result<()>;

    /// Is told of every entry that this consumer takes, before anything is done with it.
    fn taken(&mut self, _message: &Message) {}

    /// Is told what became of it, once the server has confirmed that.
    fn settled(&mut self, _message: &Message, _settlement: Settlement) {}
}

/// A consumer with a connection of its own, since a blocking read occupies one.
pub(super) struct StreamConsumer {
    connection: Connection,
    stream: String,
    group: String,
    name: String,
    options: ConsumerOptions,
    /// Where the next claim goes on in the pending list.
    claim_cursor: String,
}

impl StreamConsumer {
    /// Connects consumer `name` of `group`. The group must exist.
    ///
    /// # Errors
    /// The server cannot be reached within [`RESPONSE_TIMEOUT`].
    pub(super) fn connect(
        client: &Client,
        stream: &str,
        group: &str,
        name: &str,
        options: ConsumerOptions,
    ) -> RedisResult<Self> {
        let connection = client.get_connection_with_timeout(RESPONSE_TIMEOUT)?;
        // The answer to a blocking read may take the whole block time; a client-side limit below
        // that would cut off every idle read.
        connection.set_read_timeout(Some(options.block_timeout + RESPONSE_TIMEOUT))?;
        connection.set_write_timeout(Some(RESPONSE_TIMEOUT))?;
        Ok(Self {
            connection,
            stream: stream.to_owned(),
            group: group.to_owned(),
            name: name.to_owned(),
            options,
            claim_cursor: "0-0".to_owned(),
        })
    }

    /// One round: new entries, then own failures, then abandoned work. Call it in a loop.
    pub(super) fn work_once(&mut self, job: &mut impl Job) -> RedisResult<()> {
        for message in self.read_new()? {
            job.taken(&message);
            self.attempt(&message, job)?;
        }
        for message in self.read_own_pending()? {
            job.taken(&message);
            self.retry_or_give_up(&message, job)?;
        }
        for message in self.claim_abandoned()? {
            job.taken(&message);
            self.retry_or_give_up(&message, job)?;
        }
        Ok(())
    }

    /// Takes entries that nobody has seen; waits up to the block time for the first.
    pub(super) fn read_new(&mut self) -> RedisResult<Vec<Message>> {
        let block_ms = usize::try_from(self.options.block_timeout.as_millis())
            .expect("block times are far below 2^32 ms");
        let options = self.read_options().block(block_ms);
        self.read(">", &options)
    }

    /// Takes again what this consumer was given and has not acknowledged.
    fn read_own_pending(&mut self) -> RedisResult<Vec<Message>> {
        let options = self.read_options();
        self.read("0", &options)
    }

    fn read_options(&self) -> StreamReadOptions {
        StreamReadOptions::default().group(&self.group, &self.name).count(self.options.count)
    }

    fn read(&mut self, from: &str, options: &StreamReadOptions) -> RedisResult<Vec<Message>> {
        let reply: Option<StreamReadReply> =
            self.connection.xread_options(&[&self.stream], &[from], options)?;
        let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids);
        self.messages(entries, false)
    }

    /// Takes over entries that have been idle for too long, whoever holds them.
    fn claim_abandoned(&mut self) -> RedisResult<Vec<Message>> {
        let reply: StreamAutoClaimReply = self.connection.xautoclaim_options(
            &self.stream,
            &self.group,
            &self.name,
            self.options.claim_min_idle.as_millis().to_string(),
            &self.claim_cursor,
            StreamAutoClaimOptions::default().count(self.options.count),
        )?;
        self.claim_cursor = reply.next_stream_id;
        self.messages(reply.claimed.into_iter(), true)
    }

    /// Entries as messages. Those deleted from the stream meanwhile have no fields any more; there
    /// is nothing to do for them but to acknowledge them.
    fn messages(
        &mut self,
        entries: impl Iterator<Item = StreamId>,
        claimed: bool,
    ) -> RedisResult<Vec<Message>> {
        let mut messages = Vec::new();
        for entry in entries {
            if entry.map.is_empty() {
                self.acknowledge(&entry.id)?;
                continue;
            }
            let mut data = BTreeMap::new();
            for (name, value) in entry.map {
                data.insert(name, redis::from_redis_value(value)?);
            }
            messages.push(Message { id: entry.id, data, claimed });
        }
        Ok(messages)
    }

    fn attempt(&mut self, message: &Message, job: &mut impl Job) -> RedisResult<()> {
        let settlement = match job.handle(message) {
            Err(_) => Settlement::Failed,
            Ok(()) if self.acknowledge(&message.id)? => Settlement::Processed,
            Ok(()) => Settlement::ProcessedTwice,
        };
        job.settled(message, settlement);
        Ok(())
    }

    fn retry_or_give_up(&mut self, message: &Message, job: &mut impl Job) -> RedisResult<()> {
        match self.delivery_count(&message.id)? {
            // Settled or claimed by a colleague since we were given it.
            None => Ok(()),
            Some(count) if count < self.options.max_deliveries => self.attempt(message, job),
            Some(_) => {
                if self.dead_letter(message)? {
                    job.settled(message, Settlement::DeadLettered);
                }
                Ok(())
            }
        }
    }

    /// How often `id` was delivered, if it is still pending with this consumer.
    fn delivery_count(&mut self, id: &str) -> RedisResult<Option<usize>> {
        let pending: redis::streams::StreamPendingCountReply =
            self.connection.xpending_count(&self.stream, &self.group, id, id, 1)?;
        Ok(pending
            .ids
            .first()
            .filter(|entry| entry.consumer == self.name)
            .map(|entry| entry.times_delivered))
    }

    /// Acknowledges `id`; false if it was not pending any more.
    fn acknowledge(&mut self, id: &str) -> RedisResult<bool> {
        let acknowledged: usize = self.connection.xack(&self.stream, &self.group, &[id])?;
        Ok(acknowledged == 1)
    }

    /// Moves `message` to the dead-letter stream; false if a colleague settled it just before.
    fn dead_letter(&mut self, message: &Message) -> RedisResult<bool> {
        let target = dead_letter_stream(&self.stream);
        let fields = dead_letter_fields(&message.id, &message.data, &self.name);
        let (letter_id, acknowledged): (String, usize) = redis::pipe()
            .atomic()
            .xadd(&target, "*", &fields)
            .xack(&self.stream, &self.group, &[&message.id])
            .query(&mut self.connection)?;
        if acknowledged == 0 {
            // The transaction cannot depend on its own outcome, so a letter too many is taken back.
            let _: usize = self.connection.xdel(&target, &[letter_id])?;
        }
        Ok(acknowledged == 1)
    }
}
