//! Groups of a stream: made, moved, looked at, removed.

use bytes::Bytes;
use redis::{Cmd, Value, cmd, pipe};

use crate::reply::{Facts, NotUnderstood};
use crate::{
    ConsumerDeletion, ConsumerInfo, Error, GroupInfo, GroupPolicy, GroupStart, Millstream,
    PolicyItem, reply,
};

/// Entries of a deleted consumer that are handed on at once.
const HANDED_ON_AT_ONCE: usize = 500;

/// Hands some entries on and removes the consumer if it has no others, in one step. What is handed
/// on is neither delivered nor younger than before.
const HAND_ON: &str = "\
local rows = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
local count = 0
for _, row in ipairs(rows) do
  local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, row[1],
    'IDLE', math.max(row[3], 0), 'JUSTID')
  count = count + #claimed
end
if #rows < tonumber(ARGV[4]) then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
  return {count, 1}
end
return {count, 0}";

/// Manages the consumer groups of one stream.
///
/// What it changes is as safe as the server makes a write before it answers; on Millstream, by
/// default, on disk. After [`Error::Connection`], or dropped while it waits, a change was made or
/// not; each can be tried again.
#[derive(Clone, Debug)]
pub struct ConsumerGroupManager {
    millstream: Millstream,
    stream: Bytes,
}

impl ConsumerGroupManager {
    /// For a stream, which need not be there yet.
    #[must_use]
    pub fn new(millstream: &Millstream, stream: impl AsRef<[u8]>) -> Self {
        let stream = Bytes::copy_from_slice(stream.as_ref());
        Self { millstream: millstream.clone(), stream }
    }

    /// Key of the stream.
    #[must_use]
    pub fn stream(&self) -> &[u8] {
        &self.stream
    }

    /// The same for consumers, who know streams whose keys are text.
    pub(crate) fn stream_text(&self) -> Result<&str, Error> {
        let text = || "consumers are for streams whose keys are UTF-8".to_owned();
        std::str::from_utf8(&self.stream).map_err(|_| Error::Configuration(text()))
    }

    pub(crate) fn millstream(&self) -> &Millstream {
        &self.millstream
    }

    /// Makes a group, and the stream if it is not there. Returns whether the group is new: one
    /// that is there stays as it is.
    ///
    /// # Errors
    /// Those of the server: `WRONGTYPE` if the key is no stream.
    pub async fn create(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
        start: GroupStart,
    ) -> Result<bool, Error> {
        self.create_with(group, start, true).await
    }

