//! Commands that manage groups and consumers.

use super::group::{Group, Pending};
use super::policy::Settled;
use super::stream::Stream;
use super::waiters::Signal;
use super::{Answer, Object, Reference, reply};
use crate::command::OnGroups;
use crate::id::Id;
use millstream_resp::Value;

impl Reference {
    pub(super) fn on_groups(&mut self, command: &OnGroups, db: u8) -> Answer {
        let now_ms = self.now.steady_ms;
        match command {
            OnGroups::Create { key, group, at, make_stream, read } => {
                self.create_group(db, key, group, *at, *make_stream, *read)
            }
            OnGroups::SetPosition { key, group, at, read } => {
                let stream = self.managed(db, key, group)?;
                let (position, added) = (at.unwrap_or(stream.last_id), stream.added);
                let group = self.group_mut(db, key, group);
                group.position = position;
                group.read = read.map(|read| read.min(added));
                Ok(reply::ok())
            }
            OnGroups::Destroy(key, group) => {
                if self.stream(db, key)?.is_none() {
                    return Err(reply::group_needs_key());
                }
                let removed = self.stream_mut(db, key).groups.remove(group).is_some();
                if removed {
                    self.signal(Signal::Gone(db, key.clone()));
                }
                Ok(reply::int(u64::from(removed)))
            }
            OnGroups::CreateConsumer(key, group, consumer) => {
                self.managed(db, key, group)?;
                let is_new = self.group_mut(db, key, group).create_consumer(consumer, now_ms);
                Ok(reply::int(u64::from(is_new)))
            }
            OnGroups::DeleteConsumer(key, name, consumer) => {
                self.managed(db, key, name)?;
                let group = self.group_mut(db, key, name);
                let owned = group.owned(consumer);
                if group.policy.is_managed() && group.policy.drops != Some(true) && owned > 0 {
                    let own: Vec<Pending> = group.by_id().into_iter().cloned().collect();
                    for pending in own.into_iter().filter(|p| p.owner.as_ref() == Some(consumer)) {
                        group.set(Pending { owner: None, at_ms: 0, ..pending });
                    }
                    self.signal(Signal::Released(db, key.clone()));
                }
                let group = self.group_mut(db, key, name);
                group.consumers.remove(consumer);
                for id in group.ids_of(consumer) {
                    group.remove(id, Settled::Dropped);
                }
                Ok(reply::int(owned as u64))
            }
            OnGroups::SetPolicy(key, group, change) => {
                self.managed(db, key, group)?;
                let group = self.group_mut(db, key, group);
                let before = group.policy.clone();
                let mut policy = before.clone();
                policy.visibility_ms = change.visibility_ms.unwrap_or(before.visibility_ms);
                policy.drops = change.drops.unwrap_or(before.drops);
                policy.is_paused = change.is_paused.unwrap_or(before.is_paused);
                if policy != before {
                    group.set_policy(policy);
                    self.signal(Signal::Rescheduled(db, key.clone()));
                }
                Ok(reply::ok())
            }
            OnGroups::Pending(..) | OnGroups::Groups(_) | OnGroups::Consumers(..) => {
                self.listing(command, db)
            }
            OnGroups::Ack(..)
            | OnGroups::AckDelete(..)
            | OnGroups::Nack { .. }
            | OnGroups::Claim(_)
            | OnGroups::AutoClaim(_) => self.on_pending(command, db),
        }
    }

    /// The group of a stream that was found to have it.
    pub(super) fn group_mut(&mut self, db: u8, key: &[u8], group: &[u8]) -> &mut Group {
        self.stream_mut(db, key).groups.get_mut(group).expect("the group was found")
    }

    fn managed(&mut self, db: u8, key: &[u8], group: &[u8]) -> Result<&Stream, Value> {
        match self.stream(db, key)? {
            None => Err(reply::group_needs_key()),
            Some(stream) if stream.groups.contains_key(group) => Ok(stream),
            Some(_) => Err(reply::no_group(key, group)),
        }
    }

    fn create_group(
        &mut self,
        db: u8,
        key: &[u8],
        name: &[u8],
        at: Option<Id>,
        make_stream: bool,
        read: Option<u64>,
    ) -> Answer {
        match self.stream(db, key)? {
            None if !make_stream => return Err(reply::group_needs_key()),
            None => self.state.put(db, key, Object::Stream(Stream::new()), None),
            Some(stream) if stream.groups.contains_key(name) => {
                return Err(reply::error("BUSYGROUP Consumer Group name already exists"));
            }
            Some(_) => {}
        }
        let stream = self.stream_mut(db, key);
        let position = at.unwrap_or(stream.last_id);
        let read = read.map(|read| read.min(stream.added));
        stream.groups.insert(name.to_vec(), Group::new(position, read));
        Ok(reply::ok())
    }
}
