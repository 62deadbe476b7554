//! Replays scenarios on a running server.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::connections::Connections;
use super::{Action, Expected, Scenario, Section, Step, arguments};
use crate::{Bindings, Family, Program, Server, Value};

/// How long a reply may take where the scenario says nothing of time.
const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Sections replayed, each protocol counted.
    pub sections: usize,
    /// Replies compared.
    pub replies: usize,
    /// Sections that do not hold for this server.
    pub skipped: usize,
    /// What went wrong.
    pub failures: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}\n")?;
        }
        let Self { sections, replies, skipped, failures } = self;
        let failed = failures.len();
        write!(f, "{sections} sections, {replies} replies, {failed} failed, {skipped} skipped")
    }
}

/// Replays every section that holds for the server, in each protocol.
///
/// Goes on after a failure, so that one run shows all of them.
pub fn run(server: &Server, scenarios: &[Scenario]) -> Report {
    let mut report = Report::default();
    let mut servers = Servers::new(server);
    for scenario in scenarios {
        for section in &scenario.sections {
            if !section.rules.hold_for(server.program()) {
                report.skipped += 1;
                continue;
            }
            for protocol in section.protocols() {
                report.sections += 1;
                match servers.of(section).and_then(|server| replay(server, section, protocol)) {
                    Ok(replies) => report.replies += replies.len(),
                    Err(error) => report.failures.push(format!(
                        "{}:{} RESP{protocol}, {}\n  {error:#}",
                        scenario.name(),
                        section.line,
                        section.title,
                    )),
                }
            }
        }
    }
    report
}

/// The server that was started for the run and, once it is needed, one that has DEBUG.
pub(super) struct Servers<'a> {
    plain: &'a Server,
    debug: Option<Server>,
}

impl<'a> Servers<'a> {
    pub(super) fn new(plain: &'a Server) -> Self {
        Self { plain, debug: None }
    }

    /// The one that this section is for.
    pub(super) fn of(&mut self, section: &Section) -> Result<&Server> {
        if !section.rules.debug {
            return Ok(self.plain);
        }
        if self.debug.is_none() {
            let program = self.plain.program();
            let arguments: &[&str] = match program.family {
                Family::Millstream => &["--enable-debug"],
                Family::Redis | Family::Valkey => &["--enable-debug-command", "yes"],
            };
            self.debug = Some(Server::start_with(program, arguments)?);
        }
        Ok(self.debug.as_ref().expect("started above"))
    }
}

impl Section {
    /// The protocols it is to be replayed in.
    pub(super) fn protocols(&self) -> Vec<u8> {
        self.rules.protocol.map_or_else(|| vec![2, 3], |only| vec![only])
    }
}

/// Replays one section; the replies with the lines of the steps they answer.
///
/// # Errors
/// At the first reply that is not as expected.
pub(super) fn replay(
    server: &Server,
    section: &Section,
    protocol: u8,
) -> Result<Vec<(usize, Value)>> {
    let mut run = Run {
        program: server.program(),
        connections: Connections::open(server, protocol == 3)?,
        resp3: protocol == 3,
        bindings: Bindings::new(),
        changed: Vec::new(),
        replies: Vec::new(),
    };
    let result = section
        .steps
        .iter()
        .try_for_each(|step| run.step(step).with_context(|| format!("line {}", step.line)));
    // The next section must not inherit a parameter, whatever became of this one.
    for (name, value) in std::mem::take(&mut run.changed).into_iter().rev() {
        run.connections.configure(&name, &value)?;
    }
    result.map(|()| run.replies)
}

struct Run<'a> {
    program: &'a Program,
    connections: Connections<'a>,
    resp3: bool,
    bindings: Bindings,
    /// Parameters and what they were.
    changed: Vec<(String, String)>,
    replies: Vec<(usize, Value)>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<()> {
        let differs = step.differs.iter().any(|(range, _)| range.covers(self.program));
        match &step.action {
            Action::Wait { ms } => thread::sleep(Duration::from_millis(*ms)),
            Action::StillBlocks { client } => self.connections.check_still_parked(*client)?,
            Action::Config { name, value } => {
                let old = self.connections.configure(name, value)?;
                self.changed.push((name.clone(), old));
            }
            Action::Send { client, repeat, arguments, expected } => {
                for i in 1..=*repeat {
                    self.send(*client, i, arguments)?;
                    self.expect(*client, expected, REPLY_LIMIT, differs)?;
                }
            }
            Action::Await { client, within, expected } => {
                let limit = Duration::from_millis(*within.end());
                let sent_at = self.connections.get(*client)?.sent_at;
                let left = (sent_at + limit).saturating_duration_since(Instant::now());
                // Even a reply that should be there by now may need a moment to be read.
                self.expect(*client, expected, left.max(Duration::from_millis(50)), differs)?;
                let took = sent_at.elapsed().as_millis();
                let early = took < u128::from(*within.start());
                ensure!(!early, "answered after {took} ms, too early for {within:?} ms");
            }
        }
        Ok(())
    }

    fn send(&mut self, client: u8, i: u32, arguments: &[Vec<u8>]) -> Result<()> {
        let filled: Vec<Vec<u8>> =
            arguments.iter().map(|arg| arguments::fill_in(arg, i, &self.bindings)).collect();
        let connection = self.connections.get(client)?;
        ensure!(!connection.client.has_reply()?, "a reply nobody asked for");
        connection.sent_at = Instant::now();
        connection.client.send(&filled)
    }

    fn expect(&mut self, client: u8, want: &Expected, limit: Duration, any: bool) -> Result<()> {
        match want {
            Expected::Blocks => return self.connections.await_parked(client),
            Expected::Silence => return Ok(()),
            _ => {}
        }
        let reply = self.connections.get(client)?.client.receive_or_end(limit)?;
        let Some(reply) = reply else {
            self.connections.forget(client);
            let closed = any || matches!(want, Expected::Closed);
            ensure!(closed, "the server closed the connection");
            return Ok(());
        };
        match want {
            Expected::Reply(pattern) if !any => pattern
                .check(&reply, self.resp3, &mut self.bindings)
                .map_err(|error| anyhow!("{error}\n  in {reply}"))?,
            Expected::Closed if !any => bail!("should close, but answers {reply}"),
            _ => {}
        }
        let line = match want {
            Expected::Unknown { line } => *line,
            _ => 0,
        };
        self.replies.push((line, reply));
        Ok(())
    }
}
