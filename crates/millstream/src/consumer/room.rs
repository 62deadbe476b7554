//! How many messages a worker has at once.
//!
//! Who waits for one place is served before the reader, which waits for as many as are worth a
//! read: a message whose next try has come does not wait until half of the others are done.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    freed: Arc<Notify>,
}

/// Of one message. Free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Room {
    pub(super) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), freed: Arc::default() }
    }

    pub(super) fn add(&self, places: usize) {
        self.places.add_permits(places);
        self.freed.notify_one();
    }

    pub(super) fn free(&self) -> usize {
        self.places.available_permits()
    }

    pub(super) async fn place(&self) -> Place {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        let permit = Some(permit.expect("it is never closed"));
        Place { permit, freed: Arc::clone(&self.freed) }
    }

    /// Waits until so many are free; others may take some of them at once. For one that waits.
    pub(super) async fn wait_for(&self, wanted: usize) {
        while self.free() < wanted {
            // One that became free since is noted there.
            self.freed.notified().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.freed.notify_one();
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
