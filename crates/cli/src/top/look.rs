//! Asking the server: what is due of streams and groups, and what is on the screen.

use std::ops::Bound;
use std::time::Instant;

use bytes::Bytes;
use millstream::{
    ConsumerGroupManager, ConsumerInfo, EntryId, Error, Fields, Millstream, PendingEntries,
    PendingEntry, PendingFilter, StreamManager,
};
use tokio::task::JoinSet;

use super::ask::{find_ages, find_stream};
use super::line::{Line, LineKey};
use super::source::Source;
use super::survey::{Summary, Survey};
use crate::name::Name;
use crate::or_refused::or_refused;
use crate::server::Server;

/// So many are asked about at the same time.
const ASKED_AT_ONCE: usize = 100;

/// A group, by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupKey {
    pub(super) stream: Bytes,
    pub(super) group: Bytes,
}

/// What is on the screen, and wants to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// These lines before all others.
    Groups {
        visible: Vec<LineKey>,
    },
    Consumers(GroupKey),
    /// Some pending entries from there on, of a consumer or of all.
    Pending {
        of: GroupKey,
        consumer: Option<Bytes>,
        from: Bound<EntryId>,
        count: usize,
    },
    /// An entry that is pending; its fields unless they are known.
    Entry {
        of: GroupKey,
        id: EntryId,
        with_fields: bool,
    },
}

/// What it was found to be.
#[derive(Debug)]
pub(super) enum Part {
    Groups,
    /// `None`: there is no such group any more.
    Consumers(Option<Vec<ConsumerInfo>>),
    Pending(Option<PendingPage>),
    Entry(EntryFound),
}

/// Some pending entries in their order.
#[derive(Debug)]
pub(super) struct PendingPage {
    pub(super) rows: Vec<PendingEntry>,
    pub(super) has_more: bool,
}

#[derive(Debug)]
pub(super) struct EntryFound {
    /// `None`: it is not pending.
    pub(super) pending: Option<PendingEntry>,
    /// `None`: they were not asked for; or the entry is gone from the stream.
    pub(super) fields: Option<Option<Fields>>,
}

/// What a look came to.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) wanted: Wanted,
    pub(super) part: Part,
    pub(super) lines: Vec<Line>,
    pub(super) summary: Summary,
    /// What the server refused to tell, in its words.
    pub(super) refused: Option<String>,
}

/// Looks at a server again and again.
#[derive(Debug)]
pub(super) struct Looker {
    server: Server,
    source: Source,
    survey: Survey,
    refused: Option<String>,
}

