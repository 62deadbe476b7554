//! Adding entries to one stream: one by one, many in a round trip, or once however often it is
//! tried.

use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, cmd, pipe};
use tracing::{Instrument as _, Span};

use crate::milliseconds::milliseconds;
use crate::reply::{Facts, NotUnderstood};
use crate::same_slot::beside;
use crate::{EntryId, Error, Fields, Millstream, SourceProducer, ToFields, reply, trace_context};

/// Entries that are sent in one round trip.
const AT_ONCE: usize = 1000;
/// What servers with IDMP remember at most, per producer.
const REMEMBERED_MAX: u32 = 10_000;
const REMEMBERED_FOR_MAX: Duration = Duration::from_hours(24);

/// Adds an entry unless one with this key was added before; returns its ID, or the one of then.
const ADD_ONCE: &str = "\
local known = redis.call('GET', KEYS[2])
if known then return known end
local id = redis.call('XADD', KEYS[1], unpack(ARGV, 2))
redis.call('SET', KEYS[2], id, 'PX', ARGV[1])
return id";

/// Adds entries to a stream. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Producer {
    millstream: Millstream,
    stream: Bytes,
    max_len: Option<u64>,
    remembering: Option<Remembering>,
}

/// What was added before, for so long.
#[derive(Clone, Debug)]
struct Remembering {
    producer: String,
    window: Duration,
}

impl Producer {
    /// For a stream, which is made by the first entry.
    #[must_use]
    pub fn new(millstream: &Millstream, stream: impl AsRef<[u8]>) -> Self {
        let stream = Bytes::copy_from_slice(stream.as_ref());
        Self { millstream: millstream.clone(), stream, max_len: None, remembering: None }
    }

    /// Key of the stream.
    #[must_use]
    pub fn stream(&self) -> &[u8] {
        &self.stream
    }

    /// Each entry trims the stream to about so many, oldest first, **whether they were handled or
    /// not** (`XADD MAXLEN ~`). Millstream keeps what groups need by retention instead, see
    /// `docs/delivery.md`.
    #[must_use]
    pub fn max_len(mut self, about: u64) -> Self {
        self.max_len = Some(about);
        self
    }

    /// Makes [`Self::add_once`] possible: keys that were used within `window` (1 s to a day) are
    /// remembered by the server, for this name of a producer. Two programs that may add the same
    /// have the same name.
    ///
    /// Servers with `XADD IDMP` (Millstream, Redis 8.6) are told so here, and remember 10,000 keys
    /// of a producer at most; the stream is made if it is not there. They take the window from the
    /// moment of the entry's ID, and the largest that any producer asked for counts for the stream.
    /// To make it larger makes them forget all keys, and of two that ask for different ones at the
    /// same moment either may be the one that counts: have all ask for the same.
    /// Elsewhere each key is a key of the server, beside the stream, for the time of the window.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the window is too short or too long. [`Error::Unsupported`]: the
    /// server has neither IDMP nor scripts. Those of the server.
    pub async fn remember(
        mut self,
        producer: impl Into<String>,
        window: Duration,
    ) -> Result<Self, Error> {
        if !(Duration::from_secs(1)..=REMEMBERED_FOR_MAX).contains(&window) {
            let text = "keys are remembered for 1 s to 24 h".to_owned();
            return Err(Error::Configuration(text));
        }
        let producer = producer.into();
        if producer.is_empty() {
            return Err(Error::Configuration("a producer has a name".to_owned()));
        }
        let abilities = self.millstream.abilities();
        let is_possible = abilities.has_idempotent_add || abilities.has_scripts;
        let what = "way to remember what was added (IDMP, or scripts)";
        self.millstream.need_by(&["XADD", "EVAL"], is_possible, what)?;
        if abilities.has_idempotent_add {
            self.set_window(window).await?;
        }
        self.remembering = Some(Remembering { producer, window });
        Ok(self)
    }

    /// A change of these settings makes the server forget all keys, so it is made only where more
    /// is wanted.
    async fn set_window(&self, window: Duration) -> Result<(), Error> {
        let info = cmd("XINFO").arg("STREAM").arg(&self.stream[..]).to_owned();
        let found = match self.millstream.run(&info).await {
            Ok(found) => found,
            Err(Error::Refused { code, .. }) if code == "ERR" => {
                self.make_stream().await?;
                self.millstream.run(&info).await?
            }
            Err(error) => return Err(error),
        };
        let facts = Facts::parse(found).map_err(NotUnderstood::of("XINFO STREAM"))?;
        let seconds = window.as_secs_f64().ceil() as u64;
        let known = facts.count("idmp-duration").map_err(NotUnderstood::of("XINFO STREAM"))?;
        let remembered = facts.count("idmp-maxsize").map_err(NotUnderstood::of("XINFO STREAM"))?;
        if known >= seconds && remembered >= u64::from(REMEMBERED_MAX) {
            return Ok(());
        }
        let mut set = cmd("XCFGSET");
        set.arg(&self.stream[..]).arg("IDMP-DURATION").arg(seconds.max(known));
        set.arg("IDMP-MAXSIZE").arg(REMEMBERED_MAX);
        self.millstream.run(&set).await.map(drop)
    }

