//! What was measured, for people.

use std::io;

use super::figures::{Figures, extremes};
use super::latency::{ANSWERED, DELIVERED};
use super::plan::{Load, Plan};
use super::series::Series;
use super::site::Site;
use super::times::Times;
use crate::output::{Column, Table, plural, print_facts, print_line, visible};

const ONE: &[Column] = &[
    Column::text("FIGURE"),
    Column::number("MEDIAN"),
    Column::number("LOWEST"),
    Column::number("HIGHEST"),
];
const TWO: &[Column] = &[
    Column::text("FIGURE"),
    Column::number("A"),
    Column::number("B"),
    Column::number("A/B"),
    Column::number("LOWEST"),
    Column::number("HIGHEST"),
];
/// Of the longest bar.
const BAR_WIDTH: f64 = 40.0;

/// What is measured, before it is.
pub(super) fn print_sites(sites: &[Site], plan: &Plan, rounds: u64) -> io::Result<()> {
    let mut facts = Vec::new();
    for site in sites {
        let server = visible(site.control.is_called().as_bytes());
        let at = format!("{server} at {}", visible(site.control.address.as_bytes()));
        let name = if sites.len() > 1 { site.label } else { "server" };
        facts.push((name, at));
        facts.push(("  durability", visible(site.durability.text().as_bytes())));
    }
    let fields = plural(plan.payload.fields as u64, "field");
    facts.push(("payload", format!("{} bytes in {fields}", plan.payload.bytes)));
    let threads = plural(plan.threads as u64, "thread");
    facts.push(("client", format!("{threads}, {}", plural(rounds, "round"))));
    print_facts(&facts)
}

/// A load, with its table.
pub(super) fn print_series(sites: &[Site], series: &Series) -> io::Result<()> {
    print_line(&format!("\n{}: {}", series.plan.load.name(), series.plan.text()))?;
    let figures = series.figures();
    print_table(&figures, sites.len())?;
    if series.plan.load == Load::Latency {
        print_histograms(sites, series)?;
    }
    Ok(())
}

fn print_table(figures: &Figures, servers: usize) -> io::Result<()> {
    let mut table = Table::new(if servers > 1 { TWO } else { ONE });
    for row in &figures.0 {
        let mut cells = vec![row.text.clone()];
        cells.extend((0..servers).map(|server| shown(row.median(server), row.decimals)));
        match row.ratios() {
            Some(ratios) => {
                let all = [super::round::median(&ratios)].into_iter().chain(extremes(&ratios));
                cells.extend(all.map(|ratio| shown(ratio, 2)));
            }
            None => cells.extend(extremes(&row.values[0]).map(|it| shown(it, row.decimals))),
        }
        table.row(cells);
    }
    table.print()
}

/// With commas between thousands, as people read numbers.
fn shown(value: Option<f64>, decimals: usize) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if decimals == 0 => indicatif::HumanCount(value.round() as u64).to_string(),
        Some(value) => format!("{value:.decimals$}"),
    }
}

/// All rounds of each server together.
fn print_histograms(sites: &[Site], series: &Series) -> io::Result<()> {
    for (server, site) in sites.iter().enumerate() {
        for (name, times) in series.times(server) {
            if name != ANSWERED && name != DELIVERED {
                continue;
            }
            let of = if sites.len() > 1 { format!("{}: ", site.label) } else { String::new() };
            print_line(&format!("\n{of}{}, in us", name.text))?;
            histogram(&times).iter().try_for_each(|line| print_line(line))?;
        }
    }
    Ok(())
}

/// A line for each step of 1, 2 and 5: up to where, a bar, and the share of all.
fn histogram(times: &Times) -> Vec<String> {
    let steps = times.steps();
    let total: u64 = steps.iter().map(|(_, count)| count).sum();
    let most = steps.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let line = |(end, count): &(f64, u64)| {
        let width = (*count as f64 / most as f64 * BAR_WIDTH).round() as usize;
        // What is there at all is seen.
        let bar = "#".repeat(width.max(usize::from(*count > 0)));
        let share = *count as f64 * 100.0 / total as f64;
        let end = shown(Some(*end), 0);
        format!("< {end:>12}  {bar:40}  {share:7.3} %")
    };
    steps.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rare_times_are_seen_beside_frequent_ones() {
        let mut times = Times::default();
        (0..9999).for_each(|_| times.record(Duration::from_micros(150)));
        times.record(Duration::from_millis(700));
        let lines = histogram(&times);
        assert_eq!(lines[0], format!("< {:>12}  {}  {:7.3} %", 200, "#".repeat(40), 99.99));
        let last = lines.last().expect("a line");
        assert_eq!(*last, format!("< {:>12}  {:40}  {:7.3} %", "1,000,000", "#", 0.01));
    }

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!(shown(None, 2), "-");
        assert_eq!(shown(Some(1_234_567.8), 0), "1,234,568");
        assert_eq!(shown(Some(1.005), 1), "1.0");
    }
}
