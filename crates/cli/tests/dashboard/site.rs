//! A server with a dashboard, and what asks it.

use std::ops::Deref;
use std::time::{Duration, Instant};

use redis::Connection;
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::{HeaderMap, Response};

use crate::process::Process;

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A server, its dashboard, a visitor.
pub(crate) struct Site {
    pub(crate) process: Process,
    browser: Browser,
    _directory: TempDir,
}

/// A visitor of a dashboard.
pub(crate) struct Browser {
    /// `127.0.0.1:PORT` of the dashboard.
    pub(crate) host: String,
    agent: Agent,
}

/// What came back; redirects are not followed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Site {
    /// A server on disk.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let process = Process::start(|command| {
            command.arg("--dir").arg(directory.path()).args(["--admin-port", "0"]).args(arguments);
        });
        let mut lines = process.first_lines.iter();
        let host = lines.find_map(|line| line.split_once("dashboard on http://"));
        let host = host.expect("it says where the dashboard is").1.trim().to_owned();
        Self { process, browser: Browser::new(host), _directory: directory }
    }

    /// A connection to the server itself.
    pub(crate) fn connect(&self) -> Connection {
        let url = format!("redis://{}/", self.process.address);
        let client = redis::Client::open(url).expect("a well-formed URL");
        client.get_connection_with_timeout(LIMIT).expect("the server accepts")
    }

    /// Waits until the log of the server has said all of this since the last look. Returns what it
    /// has said.
    #[track_caller]
    pub(crate) fn log_says(&self, all: &[&str]) -> String {
        let (begun, mut said) = (Instant::now(), String::new());
        loop {
            said += &self.process.said().join("\n");
            if all.iter().all(|text| said.contains(text)) {
                return said;
            }
            assert!(begun.elapsed() < LIMIT, "{all:?} is not in the log: {said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// One command for the server itself, in words.
    #[track_caller]
    pub(crate) fn redis(&self, line: &str) -> redis::Value {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.redis_words(&words)
    }

    #[track_caller]
    pub(crate) fn redis_words(&self, words: &[&[u8]]) -> redis::Value {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query(&mut self.connect()).expect("the server does it")
    }
}

impl Deref for Site {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.browser
    }
}

impl Browser {
    pub(crate) fn new(host: String) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(LIMIT))
            .build();
        Self { host, agent: agent.into() }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.call())
    }

    /// As a form sends it.
    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, fields, &[])
    }

    pub(crate) fn post_with(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.agent.post(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send_form(fields.iter().copied()))
    }

    /// As programs do. Without a body where it is `null`.
    pub(crate) fn send_json(&self, method: &str, path: &str, body: &str) -> Answer {
        let body = if body == "null" { "" } else { body };
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(path))
            .header("content-type", "application/json")
            .body(body.to_owned())
            .expect("a request");
        let agent = &self.agent;
        Answer::of(agent.run(request))
    }

    /// What stands in the forms of a page.
    #[track_caller]
    pub(crate) fn token(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let page = self.get_with(path, headers).text;
        let (_, behind) = page.split_once("name=\"token\" value=\"").expect("the page has a form");
        behind.split('"').next().unwrap_or_default().to_owned()
    }

    /// As somebody who fills in a form of `page`; returns what the page says afterwards.
    #[track_caller]
    pub(crate) fn submit(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token(page, &[]);
        let fields = [&[("token", &*token)], fields].concat();
        let sent = self.post(action, &fields);
        assert_eq!(sent.status, 303, "{}", sent.text);
        self.get(sent.header("location"))
    }

    /// Asks again until it is as it should be: what is seen of streams is some seconds old.
    #[track_caller]
    pub(crate) fn until(&self, path: &str, is_so: impl Fn(&Answer) -> bool) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.get(path);
            if is_so(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < LIMIT, "{path} never was as it should be: {}", answer.text);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }
}

impl Answer {
    #[track_caller]
    fn of(response: Result<Response<ureq::Body>, ureq::Error>) -> Self {
        let (parts, mut body) = response.expect("it answers").into_parts();
        let text = body.read_to_string().expect("it is text");
        Self { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// Empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What can be read on the page, without markup: one blank between words.
    pub(crate) fn words(&self) -> String {
        let mut text = String::new();
        let mut is_inside = false;
        for c in self.text.chars() {
            match c {
                '<' => is_inside = true,
                '>' => {
                    is_inside = false;
                    text.push(' ');
                }
                c if !is_inside => text.push(c),
                _ => {}
            }
        }
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        text.replace("&amp;", "&").split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