    /// An empty stream: only a group can make one.
    async fn make_stream(&self) -> Result<(), Error> {
        let group = format!("millstream:making:{:016x}", fastrand::u64(..));
        let mut make = cmd("XGROUP");
        make.arg("CREATE").arg(&self.stream[..]).arg(&[&*group, "0", "MKSTREAM"]);
        let remove = cmd("XGROUP").arg("DESTROY").arg(&self.stream[..]).arg(&group).to_owned();
        let mut both = pipe();
        both.atomic().add_command(make).add_command(remove);
        self.millstream.backend().run_all(&both).await.map(drop)
    }

    /// Adds an entry. When this returns it is as safe as the server makes a write before it
    /// answers; on Millstream, by default, on disk.
    ///
    /// # Errors
    /// [`Error::Configuration`]: what was given is no entry. Those of the server. After
    /// [`Error::Connection`] it may have been added or not; [`Self::add_once`] is for those who
    /// try again. Dropped while it waits, the same.
    pub async fn add(&self, payload: &impl ToFields) -> Result<EntryId, Error> {
        let span = self.span();
        let fields = trace_context::with_span(entry_fields(payload)?, &span);
        let command = self.command(&[], &fields);
        self.send(command, span).await
    }

    /// Adds an entry with this id, which is to be higher than any that the stream had.
    ///
    /// # Errors
    /// As those of [`Self::add`]; the server refuses an id that is not higher.
    pub async fn add_as(&self, id: EntryId, payload: &impl ToFields) -> Result<EntryId, Error> {
        let span = self.span();
        let fields = trace_context::with_span(entry_fields(payload)?, &span);
        let mut command = cmd("XADD");
        command.arg(&self.stream[..]);
        self.limit(&mut command);
        command.arg(id);
        fields.append_to(&mut command);
        self.send(command, span).await
    }

    /// Adds entries in their order, many in a round trip. Each is added by itself: after an error
    /// those before it may be there; so they may if this is dropped while it waits.
    ///
    /// # Errors
    /// As those of [`Self::add`]; if one of the payloads is no entry, nothing was added.
    pub async fn add_all<P: ToFields>(
        &self,
        payloads: impl IntoIterator<Item = P>,
    ) -> Result<Vec<EntryId>, Error> {
        let (span, all) = self.entries(payloads)?;
        let mut ids = Vec::with_capacity(all.len());
        if self.millstream.is_replicated() {
            for fields in &all {
                ids.push(self.millstream.add_by(&self.command(&[], fields)).await?);
            }
            return Ok(ids);
        }
        for some in all.chunks(AT_ONCE) {
            let mut commands = pipe();
            some.iter().for_each(|fields| _ = commands.add_command(self.command(&[], fields)));
            let sending = self.millstream.backend().run_all(&commands);
            let answers = sending.instrument(span.clone()).await?;
            let some: Result<Vec<EntryId>, NotUnderstood> = answers.iter().map(reply::id).collect();
            ids.extend(some.map_err(NotUnderstood::of("XADD"))?);
        }
        Ok(ids)
    }

    /// Adds entries in their order and in one step: all are there, or none is, whatever happens to
    /// the connection or the server meanwhile. They are one command to the server (`MULTI`), which
    /// does nothing else until they are added: some thousand at most are a good number.
    ///
    /// # Errors
    /// As those of [`Self::add_all`]; after [`Error::Connection`] all of them were added or none,
    /// and dropped while it waits, the same. Handles that wait for replicas
    /// ([`Millstream::with_replicas`]) do not wait for these.
    pub async fn add_together<P: ToFields>(
        &self,
        payloads: impl IntoIterator<Item = P>,
    ) -> Result<Vec<EntryId>, Error> {
        let (span, all) = self.entries(payloads)?;
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = pipe();
        commands.atomic();
        all.iter().for_each(|fields| _ = commands.add_command(self.command(&[], fields)));
        let answers = self.millstream.backend().run_all(&commands).instrument(span).await?;
        let ids: Result<Vec<EntryId>, NotUnderstood> = answers.iter().map(reply::id).collect();
        ids.map_err(NotUnderstood::of("EXEC"))
    }

