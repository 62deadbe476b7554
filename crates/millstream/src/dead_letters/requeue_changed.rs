//! Letters are given back as other entries than they were.

use redis::{Value, cmd};

use super::{DeadLetter, DeadLetters};
use crate::producer::entry_fields;
use crate::reply::NotUnderstood;
use crate::{EntryId, Error, Producer, ToFields, reply};

/// Adds the entry first: a script that fails does not take back what it did before.
const REQUEUE_CHANGED: &str = "\
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return false end
local id = redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
redis.call('XDEL', KEYS[1], ARGV[1])
return id";

impl DeadLetters {
    /// Adds this in place of what a letter says to the stream that it comes from, and takes the
    /// letter away. It is a new entry, for all groups of the stream. Returns its ID; `None`: there
    /// is no such letter any more, and nothing was done.
    ///
    /// In one step where there are scripts. Millstream has none: there the entry is added, then the
    /// letter is deleted. Whoever gives the same letter back at the same moment adds its entry,
    /// too; so does, after a failure between the two, another try.
    ///
    /// # Errors
    /// [`Error::Configuration`]: what was given is no entry, or the letter does not say where it
    /// comes from. Those of the server: the letter stays then. `HALFDONE`: the entry was added, and
    /// the letter could not be deleted. After [`Error::Connection`] it was done or not.
    pub async fn requeue_changed(
        &self,
        letter: &DeadLetter,
        payload: &impl ToFields,
    ) -> Result<Option<EntryId>, Error> {
        if letter.stream_bytes.is_empty() {
            let text = "the letter does not say which stream it comes from";
            return Err(Error::Configuration(text.to_owned()));
        }
        let fields = entry_fields(payload)?;
        if !self.millstream.abilities().has_scripts {
            return self.add_and_purge(letter, &fields).await;
        }
        let mut script = cmd("EVAL");
        script.arg(REQUEUE_CHANGED).arg(2).arg(&self.stream[..]).arg(&letter.stream_bytes[..]);
        script.arg(letter.id);
        fields.append_to(&mut script);
        match self.millstream.run(&script).await? {
            Value::Nil => Ok(None),
            id => reply::id(&id).map(Some).map_err(NotUnderstood::of("EVAL")),
        }
    }

    async fn add_and_purge(
        &self,
        letter: &DeadLetter,
        fields: &crate::Fields,
    ) -> Result<Option<EntryId>, Error> {
        if self.find(&[letter.id]).await?.is_empty() {
            return Ok(None);
        }
        let id = Producer::new(&self.millstream, &letter.stream_bytes).add(fields).await?;
        match self.purge(&[letter.id]).await {
            Ok(_) => Ok(Some(id)),
            Err(error) => {
                let text = format!("the entry was added as {id}, and its letter stays: {error}");
                Err(Error::Refused { code: "HALFDONE".to_owned(), text })
            }
        }
    }
}
