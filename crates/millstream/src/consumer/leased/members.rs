//! Who shares the partitions: a small stream in which each says again and again that it is there.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::cmd;

use crate::milliseconds::milliseconds;
use crate::reply::NotUnderstood;
use crate::{EntryId, Error, Millstream, reply};

/// Those of a group. Times are the server's alone, by the ids of its entries.
#[derive(Debug)]
pub(super) struct Members {
    millstream: Millstream,
    key: String,
    token: String,
    /// Who was not heard of for so long is not there.
    lifetime: Duration,
    last: EntryId,
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
        Self { millstream: millstream.clone(), key, token, lifetime, last: EntryId::ZERO }
    }

    /// Says that this one is there, and returns all who are.
    pub(super) async fn meet(&mut self) -> Result<BTreeSet<String>, Error> {
        let now = self.say("here").await?;
        self.last = now;
        let from = now.ms.saturating_sub(milliseconds(self.lifetime));
        let mut range = cmd("XRANGE");
        range.arg(&self.key).arg(from).arg("+");
        let answer = self.millstream.run(&range).await?;
        let entries = reply::entries(answer).map_err(NotUnderstood::of("XRANGE"))?;
        let mut members = BTreeSet::new();
        for fields in entries.iter().filter_map(|entry| entry.fields.as_ref()) {
            let Some(member) = fields.text("member") else { continue };
            if fields.text("state") == Some("gone") {
                members.remove(member);
            } else {
                members.insert(member.to_owned());
            }
        }
        Ok(members)
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
