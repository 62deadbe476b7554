//! How many messages a worker has at once.
//!
//! Who waits for one place is served before the reader, which waits for as many as are worth a
//! read: a message whose next try has come does not wait until half of the others are done.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

#[derive(Debug)]
pub(super) struct Room(Arc<Places>);

#[derive(Debug)]
struct Places {
    free: Semaphore,
    freed: Notify,
}

/// Of one message. Free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// `None`: it is given back with others.
    room: Option<Arc<Places>>,
}

impl Places {
    fn add(&self, places: usize) {
        self.free.add_permits(places);
        self.freed.notify_one();
    }
}

impl Room {
    pub(super) fn new(places: usize) -> Self {
        Self(Arc::new(Places { free: Semaphore::new(places), freed: Notify::new() }))
    }

    pub(super) fn add(&self, places: usize) {
        self.0.add(places);
    }

    pub(super) fn free(&self) -> usize {
        self.0.free.available_permits()
    }

    pub(super) async fn place(&self) -> Place {
        self.of(self.0.free.acquire().await.expect("it is never closed"))
    }

    /// One that is free, and that nobody waits for.
    pub(super) fn try_place(&self) -> Option<Place> {
        self.0.free.try_acquire().ok().map(|permit| self.of(permit))
    }

    /// A place holds one reference to all of this, where an owned permit would hold one more.
    fn of(&self, permit: SemaphorePermit<'_>) -> Place {
        permit.forget();
        Place { room: Some(Arc::clone(&self.0)) }
    }

    /// Waits until so many are free; others may take some of them at once. For one that waits.
    pub(super) async fn wait_for(&self, wanted: usize) {
        while self.free() < wanted {
            // One that became free since is noted there.
            self.0.freed.notified().await;
        }
    }
}

impl Place {
    /// Gives back several of one room at once.
    pub(super) fn free_all(all: impl Iterator<Item = Self>) {
        let mut rooms = all.filter_map(|mut place| place.room.take());
        if let Some(room) = rooms.next() {
            room.add(1 + rooms.count());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(room) = &self.room {
            room.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_many_does_not_hold_up_who_waits_for_one() {
        let room = Arc::new(Room::new(3));
        let mut taken = vec![room.place().await, room.place().await, room.place().await];
        let reader = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.wait_for(2).await }
        });
        tokio::task::yield_now().await;
        taken.pop();
        taken.push(room.place().await);
        assert!(!reader.is_finished());
        taken.truncate(1);
        reader.await.expect("two are free");
        assert_eq!(room.free(), 2);
    }
}
