//! What a group is doing.

use std::time::Duration;

use millstream::{Error, GroupStart, ServerMonitor};

use crate::place::{GROUP, Place, until};

pub(crate) async fn statistics_and_what_is_stuck(place: Place) {
    let monitor = place.monitor();
    place.manager().create(GROUP, GroupStart::First).await.expect("makes it");
    assert_eq!(monitor.statistics("nobody").await.expect("an answer"), None);
    let ids = place.add(0..8).await;
    let quiet = monitor.statistics(GROUP).await.expect("an answer").expect("a group");
    assert_eq!((quiet.pending.total, quiet.pending.first, quiet.oldest_age), (0, None, None));
    let _: redis::Value = place.raw("XREADGROUP GROUP {g} a COUNT 3 STREAMS {s} >").await;
    let _: redis::Value = place.raw("XREADGROUP GROUP {g} b COUNT 2 STREAMS {s} >").await;

    let found = monitor.statistics(GROUP).await.expect("an answer").expect("a group");
    assert_eq!((found.group.pending, found.group.lag), (5, Some(3)));
    assert_eq!(found.pending.total, 5);
    assert_eq!((found.pending.first, found.pending.last), (Some(ids[0]), Some(ids[4])));
    let consumers: Vec<_> = found.consumers.iter().map(|c| (&*c.name, c.pending)).collect();
    assert_eq!(consumers, [("a", 3), ("b", 2)]);
    assert!(found.oldest_age.is_some_and(|age| age < Duration::from_mins(1)));
    let table = found.to_string();
    for line in ["Consumer Group: workers", "Pending messages: 5", "Active consumers: 2", "  a:"] {
        assert!(table.contains(line), "{line} is missing in\n{table}");
    }

    let none = monitor.stuck(GROUP, Duration::from_mins(5), 100).await.expect("an answer");
    assert_eq!(none, []);
    let min_idle = Duration::from_millis(50);
    until("all are stuck", async || {
        monitor.stuck(GROUP, min_idle, 100).await.is_ok_and(|stuck| stuck.len() == 5)
    })
    .await;
    let some = monitor.stuck(GROUP, min_idle, 4).await.expect("an answer");
    assert_eq!(some.iter().map(|stuck| stuck.id).collect::<Vec<_>>(), ids[..4]);
    assert_eq!((&*some[3].consumer, some[3].deliveries), ("b", 1));
    assert!(some[3].idle >= min_idle);
}

pub(crate) async fn servers_tell_of_themselves_their_settings_and_their_time(place: Place) {
    let servers = ServerMonitor::all(&place.millstream).await.expect("servers");
    assert!(!servers.is_empty());
    for server in servers {
        let info = server.info().await.expect("facts");
        if info.get("redis_version").is_none() {
            // A store within this process is no server, and has little to tell.
            assert!(info.get("millstream_version").is_some());
            assert!(matches!(server.settings("save").await, Err(Error::Refused { .. })));
            server.time().await.expect("a time");
            continue;
        }
        assert!(info.count("used_memory") > Some(0));
        assert_eq!((info.get("no such fact"), info.count("redis_mode")), (None, None));
        let settings = match server.settings("maxmemory-polic?").await {
            Ok(settings) => settings,
            // Some users of the tests may do no more than workers have to.
            Err(Error::Refused { code, .. }) if code == "NOPERM" => continue,
            Err(error) => panic!("{error}"),
        };
        let settings: Vec<_> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(settings, [("maxmemory-policy", "noeviction")]);
        assert_eq!(server.settings("no-such-setting").await.expect("none").len(), 0);
        let time = server.time().await.expect("a time");
        let now = std::time::SystemTime::now();
        let off = time.duration_since(now).unwrap_or_else(|behind| behind.duration());
        assert!(off < Duration::from_mins(1), "the clock of this machine: {off:?}");
    }
}
