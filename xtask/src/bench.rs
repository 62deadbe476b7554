//! `cargo xtask bench`: whether what is promised beside other servers holds.
//!
//! Builds the server and the bench, fetches the peers, measures, and puts the report between the
//! two marker lines of this peer in `docs/benchmarks.md`; what people wrote around them stays. A
//! run that is not a whole one (`--quick`, `--only`) is shown and not kept. With `--profiled`, the
//! program that `cargo xtask release` made is measured, and has marker lines of its own.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::{checkout, peers, release};

const PAGE: &str = "docs/benchmarks.md";
const USAGE: &str = "usage: cargo xtask bench [--against redis-8.2|redis-8.6|valkey-9.1] [--profiled] \
                     [--quick] [--only NAME]... [--rounds N]";
const PEERS: [&str; 3] = ["redis-8.2", "redis-8.6", "valkey-9.1"];

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options<'a> {
    against: &'a str,
    /// Handed on to the bench.
    rest: Vec<&'a str>,
    is_profiled: bool,
    is_whole: bool,
}

impl Options<'_> {
    /// As the marker lines name what stands between them.
    fn place(&self) -> String {
        let profiled = if self.is_profiled { " --profiled" } else { "" };
        format!("{}{profiled}", self.against)
    }
}

/// Measures, and keeps the report of a whole run.
///
/// # Errors
/// When something cannot be built, fetched or run. A missed goal is none: it stands in the report.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let options = parse(arguments)?;
    // Before minutes of measuring.
    let page = fs::read_to_string(checkout::root().join(PAGE)).context("read the page")?;
    if options.is_whole {
        with_report(&page, &options.place(), "")?;
    }
    let release = checkout::target_dir().join("release");
    let mut ours = release.join("millstream");
    let mut build = checkout::cargo();
    build.args(["build", "--release", "--package", "millstream-bench"]);
    if options.is_profiled {
        ours = release::program();
        ensure!(ours.is_file(), "there is no {}: run cargo xtask release", ours.display());
    } else {
        build.args(["--package", "millstream-cli"]);
    }
    checkout::run(&mut build)?;
    let peers_dir = checkout::peers_dir();
    peers::fetch(&peers_dir)?;
    let peer = peers_dir.join(options.against);
    ensure!(peer.exists(), "there is no {} on this machine", options.against);

    let command = ["cargo xtask bench"].iter().chain(arguments).copied().collect::<Vec<_>>();
    let mut bench = Command::new(release.join("millstream-bench"));
    bench.arg("goals").arg("--ours").arg(ours).arg("--peer").arg(peer);
    bench.args(["--command", &command.join(" ")]).args(&options.rest);
    let output = bench.stderr(Stdio::inherit()).output().context("run the bench")?;
    ensure!(output.status.success(), "the bench ended with {}", output.status);
    let report = String::from_utf8(output.stdout).context("the bench writes UTF-8")?;
    println!("{report}");
    if options.is_whole {
        let page = with_report(&page, &options.place(), &report)?;
        fs::write(checkout::root().join(PAGE), page).context("write the page")?;
        println!("written to {PAGE}");
    }
    Ok(())
}

fn parse<'a>(arguments: &[&'a str]) -> Result<Options<'a>> {
    let (against, rest) = (PEERS[0], Vec::new());
    let mut options = Options { against, rest, is_profiled: false, is_whole: true };
    let mut words = arguments.iter().copied();
    while let Some(word) = words.next() {
        let mut value = || words.next().context(USAGE);
        match word {
            "--against" => options.against = value()?,
            "--profiled" => options.is_profiled = true,
            "--quick" => {
                options.is_whole = false;
                options.rest.push(word);
            }
            "--only" => {
                options.is_whole = false;
                options.rest.extend([word, value()?]);
            }
            "--rounds" => options.rest.extend([word, value()?]),
            _ => bail!(USAGE),
        }
    }
    ensure!(PEERS.contains(&options.against), "no peer is called {}\n{USAGE}", options.against);
    Ok(options)
}

/// `page` with `report` between the markers of `place`.
///
/// # Errors
/// The page has no such markers.
fn with_report(page: &str, place: &str, report: &str) -> Result<String> {
    let begin = format!("<!-- cargo xtask bench --against {place}: begin -->\n");
    let end = format!("<!-- cargo xtask bench --against {place}: end -->");
    let missing = || format!("{PAGE} has no place for {place}: the line {}", begin.trim_end());
    let (before, rest) = page.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("{PAGE} lacks {end}"))?;
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", report.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_replaces_the_one_before_and_nothing_else() {
        let page = "hand\n<!-- cargo xtask bench --against a: begin -->\nold\n\
                    <!-- cargo xtask bench --against a: end -->\nwritten\n";
        let once = with_report(page, "a", "new\n").expect("there is a place");
        assert!(once.starts_with("hand\n<!--") && once.ends_with("-->\nwritten\n"), "{once}");
        assert!(once.contains("\n\nnew\n\n") && !once.contains("old"), "{once}");
        assert_eq!(with_report(&once, "a", "new").expect("again"), once);
        assert!(with_report(page, "b", "new").is_err());
    }

    #[test]
    fn only_a_whole_run_is_kept() {
        let whole = parse(&["--against", "valkey-9.1", "--rounds", "3"]).expect("known words");
        assert_eq!((whole.against, whole.is_whole), ("valkey-9.1", true));
        assert_eq!(whole.rest, ["--rounds", "3"]);
        assert_eq!(whole.place(), "valkey-9.1");
        let profiled = parse(&["--profiled", "--against", "valkey-9.1"]).expect("known words");
        assert!(profiled.is_whole && profiled.rest.is_empty());
        assert_eq!(profiled.place(), "valkey-9.1 --profiled");
        assert!(!parse(&["--quick"]).expect("known").is_whole);
        assert_eq!(parse(&["--only", "scan"]).expect("known").rest, ["--only", "scan"]);
        for wrong in [&["--only"][..], &["--against", "x"], &["now"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_page_has_a_place_for_the_usual_peers() {
        let page = fs::read_to_string(checkout::root().join(PAGE)).expect("read the page");
        for peer in ["redis-8.2", "valkey-9.1"] {
            for build in ["", " --profiled"] {
                with_report(&page, &format!("{peer}{build}"), "").expect("markers");
            }
        }
    }
}
