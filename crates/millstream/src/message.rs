//! An entry in the hands of a worker.

use std::fmt;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use redis::Cmd;

use crate::dead_letters::json;
use crate::{EntryId, FromFields, PayloadError};

/// The fields of an entry, in their order; a name may come twice. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Arc<Vec<(Bytes, Bytes)>>);

impl Fields {
    /// Without any, at no cost.
    pub(crate) fn nothing() -> Self {
        static NOTHING: LazyLock<Fields> = LazyLock::new(Fields::default);
        NOTHING.clone()
    }

    /// Without any.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more at the end.
    #[must_use]
    pub fn with(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Arc::make_mut(&mut self.0).push((name.into(), value.into()));
        self
    }

    /// The value of the first field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(it, _)| it == name.as_bytes()).map(|(_, value)| &**value)
    }

    /// The same as text; `None` also if it is not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values in turn, as XADD takes them.
    pub(crate) fn append_to(&self, command: &mut Cmd) {
        self.iter().for_each(|(name, value)| _ = command.arg(name).arg(value));
    }

    /// As JSON: an object where names are unique and all is UTF-8, else a list of pairs in which
    /// bytes that are not are `{"b64": "…"}`. So they stand in dead letters, too.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::encode(self)
    }

    /// Names and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl<N: Into<Bytes>, V: Into<Bytes>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(Arc::new(pairs.collect()))
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lossy = |bytes| String::from_utf8_lossy(bytes);
        f.debug_map().entries(self.iter().map(|(name, value)| (lossy(name), lossy(value)))).finish()
    }
}

/// Where a message comes from; one for all of a consumer's messages of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) stream: String,
    pub(crate) group: String,
    pub(crate) consumer: String,
    /// Where the stream has one owner at a time: which one this is.
    pub(crate) fence: Option<u64>,
}

/// An entry in the hands of a worker, until its handler is done.
#[derive(Clone, Debug)]
pub struct Message<T = Fields> {
    pub(crate) origin: Arc<Origin>,
    pub(crate) id: EntryId,
    pub(crate) payload: T,
    pub(crate) deliveries: u64,
}

impl<T> Message<T> {
    /// Which entry.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// What it says.
    #[must_use]
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_payload(self) -> T {
        self.payload
    }

    /// Key of the stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.origin.stream
    }

    /// Name of the group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.origin.group
    }

    /// Name of the consumer that has it.
    #[must_use]
    pub fn consumer(&self) -> &str {
        &self.origin.consumer
    }

    /// A number that grows each time that the partition gets another owner, where it has one
    /// ([`ConsumerBuilder::lease_partitions`](crate::ConsumerBuilder::lease_partitions)). What a
    /// handler writes elsewhere is safe from an owner that does not know yet that it is none any
    /// more if the number is stored with it, and smaller ones are refused. It goes by the server's
    /// clock (microseconds since 1970, about): it grows also after the server lost what it had,
    /// unless its clock goes back as well.
    #[must_use]
    pub fn fence(&self) -> Option<u64> {
        self.origin.fence
    }

    /// How often it was delivered, this time included; 1 the first time.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }
}

impl Message {
    /// With a value of that type in place of the fields.
    pub(crate) fn decode<T: FromFields>(self) -> Result<Message<T>, PayloadError> {
        let Self { origin, id, payload, deliveries } = self;
        let payload = T::from_fields(&payload)?;
        Ok(Message { origin, id, payload, deliveries })
    }

    /// The text of a field; `None` if it is missing or not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.payload.text(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_the_first_of_a_name_counts() {
        let fields = Fields::new().with("b", "1").with("a", vec![0xff]).with("b", "2");
        assert_eq!(fields.text("b"), Some("1"));
        assert_eq!((fields.get("a"), fields.text("a")), (Some(&[0xff][..]), None));
        assert_eq!(fields.get("c"), None);
        assert_eq!(fields.iter().map(|(name, _)| name[0]).collect::<Vec<_>>(), b"bab");
        assert_eq!((fields.len(), fields.is_empty()), (3, false));
    }
}
