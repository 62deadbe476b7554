//! Who shares the partitions: a small stream in which each says again and again that it is there.
//!
//! Who has said nothing new for a lifetime by our clock is not there, whatever the server's clock
//! does: set back, it would have everybody be there who ever was until it is where it had been.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis::cmd;
use tokio::time::Instant;

use crate::milliseconds::milliseconds;
use crate::reply::NotUnderstood;
use crate::{EntryId, Error, Millstream, reply};

/// Those of a group.
#[derive(Debug)]
pub(super) struct Members {
    millstream: Millstream,
    key: String,
    token: String,
    /// Who was not heard of for so long is not there.
    lifetime: Duration,
    /// Of our last word.
    last: EntryId,
    /// When we heard of each last, by our clock.
    heard: BTreeMap<String, Instant>,
    /// Up to here the stream was read.
    read_to: Option<EntryId>,
}

impl Members {
    /// `stream`: the first partition, whose slot the members meet in.
    pub(super) fn new(
        millstream: &Millstream,
        stream: &str,
        group: &str,
        token: &str,
        lifetime: Duration,
    ) -> Self {
        let (key, token) = (format!("{stream}:members:{group}"), token.to_owned());
        let (last, heard, read_to) = (EntryId::ZERO, BTreeMap::new(), None);
        Self { millstream: millstream.clone(), key, token, lifetime, last, heard, read_to }
    }

    /// Says that this one is there, and returns all who are.
    pub(super) async fn meet(&mut self) -> Result<BTreeSet<String>, Error> {
        let now = self.say("here").await?;
        // Its data is lost, and its clock was set back.
        let is_older = self.read_to.is_some_and(|read_to| read_to >= now);
        let from = match self.read_to.filter(|_| !is_older) {
            Some(read_to) => format!("({read_to}"),
            None => now.ms.saturating_sub(milliseconds(self.lifetime)).to_string(),
        };
        self.last = now;
        let mut range = cmd("XRANGE");
        range.arg(&self.key).arg(from).arg("+");
        let answer = self.millstream.run(&range).await?;
        let entries = reply::entries(answer).map_err(NotUnderstood::of("XRANGE"))?;
        self.read_to = Some(entries.last().map_or(now, |entry| entry.id));
        let heard = Instant::now();
        for fields in entries.iter().filter_map(|entry| entry.fields.as_ref()) {
            let Some(member) = fields.text("member") else { continue };
            if fields.text("state") == Some("gone") {
                self.heard.remove(member);
            } else {
                self.heard.insert(member.to_owned(), heard);
            }
        }
        self.heard.retain(|_, at| at.elapsed() < self.lifetime);
        Ok(self.heard.keys().cloned().collect())
    }

    /// Says that this one is not there any more.
    pub(super) async fn leave(&self) -> Result<(), Error> {
        self.say("gone").await.map(drop)
    }

    async fn say(&self, state: &str) -> Result<EntryId, Error> {
        let mut add = cmd("XADD");
        add.arg(&self.key);
        let oldest = self.last.ms.saturating_sub(milliseconds(self.lifetime * 2));
        if oldest > 0 {
            add.arg("MINID").arg("=").arg(oldest);
        }
        add.arg(&["*", "member", &*self.token, "state", state]);
        let answer = self.millstream.run(&add).await?;
        reply::id(&answer).map_err(NotUnderstood::of("XADD"))
    }
}

/// How many of the partitions this one may have: as many as any other, or one more for the first
/// ones by name. All of them together may have all.
pub(super) fn share(partitions: usize, members: &BTreeSet<String>, token: &str) -> usize {
    let count = members.len().max(1);
    let place = members.iter().position(|member| member == token).unwrap_or(count - 1);
    partitions / count + usize::from(place < partitions % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_make_up_the_whole() {
        for count in 1..=20 {
            let members: BTreeSet<String> = (0..count).map(|n| format!("m{n}")).collect();
            for partitions in [1, 2, 7, 16, 64] {
                let shares: Vec<usize> =
                    members.iter().map(|member| share(partitions, &members, member)).collect();
                assert_eq!(shares.iter().sum::<usize>(), partitions);
                let (least, most) = (shares.iter().min(), shares.iter().max());
                assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1));
            }
        }
        assert_eq!(share(16, &BTreeSet::new(), "m"), 16, "nobody else is there");
    }
}
