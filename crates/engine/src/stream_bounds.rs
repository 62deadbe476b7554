//! Bounds that hold for all streams alike, so that no client fills the memory by mistake.
//!
//! Each is looked at before the first change, and only where something would grow: what is there
//! already, and what comes back from the log, an image or a copy, stays. A stream's own retention
//! takes the place of the bound on entries and bytes. Tests: the server's `tests/it/buffers.rs`.

use millstream_model::{GroupId, Rejection, StreamBound};

use crate::entries::Production;
use crate::object::ObjectRef;
use crate::transaction::Transaction;

/// How much of each there may be; 0: as much as one likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamBounds {
    /// Entries of a stream without a MAXLEN of its own.
    pub entries_max: u64,
    /// Bytes of names and values of a stream without a MAXBYTES of its own.
    pub bytes_max: u64,
    /// Groups of a stream.
    pub groups_max: usize,
    /// Consumers of a group.
    pub consumers_max: usize,
    /// Producers of which a stream remembers productions.
    pub producers_max: usize,
    /// Bytes of the name of a stream, a group, a consumer or a producer. Default 64 KiB.
    pub name_bytes_max: usize,
}

impl Default for StreamBounds {
    fn default() -> Self {
        Self {
            entries_max: 0,
            bytes_max: 0,
            groups_max: 0,
            consumers_max: 0,
            producers_max: 0,
            name_bytes_max: 64 << 10,
        }
    }
}

/// Whether one more is one too many.
fn is_reached(count: usize, max: usize) -> bool {
    max > 0 && count >= max
}

impl Transaction<'_> {
    fn bounds(&self) -> StreamBounds {
        self.core.settings.bounds
    }

    /// # Errors
    /// [`Rejection::AboveBound`], as of all here.
    pub(crate) fn refuse_long_name(&self, name: &[u8]) -> Result<(), Rejection> {
        let max = self.bounds().name_bytes_max;
        refuse_if(max > 0 && name.len() > max, StreamBound::NameBytes)
    }

    /// Before an entry with these fields is added, while so many others go. `None`: the stream is
    /// new. What has to fit beside the entry is what is there before any of it goes: how many bytes
    /// go is known only where all do.
    #[inline]
    pub(crate) fn refuse_full(
        &mut self,
        object: Option<ObjectRef>,
        fields: &[&[u8]],
        going: u64,
    ) -> Result<(), Rejection> {
        let StreamBounds { entries_max, bytes_max, .. } = self.bounds();
        if entries_max == 0 && bytes_max == 0 {
            return Ok(());
        }
        let stream = object.map(|object| self.state().stream(object.slot));
        let own = stream.and_then(|stream| stream.retention().copied()).unwrap_or_default();
        let len = stream.map_or(0, |stream| stream.entries().len()).saturating_sub(going);
        let has_too_many = entries_max > 0 && own.max_len == 0 && len >= entries_max;
        refuse_if(has_too_many, StreamBound::Entries)?;
        if bytes_max == 0 || own.max_bytes > 0 {
            return Ok(());
        }
        let added = fields.iter().map(|field| field.len() as u64).sum::<u64>();
        refuse_if(added > bytes_max, StreamBound::EntryBytes)?;
        if let Some(object) = object
            && len > 0
        {
            self.count_bytes(object)?;
            let bytes = self.state().stream(object.slot).entries().payload_bytes().unwrap_or(0);
            refuse_if(bytes.saturating_add(added) > bytes_max, StreamBound::Bytes)?;
        }
        Ok(())
    }

    /// An entry that would find no room even if all others went. `None`: the stream is new.
    ///
    /// # Errors
    /// [`Rejection::EntryAboveMaxBytes`] where the stream has a limit of its own, too.
    pub(crate) fn refuse_large(
        &self,
        object: Option<ObjectRef>,
        fields: &[&[u8]],
    ) -> Result<(), Rejection> {
        let added = fields.iter().map(|field| field.len() as u64).sum::<u64>();
        let own = object.and_then(|object| self.state().stream(object.slot).retention());
        match own.map_or(0, |own| own.max_bytes) {
            0 => {
                let max = self.bounds().bytes_max;
                refuse_if(max > 0 && added > max, StreamBound::EntryBytes)
            }
            max if added > max => Err(Rejection::EntryAboveMaxBytes),
            _ => Ok(()),
        }
    }

    /// Before a production is remembered. `None`: the stream is new.
    pub(crate) fn refuse_producer(
        &self,
        object: Option<ObjectRef>,
        production: Option<&Production<'_>>,
    ) -> Result<(), Rejection> {
        let Some(production) = production else { return Ok(()) };
        self.refuse_long_name(production.producer)?;
        self.refuse_long_name(production.iid)?;
        let Some(object) = object else { return Ok(()) };
        let productions = self.state().stream(object.slot).idempotence();
        let is_new = !productions.has_producer(production.producer);
        let has_all = is_reached(productions.producer_count(), self.bounds().producers_max);
        refuse_if(is_new && has_all, StreamBound::Producers)
    }

    /// Before a group is created. `None`: the stream is new.
    pub(crate) fn refuse_group(
        &self,
        object: Option<ObjectRef>,
        name: &[u8],
    ) -> Result<(), Rejection> {
        self.refuse_long_name(name)?;
        let count = object.map_or(0, |object| self.state().stream(object.slot).group_count());
        refuse_if(is_reached(count, self.bounds().groups_max), StreamBound::Groups)
    }

    /// Before a consumer is created, unless it is there.
    pub(crate) fn refuse_consumer(
        &self,
        object: ObjectRef,
        group: GroupId,
        name: &[u8],
    ) -> Result<(), Rejection> {
        let bounds = self.bounds();
        if bounds.consumers_max == 0 && name.len() <= bounds.name_bytes_max {
            return Ok(());
        }
        let group = self.state().stream(object.slot).group(group);
        if group.find_consumer(name).is_some() {
            return Ok(());
        }
        self.refuse_long_name(name)?;
        let has_all = is_reached(group.consumer_count(), bounds.consumers_max);
        refuse_if(has_all, StreamBound::Consumers)
    }
}

fn refuse_if(is_exceeded: bool, bound: StreamBound) -> Result<(), Rejection> {
    if is_exceeded { Err(Rejection::AboveBound(bound)) } else { Ok(()) }
}