impl Looker {
    pub(super) fn new(server: Server, names: Vec<Name>, survey: Survey) -> Self {
        let source = Source::new(&server.millstream, names);
        Self { server, source, survey, refused: None }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Whether streams were named, and nothing else.
    pub(super) fn is_exact(&self) -> bool {
        self.source.is_exact()
    }

    /// One look. After an error the next one goes on from there.
    ///
    /// # Errors
    /// The server cannot be asked now.
    pub(super) async fn look(&mut self, wanted: Wanted) -> Result<Found, Error> {
        self.refused = None;
        let part = match &wanted {
            Wanted::Groups { visible } => {
                let keys = self.source.next().await?;
                self.survey.note_keys(keys.found);
                self.survey_some(visible, true).await?;
                Part::Groups
            }
            Wanted::Consumers(of) => {
                self.survey_group(of).await?;
                Part::Consumers(or_refused(
                    of.consumers(self.millstream()).await,
                    &mut self.refused,
                )?)
            }
            Wanted::Pending { of, consumer, from, count } => {
                self.survey_group(of).await?;
                let page = of.page(self.millstream(), consumer.as_ref(), *from, *count).await;
                Part::Pending(or_refused(page, &mut self.refused)?)
            }
            Wanted::Entry { of, id, with_fields } => {
                self.survey_group(of).await?;
                let found = of.entry(self.millstream(), *id, *with_fields).await;
                let none = EntryFound { pending: None, fields: None };
                Part::Entry(or_refused(found, &mut self.refused)?.unwrap_or(none))
            }
        };
        let refused = self.refused.take();
        let summary = self.survey.summary(Instant::now());
        Ok(Found { wanted, part, lines: self.survey.lines(), summary, refused })
    }

    /// All streams, however many looks that takes.
    ///
    /// # Errors
    /// The server cannot be asked now.
    pub(super) async fn look_at_all(&mut self) -> Result<Found, Error> {
        self.refused = None;
        loop {
            let keys = self.source.next().await?;
            self.survey.note_keys(keys.found);
            if keys.is_round {
                break;
            }
        }
        self.survey_some(&[], true).await?;
        let (refused, summary) = (self.refused.take(), self.survey.summary(Instant::now()));
        let (wanted, part) = (Wanted::Groups { visible: Vec::new() }, Part::Groups);
        Ok(Found { wanted, part, lines: self.survey.lines(), summary, refused })
    }

    fn millstream(&self) -> &Millstream {
        &self.server.millstream
    }

    /// Only this group, for the lines above what is asked about it.
    async fn survey_group(&mut self, of: &GroupKey) -> Result<(), Error> {
        let GroupKey { stream, group } = of.clone();
        self.survey.note_keys(vec![stream.clone()]);
        self.survey_some(&[LineKey { stream, group: Some(group) }], false).await
    }

    async fn survey_some(&mut self, first: &[LineKey], others: bool) -> Result<(), Error> {
        let streams: Vec<_> = first.iter().map(|line| line.stream.clone()).collect();
        let due = self.survey.due_streams(&streams, others);
        for some in due.chunks(ASKED_AT_ONCE) {
            let mut asked = JoinSet::new();
            for key in some {
                let (millstream, key) = (self.server.millstream.clone(), key.clone());
                asked.spawn(async move { (key.clone(), find_stream(&millstream, &key).await) });
            }
            while let Some(answer) = asked.join_next().await {
                let (key, found) = answer.expect("it does not panic");
                match or_refused(found, &mut self.refused)? {
                    Some(Some(found)) => self.survey.take_stream(&key, Instant::now(), found),
                    _ => self.survey.forget(&key),
                }
            }
        }
        let due = self.survey.due_details(first, others);
        for some in due.chunks(ASKED_AT_ONCE) {
            let mut asked = JoinSet::new();
            for detail in some {
                let (millstream, detail) = (self.server.millstream.clone(), detail.clone());
                asked.spawn(async move {
                    let ages = find_ages(&millstream, &detail).await;
                    (detail.key, ages)
                });
            }
            while let Some(answer) = asked.join_next().await {
                let (key, ages) = answer.expect("it does not panic");
                if let Some((pending, undelivered)) = or_refused(ages, &mut self.refused)? {
                    self.survey.take_detail(&key, pending, undelivered);
                }
            }
        }
        Ok(())
    }
}

impl GroupKey {
    async fn consumers(&self, millstream: &Millstream) -> Result<Vec<ConsumerInfo>, Error> {
        ConsumerGroupManager::new(millstream, &self.stream).consumers(&self.group).await
    }

    async fn page(
        &self,
        millstream: &Millstream,
        consumer: Option<&Bytes>,
        from: Bound<EntryId>,
        count: usize,
    ) -> Result<PendingPage, Error> {
        let mut filter = PendingFilter::new();
        if let Some(consumer) = consumer {
            filter = filter.consumer(consumer);
        }
        let pending = PendingEntries::new(millstream, &self.stream, &self.group);
        // One more says whether there are more.
        let mut rows = pending.list((from, Bound::Unbounded), &filter, count + 1).await?;
        let has_more = rows.len() > count;
        rows.truncate(count);
        Ok(PendingPage { rows, has_more })
    }

    async fn entry(
        &self,
        millstream: &Millstream,
        id: EntryId,
        with_fields: bool,
    ) -> Result<EntryFound, Error> {
        let pending = PendingEntries::new(millstream, &self.stream, &self.group);
        let pending = pending.find(&[id]).await?.pop();
        let fields = match with_fields {
            true => {
                let stream = StreamManager::new(millstream, &self.stream);
                Some(stream.entries(id..=id, 1).await?.pop().map(|entry| entry.fields))
            }
            false => None,
        };
        Ok(EntryFound { pending, fields })
    }
}
