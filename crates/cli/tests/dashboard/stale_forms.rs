//! Forms that were loaded before somebody else changed what they show.

use redis::Value;

use crate::site::{Answer, Browser, Site};

/// Sends the form of a page as a browser does that was left at it: all fields as they were shown,
/// but for those that its visitor changed.
#[track_caller]
fn send(browser: &Browser, page: &Answer, action: &str, changed: &[(&str, &str)]) -> Answer {
    let value = |behind: &str| {
        let (_, value) = behind.split_once("value=\"").expect("it has a value");
        value.split('"').next().unwrap_or_default().to_owned()
    };
    let (_, token) = page.text.split_once("name=\"token\" ").expect("the page has a form");
    let mut fields = vec![("token".to_owned(), value(token))];
    for behind in page.text.split("name=\"was_").skip(1) {
        let (name, behind) = behind.split_once('"').expect("the name ends");
        let shown = value(behind);
        let now = changed.iter().find(|(of, _)| *of == name).map_or(&*shown, |(_, new)| *new);
        fields.push((name.to_owned(), now.to_owned()));
        fields.push((format!("was_{name}"), shown));
    }
    assert!(fields.len() > 10, "all that the form has: {fields:?}");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let sent = browser.post(action, &fields);
    assert_eq!(sent.status, 303, "{}", sent.text);
    browser.get(sent.header("location"))
}

/// Symptom: whoever changed one limit in a page that was open for a while took back the others to
/// what they had been then, and entries were gone.
#[test]
fn a_limit_that_somebody_raised_meanwhile_stays_and_so_do_entries() {
    let site = Site::start(&["--admin-write"]);
    let page = "/streams/orders";
    site.redis("XADD orders 1-1 f v");
    site.redis("XCFGSET orders MAXLEN 2");
    let old = site.get(page);
    site.redis("XCFGSET orders MAXLEN 4");
    (2..=4).for_each(|id| _ = site.redis(&format!("XADD orders {id}-1 f v")));
    let retention = format!("{page}/retention");
    let done = send(&site, &old, &retention, &[("maxbytes", "1gb")]).words();
    assert!(done.contains("What it keeps was changed."), "{done}");
    assert!(done.contains("maxlen 4 maxage - maxbytes 1.00 GiB retain all"), "{done}");
    assert_eq!(site.redis("XLEN orders"), Value::Int(4));
    let untouched = send(&site, &old, &retention, &[]).words();
    assert!(untouched.contains("Nothing was changed"), "{untouched}");
    assert!(untouched.contains("maxlen 4 maxage - maxbytes 1.00 GiB"), "{untouched}");
    // What they did change is what they want, whatever it is by now.
    let done = send(&site, &old, &retention, &[("maxlen", "3")]).words();
    assert!(done.contains("maxlen 3 maxage - maxbytes 1.00 GiB"), "{done}");
}

/// Symptom: the same of the policy of a group.
#[test]
fn an_item_of_a_policy_that_somebody_changed_meanwhile_stays() {
    let site = Site::start(&["--admin-write"]);
    site.redis("XGROUP CREATE orders billing 0 MKSTREAM");
    let page = "/streams/orders/groups/billing";
    let policy = format!("{page}/policy");
    let old = site.get(page);
    // A form with one field says nothing of the others.
    site.submit(page, &policy, &[("visibility", "30s")]);
    site.submit(page, &policy, &[("consumer_deletion", "release")]);
    let done = send(&site, &old, &policy, &[("max_deliveries", "5")]).words();
    assert!(done.contains("The policy was changed"), "{done}");
    assert!(done.contains("visibility 30s max deliveries 5"), "{done}");
    let now = site.get(page).text;
    assert!(now.contains("name=\"was_consumer_deletion\" value=\"release\""), "{now}");
}
