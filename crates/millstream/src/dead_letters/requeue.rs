//! Letters are given back to the groups that gave them up.

use redis::{Value, cmd, pipe};

use super::{DeadLetter, DeadLetters};
use crate::reply::NotUnderstood;
use crate::{Error, StreamManager, reply};

/// Gives an entry back to its group: pending, with nothing counted, and idle for longer than
/// anybody waits; where it is gone, as a new entry. What is pending already stays as it is:
/// somebody may be at work on it.
const REQUEUE: &str = "\
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 0 end
local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
local is_there = #redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2]) == 1
if is_there then
  if #redis.call('XPENDING', KEYS[2], ARGV[3], ARGV[2], ARGV[2], 1) == 0 then
    redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[4], 0, ARGV[2], 'IDLE', ARGV[5], 'RETRYCOUNT', 0, \
'FORCE', 'JUSTID')
  end
else
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 6))
end
redis.call('XDEL', KEYS[1], ARGV[1])
return is_there and 1 or 2";

/// Who has what was given back until somebody claims it.
const REQUEUED: &str = "requeued";
/// Longer than any worker waits, and no overflow of the server's clock.
const LONG_IDLE_MS: u64 = 365 * 24 * 3_600_000;

/// What became of a letter that was to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeued {
    /// Its entry is pending in its group again, and the letter is gone.
    GivenBack,
    /// Its entry was gone (on Millstream: or its group): it was added to its stream as a new one,
    /// for all groups, and the letter is gone.
    AddedAnew,
    /// There is no such letter any more.
    NotThere,
}

impl DeadLetters {
    /// Gives a message back to the group that gave it up, with nothing counted, and takes the
    /// letter away, in one step. Where its entry is gone from the stream it is added anew, for all
    /// groups.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the letter does not say where it comes from. [`Error::NoGroup`],
    /// [`Error::Unsupported`], and those of the server: [`Error::Refused`] where its stream does
    /// not take the entry. The letter stays then, and nothing was done.
    pub async fn requeue(&self, letter: &DeadLetter) -> Result<Requeued, Error> {
        check(letter)?;
        let abilities = self.millstream.abilities();
        if abilities.has_policies {
            return self.requeue_by_command(letter, false).await;
        }
        self.need_scripts()?;
        let mut script = cmd("EVAL");
        script.arg(REQUEUE).arg(2).arg(&self.stream[..]).arg(&letter.stream_bytes[..]);
        script.arg(letter.id).arg(letter.original_id);
        script.arg(&letter.group_bytes[..]).arg(REQUEUED).arg(LONG_IDLE_MS);
        letter.payload.append_to(&mut script);
        match self.millstream.run(&script).await? {
            Value::Int(0) => Ok(Requeued::NotThere),
            Value::Int(1) => Ok(Requeued::GivenBack),
            Value::Int(2) => Ok(Requeued::AddedAnew),
            _ => Err(Error::Answer("EVAL")),
        }
    }

    /// What [`Self::requeue`] would do now, as far as can be seen without doing it: whether a
    /// stream is too full for an entry that would be added anew turns out only then.
    ///
    /// # Errors
    /// As those of [`Self::requeue`].
    pub async fn would_requeue(&self, letter: &DeadLetter) -> Result<Requeued, Error> {
        check(letter)?;
        if self.millstream.abilities().has_policies {
            return self.requeue_by_command(letter, true).await;
        }
        self.need_scripts()?;
        let mut both = pipe();
        for (stream, id) in [(&self.stream, letter.id), (&letter.stream_bytes, letter.original_id)]
        {
            both.cmd("XRANGE").arg(&stream[..]).arg(id).arg(id);
        }
        let found = self.millstream.backend().run_all(&both).await?.into_iter().map(reply::entries);
        let found: Vec<_> = found.collect::<Result<_, _>>().map_err(NotUnderstood::of("XRANGE"))?;
        match &found[..] {
            [letters, _] if letters.is_empty() => Ok(Requeued::NotThere),
            [_, entries] if entries.is_empty() => Ok(Requeued::AddedAnew),
            [_, _] => {
                // It is there to be refused: there may be no such group.
                let (stream, group) = (&letter.stream_bytes[..], &letter.group_bytes[..]);
                self.millstream.run(cmd("XPENDING").arg(stream).arg(group)).await?;
                Ok(Requeued::GivenBack)
            }
            _ => Err(Error::Answer("XRANGE")),
        }
    }

    async fn requeue_by_command(
        &self,
        letter: &DeadLetter,
        is_dry: bool,
    ) -> Result<Requeued, Error> {
        let mut command = cmd("XDLQ");
        command.arg("REQUEUE").arg(&self.stream[..]).arg("IDS").arg(1).arg(letter.id);
        // Should its stream be gone, too.
        command.arg("MKSTREAM");
        if is_dry {
            command.arg("DRYRUN");
        }
        let answer = self.millstream.run(&command).await?;
        let parse = || {
            let parts = reply::array(answer)?;
            let [done, skipped, _, anew] = &parts[..] else { return Err(NotUnderstood) };
            Ok((reply::count(done)?, reply::count(skipped)?, reply::count(anew)?))
        };
        match parse().map_err(NotUnderstood::of("XDLQ"))? {
            (0, 0, _) => Ok(Requeued::NotThere),
            (0, ..) => Err(self.why_skipped(letter).await),
            (.., 0) => Ok(Requeued::GivenBack),
            _ => Ok(Requeued::AddedAnew),
        }
    }

    /// XDLQ says only that it skipped it: its stream does not take the entry.
    async fn why_skipped(&self, letter: &DeadLetter) -> Error {
        let stream = StreamManager::new(&self.millstream, &letter.stream_bytes);
        if let Err(error) = stream.info().await {
            return error;
        }
        let why = match letter.stream_bytes == self.stream {
            true => "its entry is gone, and would be added to the stream of the letters itself",
            false => {
                "its entry is gone, and its stream takes no new one: it is full, or its ids are \
                 used up"
            }
        };
        Error::Refused { code: "SKIPPED".to_owned(), text: why.to_owned() }
    }

    fn need_scripts(&self) -> Result<(), Error> {
        let has_scripts = self.millstream.abilities().has_scripts;
        let what = "scripts, which giving letters back needs";
        self.millstream.need_by(&["EVAL"], has_scripts, what)
    }
}

/// Anybody can write a letter.
fn check(letter: &DeadLetter) -> Result<(), Error> {
    if letter.stream_bytes.is_empty() || letter.group_bytes.is_empty() {
        let text = "the letter does not say which stream and group it comes from";
        return Err(Error::Configuration(text.to_owned()));
    }
    Ok(())
}
