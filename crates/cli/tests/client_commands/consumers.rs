//! `millstream consumer`.

use serde_json::json;

use crate::on_all_servers;
use crate::place::Place;
use crate::shown::{shown, shown_json};

on_all_servers!(consumers_are_listed, what_a_deleted_consumer_had_goes_to_others);

fn group_with_two(place: &Place) {
    for id in 1..=5 {
        place.redis(&format!("XADD orders {id}-1 order_id {id}"));
    }
    place.redis("XGROUP CREATE orders billing 0");
    place.redis("XREADGROUP GROUP billing ada COUNT 3 STREAMS orders >");
    place.redis("XGROUP CREATECONSUMER orders billing bob");
}

fn consumers_are_listed(place: &Place) {
    group_with_two(place);
    let text = "CONSUMER  PENDING  IDLE  INACTIVE\nada  3  TIME  TIME\nbob  0  TIME  -\n";
    assert_eq!(shown(&place.run("consumer ls orders billing").success()), text);
    assert_eq!(
        shown_json(place.run("consumer ls orders billing --json").json()),
        json!({"consumers": [
            {"consumer": "ada", "pending": 3, "idle_ms": "N", "inactive_ms": "N"},
            {"consumer": "bob", "pending": 0, "idle_ms": "N", "inactive_ms": null},
        ]})
    );
    place.redis("XGROUP CREATE orders idle 0");
    let none = place.run("consumer ls orders idle");
    assert_eq!(none.stderr, "millstream: the group idle of stream orders has no consumers\n");
    assert_eq!((none.code, &*none.stdout), (Some(0), ""));
    let missing = place.run("consumer ls orders none").failure(1);
    assert!(missing.contains("has no group none\n  next: "), "{missing}");
    let missing = place.run("consumer ls none billing").failure(1);
    assert!(missing.contains("there is no stream none at "), "{missing}");
}

fn what_a_deleted_consumer_had_goes_to_others(place: &Place) {
    group_with_two(place);
    let delete = |options: &str| place.run(&format!("consumer delete orders billing {options}"));
    let pending = |consumer: &str| {
        let all = place.run("consumer ls orders billing --json").json();
        let all = all["consumers"].as_array().expect("a list").clone();
        all.into_iter().find(|it| it["consumer"] == consumer).map(|it| it["pending"].clone())
    };
    assert!(delete("none").failure(1).contains("has no consumer none\n  next: "));
    delete("ada --heir ada").failure(2);
    delete("ada --heir bob --discard").failure(2);

    let text = "consumer ada of group billing was deleted: 3 entries went to bob\n";
    assert_eq!(delete("ada").success(), text);
    assert_eq!((pending("ada"), pending("bob")), (None, Some(json!(3))));
    let alone = delete("bob").failure(1);
    assert!(alone.contains("consumer bob has 3 entries pending"), "{alone}");
    assert!(alone.contains("--heir") && alone.contains("--discard"), "{alone}");
    let document = delete("bob --heir new:one --json").json();
    assert_eq!(
        document,
        json!({
            "stream": "orders", "group": "billing", "consumer": "bob", "pending": 3,
            "outcome": "handed_on", "heir": "new:one",
        })
    );
    // An entry that is gone takes its record with it.
    place.redis("XDEL orders 2-1");
    place.redis("XGROUP CREATECONSUMER orders billing cid");
    let text = "consumer new:one of group billing was deleted: 2 entries went to cid\n";
    assert_eq!(delete("new:one").success(), text);
    let text = "consumer cid of group billing was deleted: 2 entries went with it\n";
    assert_eq!(delete("cid --discard").success(), text);
    place.redis("XGROUP CREATECONSUMER orders billing last");
    let text = "consumer last of group billing was deleted: it had nothing pending\n";
    assert_eq!(delete("last").success(), text);

    if place.is_millstream() {
        place.redis("XGROUP CFGSET orders billing VISIBILITY 60000");
        place.redis("XREADGROUP GROUP billing ada COUNT 1 STREAMS orders >");
        assert_eq!(
            delete("ada --json").json(),
            json!({
                "stream": "orders", "group": "billing", "consumer": "ada", "pending": 1,
                "outcome": "released", "heir": null,
            })
        );
    }
}