    /// The span and the fields of several entries.
    ///
    /// # Errors
    /// [`Error::Configuration`]: one is no entry.
    pub(crate) fn entries<P: ToFields>(
        &self,
        payloads: impl IntoIterator<Item = P>,
    ) -> Result<(Span, Vec<Fields>), Error> {
        let span = self.span();
        let entry = |payload: P| Ok(trace_context::with_span(entry_fields(&payload)?, &span));
        let all: Result<Vec<Fields>, Error> = payloads.into_iter().map(entry).collect();
        let all = all?;
        span.record("messaging.batch.message_count", all.len());
        Ok((span, all))
    }

    /// For a source that can be read again, such as a file: each of its entries is added once,
    /// however often reading it begins anew. See [`SourceProducer`].
    ///
    /// # Errors
    /// [`Error::Configuration`]: the name is empty. [`Error::Unsupported`]: the server has neither
    /// scripts nor IDMP. Those of the server.
    pub async fn source(self, name: impl Into<String>) -> Result<SourceProducer, Error> {
        SourceProducer::new(self, name.into()).await
    }

    pub(crate) fn millstream(&self) -> &Millstream {
        &self.millstream
    }

    /// Adds an entry unless this producer added one with this key within the window, whatever that
    /// one said; returns the ID of the one that is there. So it can be tried until there is an
    /// answer, after any error and after it was dropped. Needs [`Self::remember`].
    ///
    /// # Errors
    /// [`Error::Configuration`]: nothing is remembered, the key is empty, or what was given is no
    /// entry. Those of the server.
    pub async fn add_once(&self, key: &str, payload: &impl ToFields) -> Result<EntryId, Error> {
        let Some(Remembering { producer, window }) = &self.remembering else {
            let text = "add_once needs a producer that remembers".to_owned();
            return Err(Error::Configuration(text));
        };
        if key.is_empty() {
            return Err(Error::Configuration("a key is not empty".to_owned()));
        }
        let span = self.span();
        let fields = trace_context::with_span(entry_fields(payload)?, &span);
        let command = if self.millstream.abilities().has_idempotent_add {
            self.command(&["IDMP", producer, key], &fields)
        } else {
            // Lengths keep keys of two producers apart.
            let suffix = format!("once:{}:{producer}:{key}", producer.len());
            let mut script = cmd("EVAL");
            let beside = beside(&self.stream, &suffix);
            script.arg(ADD_ONCE).arg(2).arg(&self.stream[..]).arg(beside);
            script.arg(milliseconds(*window));
            self.arguments(&mut script, &[], &fields);
            script
        };
        self.send(command, span).await
    }

    async fn send(&self, command: Cmd, span: Span) -> Result<EntryId, Error> {
        let id = self.millstream.add_by(&command).instrument(span.clone()).await?;
        trace_context::sent(&span, id);
        Ok(id)
    }

    pub(crate) fn command(&self, options: &[&str], fields: &Fields) -> Cmd {
        let mut command = cmd("XADD");
        command.arg(&self.stream[..]);
        self.arguments(&mut command, options, fields);
        command
    }

    fn span(&self) -> Span {
        trace_context::sending(&String::from_utf8_lossy(&self.stream))
    }

    fn limit(&self, command: &mut Cmd) {
        if let Some(about) = self.max_len {
            command.arg("MAXLEN").arg("~").arg(about);
        }
    }

    /// Of XADD, what comes behind the key.
    pub(crate) fn arguments(&self, command: &mut Cmd, options: &[&str], fields: &Fields) {
        command.arg(options);
        self.limit(command);
        command.arg("*");
        fields.append_to(command);
    }

    /// How many those are without options.
    pub(crate) fn arguments_count(&self, fields: &Fields) -> usize {
        let limit = if self.max_len.is_some() { 3 } else { 0 };
        limit + 1 + 2 * fields.len()
    }
}

/// The fields of an entry.
pub(crate) fn entry_fields(payload: &impl ToFields) -> Result<Fields, Error> {
    let fields = payload.to_fields().map_err(|error| Error::Configuration(error.to_string()))?;
    if fields.is_empty() {
        return Err(Error::Configuration("an entry has at least one field".to_owned()));
    }
    Ok(fields)
}

/// XADD with an ID of the server's.
pub(crate) fn add_command(stream: &str, fields: &Fields) -> Cmd {
    let mut command = cmd("XADD");
    command.arg(stream).arg("*");
    fields.append_to(&mut command);
    command
}
