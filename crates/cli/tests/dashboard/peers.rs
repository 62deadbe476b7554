//! The same pages and forms for servers of others, by `millstream dashboard`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use millstream_conformance::{Program, Server, Value};
use ureq::Agent;

/// A server of others, its dashboard, a visitor.
struct Place {
    server: Server,
    dashboard: Child,
    url: String,
    agent: Agent,
}

impl Place {
    /// `None`: there is no such server here.
    fn start(name: &str) -> Option<Self> {
        let server = Server::start(&Program::peer(name).expect("a peer")?).expect("it starts");
        let mut dashboard = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(["dashboard", "--port", "0", "--write", "--json"])
            .args(["--url", &format!("redis://127.0.0.1:{}", server.port())])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary of this package starts");
        let stdout = dashboard.stdout.take().expect("it was asked to be a pipe");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("it says where it is");
        let said: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let url = said["url"].as_str().expect("its address").to_owned();
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build();
        Some(Self { server, dashboard, url, agent: agent.into() })
    }

    fn redis(&self, line: &str) -> Value {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.server.connect().expect("it accepts").call(&words).expect("it answers")
    }

    #[track_caller]
    fn get(&self, path: &str) -> String {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().expect("it answers");
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        answer.body_mut().read_to_string().expect("it is text")
    }

    /// As somebody who fills in a form of `page`; returns what is said afterwards.
    #[track_caller]
    fn submit(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> String {
        let form = self.get(page);
        let (_, token) = form.split_once("name=\"token\" value=\"").expect("the page has a form");
        let token = token.split('"').next().unwrap_or_default();
        let fields = [&[("token", token)], fields].concat();
        let sent = self.agent.post(format!("{}{action}", self.url)).send_form(fields);
        let sent = sent.expect("it answers");
        assert_eq!(sent.status().as_u16(), 303, "{action}");
        let to = sent.headers().get("location").expect("it leads somewhere");
        let page = self.get(to.to_str().expect("a path"));
        let (_, notice) = page.split_once("role=\"status\">").expect("something is told");
        // The first of that role says how live the page is.
        let notice = notice.split_once("role=\"status\">").map_or(notice, |(_, notice)| notice);
        notice.split('<').next().unwrap_or_default().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.dashboard.kill();
        let _ = self.dashboard.wait();
    }
}

fn entries_are_settled(place: &Place) {
    for id in 1..=5 {
        place.redis(&format!("XADD orders {id}-1 n {id}"));
    }
    place.redis("XGROUP CREATE orders billing 0");
    place.redis("XREADGROUP GROUP billing ada COUNT 4 STREAMS orders >");
    let group = "/streams/orders/groups/billing";
    let pending = format!("{group}/pending");
    let settle = format!("{pending}/settle");
    let named = |fields: &[(&str, &str)]| {
        let fields = [&[("which", "ticked"), ("id", "1-1"), ("id", "2-1")], fields].concat();
        place.submit(&pending, &settle, &fields)
    };
    assert_eq!(named(&[("what", "claim"), ("to", "bob")]), "2 entries were claimed for bob.");
    let given = named(&[("what", "give-back"), ("mode", "silent")]);
    assert_eq!(given, "2 entries were given back.");
    // What looks as if it were idle for a year is found by that.
    assert!(place.get(&format!("{pending}?idle=300d")).contains(">1-1</a>"));
    let refused = named(&[("what", "give-back"), ("delay", "1s")]);
    assert!(refused.contains("has no delays of pending entries"), "{refused}");
    assert!(!place.get(&pending).contains("name=\"delay\""), "it is not offered either");
    assert_eq!(named(&[("what", "acknowledge")]), "2 entries were acknowledged.");
    let all = [("what", "claim"), ("to", "carl"), ("until", "9-9")];
    let done = place.submit(&pending, &format!("{pending}/all"), &all);
    assert_eq!(done, "2 entries were claimed for carl.");
    let entry = place.get("/streams/orders/entries/3-1");
    assert!(entry.contains(">pending<") && entry.contains(">carl<"), "{entry}");
}

fn streams_and_groups_are_changed(place: &Place) {
    let (page, group) = ("/streams/orders", "/streams/orders/groups/billing");
    let stream = place.get(page);
    for missing in ["Change what it keeps", "name=\"delay\""] {
        assert!(!stream.contains(missing), "{missing}");
    }
    let fields = [("name", "n"), ("value", "6"), ("id", "6-1")];
    assert_eq!(place.submit(page, &format!("{page}/add"), &fields), "Entry 6-1 was added.");
    let trim = [("by", "maxlen"), ("value", "4")];
    assert_eq!(place.submit(page, &format!("{page}/trim"), &trim), "2 entries were removed.");
    let refused = place.submit(page, &format!("{page}/retention"), &[("maxlen", "1")]);
    assert!(refused.contains("has no retention of streams"), "{refused}");
    let new = [("group", "audit"), ("start", "$")];
    assert_eq!(place.submit(page, &format!("{page}/groups"), &new), "Group audit was created.");
    assert!(place.get(&format!("{group}/set-id?to=0")).contains("2 entries would be delivered"));
    let carl = format!("{group}/consumers/carl");
    let heir = [("pending", "heir"), ("heir", "dora")];
    let done = place.submit(&carl, &carl, &heir);
    assert_eq!(done, "Consumer carl was deleted; 2 entries went to dora.");
    let typed = [("typed", "billing")];
    let done = place.submit(group, &format!("{group}/destroy"), &typed);
    assert_eq!(done, "Group billing was destroyed.");
    let done = place.submit(page, &format!("{page}/delete"), &[("typed", "orders")]);
    assert_eq!(done, "Stream orders was deleted, with 4 entries.");
}

#[test]
fn on_redis_and_valkey_entries_are_settled_and_streams_changed() {
    for name in ["redis-8.2", "valkey-9.1"] {
        let Some(place) = Place::start(name) else { continue };
        entries_are_settled(&place);
        streams_and_groups_are_changed(&place);
    }
}
