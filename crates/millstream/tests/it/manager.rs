//! Groups and their consumers.

use millstream::{EntryId, Error, GroupStart};

use crate::place::{GROUP, Place};

pub(crate) async fn groups_are_made_moved_and_removed(place: Place) {
    let manager = place.manager();
    let refused = manager.create_with(GROUP, GroupStart::First, false).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert!(manager.create(GROUP, GroupStart::New).await.expect("makes both"));
    assert!(!manager.create(GROUP, GroupStart::First).await.expect("it is there"));
    let ids = place.add(0..5).await;
    assert!(manager.create("other", GroupStart::After(ids[1])).await.expect("makes it"));

    let groups = manager.groups().await.expect("groups");
    let names: Vec<&str> = groups.iter().map(|group| &*group.name).collect();
    assert_eq!(names, ["other", GROUP]);
    assert_eq!(groups[0].last_delivered, ids[1]);
    assert_eq!(groups[1].last_delivered, EntryId::ZERO);
    assert_eq!((groups[1].pending, groups[1].consumers, groups[1].lag), (0, 0, Some(5)));

    manager.set_id("other", GroupStart::First).await.expect("moves it");
    let missing = manager.set_id("third", GroupStart::First).await;
    assert!(matches!(missing, Err(Error::NoGroup(_))), "{missing:?}");
    let first = &manager.groups().await.expect("groups")[0];
    assert_eq!(first.last_delivered, EntryId::ZERO);

    let _: redis::Value = place.raw("XREADGROUP GROUP other c COUNT 2 STREAMS {s} >").await;
    let consumers = manager.consumers("other").await.expect("consumers");
    assert_eq!(consumers.len(), 1);
    assert_eq!((&*consumers[0].name, consumers[0].pending), ("c", 2));
    assert!(manager.destroy("other").await.expect("removes it"));
    assert!(!manager.destroy("other").await.expect("it is gone"));
    let missing = manager.consumers("other").await;
    assert!(matches!(missing, Err(Error::NoGroup(_))), "{missing:?}");
}

pub(crate) async fn what_a_deleted_consumer_has_goes_to_its_heir(place: Place) {
    let manager = place.manager();
    manager.create(GROUP, GroupStart::First).await.expect("makes it");
    let ids = place.add(0..250).await;
    let read = "XREADGROUP GROUP {g} gone COUNT 250 STREAMS {s} >";
    let _: redis::Value = place.raw(read).await;
    let refused = manager.delete_consumer(GROUP, "gone", "gone").await;
    assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    assert_eq!(manager.delete_consumer(GROUP, "gone", "heir").await.expect("deletes it"), 250);
    let consumers = manager.consumers(GROUP).await.expect("consumers");
    assert_eq!(consumers.len(), 1);
    assert_eq!((&*consumers[0].name, consumers[0].pending), ("heir", 250));
    let pending = place.monitor().pending(GROUP).await.expect("pending");
    assert_eq!((pending.first, pending.last), (Some(ids[0]), Some(ids[249])));
    assert_eq!(manager.drop_consumer(GROUP, "heir").await.expect("drops it"), 250);
    assert_eq!(place.pending().await, 0);
}