    /// The same, and without `makes_stream` an error if the stream is not there.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn create_with(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
        start: GroupStart,
        makes_stream: bool,
    ) -> Result<bool, Error> {
        let group = group.as_ref();
        let mut command = self.group_command("CREATE", group);
        command.arg(start.to_word());
        if makes_stream {
            command.arg("MKSTREAM");
        }
        match self.millstream.run(&command).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_busy_group() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a group with its consumers and everything that they have not acknowledged. Returns
    /// whether it was there.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn destroy(&self, group: &(impl AsRef<[u8]> + ?Sized)) -> Result<bool, Error> {
        let group = group.as_ref();
        let answer = self.millstream.run(&self.group_command("DESTROY", group)).await?;
        Ok(reply::integer(&answer).map_err(NotUnderstood::of("XGROUP DESTROY"))? > 0)
    }

    /// Moves a group: what comes after that entry is handed out next, again if need be. What is
    /// pending stays so.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn set_id(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
        start: GroupStart,
    ) -> Result<(), Error> {
        let group = group.as_ref();
        let mut command = self.group_command("SETID", group);
        command.arg(start.to_word());
        self.millstream.run(&command).await.map(drop)
    }

    /// Removes a consumer. What it has and has not acknowledged is handed to `heir` first, who
    /// finds it in its history at its next start, or loses it to whoever claims what is idle.
    /// Returns how many entries those were; records of entries that are gone go, too.
    ///
    /// On Millstream a managed group keeps them by itself (DELCONSUMER RELEASE), and anybody gets
    /// them: the heir has nothing to do. Elsewhere a script hands them on, some at a time, and the
    /// last of them in one step with the removal. Without scripts they are claimed before. What it
    /// takes between the last claim and its removal is left to anybody on Millstream; on others
    /// that forbid scripts it is lost, so stop it first.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server. [`Error::Configuration`]: it is its own heir.
    pub async fn delete_consumer(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
        consumer: &(impl AsRef<[u8]> + ?Sized),
        heir: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<u64, Error> {
        let (group, consumer, heir) = (group.as_ref(), consumer.as_ref(), heir.as_ref());
        if consumer == heir {
            let name = String::from_utf8_lossy(consumer);
            let text = format!("consumer {name} cannot inherit from itself");
            return Err(Error::Configuration(text));
        }
        let abilities = self.millstream.abilities();
        let policy = match abilities.has_policies {
            true => Some(self.policy(group).await?),
            false => None,
        };
        if policy.as_ref().is_some_and(GroupPolicy::releases_entries) {
            return self.drop_consumer(group, consumer).await;
        }
        if abilities.has_scripts {
            return self.hand_on(group, consumer, heir).await;
        }
        let mut handed_on = 0;
        loop {
            let mut pending = cmd("XPENDING");
            pending.arg(&self.stream[..]).arg(group).arg(&["-", "+"]);
            pending.arg(HANDED_ON_AT_ONCE).arg(consumer);
            let rows = reply::pending_rows(self.millstream.run(&pending).await?)
                .map_err(NotUnderstood::of("XPENDING"))?;
            if rows.is_empty() {
                break;
            }
            let mut claim = cmd("XCLAIM");
            claim.arg(&self.stream[..]).arg(group).arg(heir).arg("0");
            for row in &rows {
                claim.arg(row.id);
            }
            // Neither a delivery nor a reason to wait longer: the idle time goes on.
            let idle_ms = rows.iter().map(|row| row.idle_ms).max().unwrap_or(0);
            claim.arg("IDLE").arg(idle_ms).arg("JUSTID");
            let claimed = reply::ids(self.millstream.run(&claim).await?);
            handed_on += claimed.map_err(NotUnderstood::of("XCLAIM"))?.len() as u64;
        }
        match policy {
            Some(policy) => handed_on += self.release_consumer(group, consumer, &policy).await?,
            None => _ = self.drop_consumer(group, consumer).await?,
        }
        Ok(handed_on)
    }

    /// Removes a consumer of a group that would take its entries with it, in one step: they stay,
    /// without an owner. Returns how many entries those were.
    async fn release_consumer(
        &self,
        group: &[u8],
        consumer: &[u8],
        policy: &GroupPolicy,
    ) -> Result<u64, Error> {
        let set = |deletion: &str| {
            let mut command = self.group_command("CFGSET", group);
            command.arg(&["DELCONSUMER", deletion]);
            command
        };
        let mut delete = self.group_command("DELCONSUMER", group);
        delete.arg(consumer);
        let is_dropped = policy.consumer_deletion == Some(ConsumerDeletion::Drop);
        let mut all = pipe();
        all.atomic().add_command(set("RELEASE")).add_command(delete);
        all.add_command(set(if is_dropped { "DROP" } else { "NONE" }));
        let answers = self.millstream.backend().run_all(&all).await?;
        let count = answers.get(1).ok_or(Error::Answer("XGROUP DELCONSUMER"))?;
        reply::count(count).map_err(NotUnderstood::of("XGROUP DELCONSUMER"))
    }

    async fn hand_on(&self, group: &[u8], consumer: &[u8], heir: &[u8]) -> Result<u64, Error> {
        let mut script = cmd("EVAL");
        script.arg(HAND_ON).arg(1).arg(&self.stream[..]);
        script.arg(group).arg(consumer).arg(heir).arg(HANDED_ON_AT_ONCE);
        let mut handed_on = 0;
        loop {
            let answer = reply::array(self.millstream.run(&script).await?);
            let answer = answer.map_err(NotUnderstood::of("EVAL"))?;
            let [count, is_all] = &answer[..] else { return Err(Error::Answer("EVAL")) };
            handed_on += reply::count(count).map_err(NotUnderstood::of("EVAL"))?;
            if *is_all == Value::Int(1) {
                return Ok(handed_on);
            }
        }
    }

    /// What the group does by itself.
    ///
    /// # Errors
    /// [`Error::Unsupported`]: only Millstream has policies. [`Error::NoGroup`], and those of the
    /// server.
    pub async fn policy(&self, group: &(impl AsRef<[u8]> + ?Sized)) -> Result<GroupPolicy, Error> {
        let group = group.as_ref();
        self.need_policies()?;
        let answer = match self.millstream.run(&self.group_command("CFGGET", group)).await {
            Err(error) if error.is_forbidden_command() => return self.shown_policy(group).await,
            other => other?,
        };
        GroupPolicy::parse(answer).map_err(NotUnderstood::of("XGROUP CFGGET"))
    }

    /// The policy as whoever may look at groups sees it: XGROUP is for those who change them.
    async fn shown_policy(&self, group: &[u8]) -> Result<GroupPolicy, Error> {
        let found = self.groups().await?.into_iter().find(|info| info.name_bytes == group);
        let none = || Error::NoGroup(format!("there is no group {}", group.escape_ascii()));
        Ok(found.ok_or_else(none)?.managed.map(|managed| managed.policy).unwrap_or_default())
    }

    /// Sets all of the policy, in one step; what is `None` there is unset.
    ///
    /// # Errors
    /// [`Error::Configuration`]: a value makes no sense. [`Error::Unsupported`],
    /// [`Error::NoGroup`], and those of the server; nothing was changed then.
    pub async fn set_policy(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
        policy: &GroupPolicy,
    ) -> Result<(), Error> {
        let group = group.as_ref();
        self.need_policies()?;
        policy.check().map_err(Error::Configuration)?;
        let mut command = self.group_command("CFGSET", group);
        policy.all_items(&mut command);
        self.millstream.run(&command).await.map(drop)
    }

    /// Sets some items of the policy, in one step; the others stay as they are.
    ///
    /// # Errors
    /// As those of [`Self::set_policy`].
    pub async fn change_policy(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
        items: &[PolicyItem],
    ) -> Result<(), Error> {
        self.need_policies()?;
        if items.is_empty() {
            return Err(Error::Configuration("there is no item of a policy to set".to_owned()));
        }
        for item in items {
            item.check().map_err(Error::Configuration)?;
        }
        let mut command = self.group_command("CFGSET", group.as_ref());
        items.iter().for_each(|item| item.append_to(&mut command));
        self.millstream.run(&command).await.map(drop)
    }

    /// The group hands out nothing until [`Self::resume`]; what is in work goes on.
    ///
    /// # Errors
    /// As those of [`Self::set_policy`].
    pub async fn pause(&self, group: &(impl AsRef<[u8]> + ?Sized)) -> Result<(), Error> {
        self.set_paused(group.as_ref(), true).await
    }

    /// Ends [`Self::pause`].
    ///
    /// # Errors
    /// As those of [`Self::set_policy`].
    pub async fn resume(&self, group: &(impl AsRef<[u8]> + ?Sized)) -> Result<(), Error> {
        self.set_paused(group.as_ref(), false).await
    }

    async fn set_paused(&self, group: &[u8], is_paused: bool) -> Result<(), Error> {
        self.change_policy(group, &[PolicyItem::Paused(is_paused)]).await
    }

    fn need_policies(&self) -> Result<(), Error> {
        self.millstream.need(self.millstream.abilities().has_policies, "group policies")
    }

    /// Removes a consumer **with what it has not acknowledged**, as `XGROUP DELCONSUMER` does: on
    /// Redis and Valkey nobody gets that any more. Returns how many entries those were.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn drop_consumer(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
        consumer: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<u64, Error> {
        let (group, consumer) = (group.as_ref(), consumer.as_ref());
        let mut command = self.group_command("DELCONSUMER", group);
        command.arg(consumer);
        let answer = self.millstream.run(&command).await?;
        reply::count(&answer).map_err(NotUnderstood::of("XGROUP DELCONSUMER"))
    }

    /// All groups of the stream, by name.
    ///
    /// # Errors
    /// Those of the server: `ERR no such key` if there is no stream.
    pub async fn groups(&self) -> Result<Vec<GroupInfo>, Error> {
        let answer = self.millstream.run(cmd("XINFO").arg("GROUPS").arg(&self.stream[..])).await?;
        let all = Facts::list(answer).and_then(|all| all.iter().map(GroupInfo::parse).collect());
        let mut groups: Vec<GroupInfo> = all.map_err(NotUnderstood::of("XINFO GROUPS"))?;
        groups.sort_by(|a, b| a.name_bytes.cmp(&b.name_bytes));
        Ok(groups)
    }

    /// All consumers of a group, by name.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn consumers(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<Vec<ConsumerInfo>, Error> {
        let mut command = cmd("XINFO");
        command.arg("CONSUMERS").arg(&self.stream[..]).arg(group.as_ref());
        let answer = self.millstream.run(&command).await?;
        let all = Facts::list(answer);
        let all = all.and_then(|all| all.iter().map(ConsumerInfo::parse).collect());
        let mut consumers: Vec<ConsumerInfo> = all.map_err(NotUnderstood::of("XINFO CONSUMERS"))?;
        consumers.sort_by(|a, b| a.name_bytes.cmp(&b.name_bytes));
        Ok(consumers)
    }

    fn group_command(&self, action: &str, group: &[u8]) -> Cmd {
        cmd("XGROUP").arg(action).arg(&self.stream[..]).arg(group).to_owned()
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Symptom: what a consumer took between the last claim and its removal was gone.
    #[tokio::test]
    async fn what_a_deleted_consumer_took_at_the_last_moment_stays() {
        let millstream = Millstream::in_memory().expect("a store");
        let manager = ConsumerGroupManager::new(&millstream, "s");
        for deletion in [None, Some(ConsumerDeletion::Drop)] {
            manager.create("g", GroupStart::First).await.expect("makes it");
            let policy = GroupPolicy { consumer_deletion: deletion, ..GroupPolicy::default() };
            manager.set_policy("g", &policy).await.expect("sets it");
            millstream.add("s", &BTreeMap::from([("n", "1")])).await.expect("adds it");
            let mut read = cmd("XREADGROUP");
            read.arg(&["GROUP", "g", "gone", "STREAMS", "s", ">"]);
            millstream.query(&read).await.expect("reads it");
            let released = manager.release_consumer(b"g", b"gone", &policy).await;
            assert!(released.expect("removes it") > 0);
            let pending = cmd("XPENDING").arg(&["s", "g", "-", "+", "9"]).to_owned();
            let rows = reply::pending_rows(millstream.query(&pending).await.expect("an answer"));
            assert!(rows.expect("rows").iter().all(|row| row.consumer.is_empty()));
            assert!(manager.consumers("g").await.expect("consumers").is_empty());
            assert_eq!(manager.policy("g").await.expect("a policy"), policy);
            assert!(manager.destroy("g").await.expect("removes it"));
        }
    }
}
