//! All findings, as they are told.

use std::collections::BTreeMap;

use anyhow::bail;
use millstream::Error;
use serde::Serialize;

use super::examined::Counts;
use super::finding::{Check, Finding, Next, Severity};
use super::reach::Reach;
use crate::output::{plural, print_json, print_line, visible};
use crate::server::Server;

/// Findings of one check and severity that are told one by one; others are counted.
const TOLD_MAX: usize = 20;

#[derive(Debug)]
pub(super) struct Report {
    /// What stands behind a command of this program.
    reach: String,
    ignore: Vec<Check>,
    findings: BTreeMap<(Severity, Check), Alike>,
    pub(super) counts: Counts,
    /// There was more than was looked at.
    pub(super) is_sampled: bool,
    /// By what it is, why not.
    not_looked_at: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Alike {
    told: Vec<Told>,
    more: u64,
}

/// A finding with what to do about it, as it is to be typed.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    finding: Finding,
    next: String,
}

#[derive(Serialize)]
struct Document<'a> {
    address: &'a str,
    server: &'a str,
    findings: Vec<&'a Told>,
    /// Those that are like others and not in the list.
    more: Vec<More>,
    errors: u64,
    warnings: u64,
    notes: u64,
    looked_at: Counts,
    is_sampled: bool,
    not_looked_at: Vec<NotLookedAt<'a>>,
}

#[derive(Serialize)]
struct More {
    severity: Severity,
    check: Check,
    count: u64,
}

#[derive(Serialize)]
struct NotLookedAt<'a> {
    what: &'a str,
    why: &'a str,
}

impl Told {
    fn of(finding: Finding, reach: &str) -> Self {
        let next = match &finding.next {
            Next::Here(command) => format!("{command}{reach}"),
            Next::Other(text) => text.clone(),
        };
        Self { finding, next }
    }
}

impl Report {
    pub(super) fn new(ignore: Vec<Check>, reach: &Reach) -> Self {
        Self {
            reach: reach.millstream.clone(),
            ignore,
            findings: BTreeMap::new(),
            counts: Counts::default(),
            is_sampled: false,
            not_looked_at: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.ignore.contains(&finding.check) {
            return;
        }
        let alike = self.findings.entry((finding.severity, finding.check)).or_default();
        match alike.told.len() < TOLD_MAX {
            true => alike.told.push(Told::of(finding, &self.reach)),
            false => alike.more += 1,
        }
    }

    pub(super) fn not_looked_at(&mut self, what: &str, error: &Error) {
        self.not_looked_at_for(what, error.to_string());
    }

    pub(super) fn not_looked_at_for(&mut self, what: &str, why: String) {
        self.not_looked_at.entry(what.to_owned()).or_insert(why);
    }

    fn count(&self, severity: Severity) -> u64 {
        let alike = self.findings.iter().filter(|((it, _), _)| *it == severity);
        alike.map(|(_, alike)| alike.told.len() as u64 + alike.more).sum()
    }

    pub(super) fn print(&self, server: &Server, is_json: bool) -> anyhow::Result<()> {
        if is_json {
            print_json(&self.document(server))?;
            return Ok(());
        }
        for ((severity, check), alike) in &self.findings {
            for Told { finding, next } in &alike.told {
                let (severity, check, subject) = (severity.word(), check.word(), finding.subject());
                print_line(&format!("{severity}: {check}: {subject}: {}", finding.what))?;
                print_line(&format!("  why: {}\n  next: {next}", finding.why))?;
            }
            if alike.more > 0 {
                let more = alike.more;
                print_line(&format!("{}: {}: and {more} more", severity.word(), check.word()))?;
            }
        }
        for (what, why) in &self.not_looked_at {
            print_line(&format!("not looked at: {what}: {}", visible(why.as_bytes())))?;
        }
        print_line(&self.summary(server))?;
        Ok(())
    }

    fn summary(&self, server: &Server) -> String {
        let found = |severity: Severity| plural(self.count(severity), severity.word());
        let Counts { servers: _, streams, groups, consumers, pending } = self.counts;
        let sampled = if self.is_sampled { "; there are more: see --limit" } else { "" };
        format!(
            "{}: {}, {}, {}; looked at {}, {}, {}, {pending} pending{sampled}",
            server.address,
            found(Severity::Error),
            found(Severity::Warning),
            found(Severity::Note),
            plural(streams, "stream"),
            plural(groups, "group"),
            plural(consumers, "consumer"),
        )
    }

    fn document<'a>(&'a self, server: &'a Server) -> Document<'a> {
        let more = self.findings.iter().filter(|(_, alike)| alike.more > 0);
        let not_looked_at = self.not_looked_at.iter();
        Document {
            address: &server.address,
            server: server.is_called(),
            findings: self.findings.values().flat_map(|alike| &alike.told).collect(),
            more: more
                .map(|((severity, check), alike)| More {
                    severity: *severity,
                    check: *check,
                    count: alike.more,
                })
                .collect(),
            errors: self.count(Severity::Error),
            warnings: self.count(Severity::Warning),
            notes: self.count(Severity::Note),
            looked_at: self.counts,
            is_sampled: self.is_sampled,
            not_looked_at: not_looked_at.map(|(what, why)| NotLookedAt { what, why }).collect(),
        }
    }

    /// # Errors
    /// Something serious was found: exit code 1.
    pub(super) fn outcome(&self) -> anyhow::Result<()> {
        match self.count(Severity::Error) {
            0 => Ok(()),
            count => bail!("{} of severity error", plural(count, "finding")),
        }
    }
}
