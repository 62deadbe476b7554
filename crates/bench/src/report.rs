//! The report: medians and ratios in one table, every round in a second one; or all of it as JSON.

use std::fmt::Write;

use crate::measure::Measurement;
use crate::pairing::Pairing;
use crate::workload::Workload;

/// Everything that was measured in one run of `compare`.
pub struct Report {
    /// Name and version of the first server.
    pub ours: String,
    /// Name and version of the second server.
    pub peer: String,
    /// Facts about the machine.
    pub machine: String,
    /// The command that makes this report.
    pub command: String,
    /// One for each workload and sync mode.
    pub comparisons: Vec<Comparison>,
}

/// One workload in one sync mode.
pub struct Comparison {
    /// The workload.
    pub workload: Workload,
    /// How both servers were started.
    pub pairing: Pairing,
    /// Ours and the peer's, measured one after the other; at least one pair.
    pub rounds: Vec<(Measurement, Measurement)>,
}

/// A number of a measurement; none where it was not taken.
pub(crate) type Figure = fn(&Measurement) -> Option<f64>;

/// Messages per second.
pub(crate) const THROUGHPUT: Figure = |measured| Some(measured.messages_per_second);
/// Processor time of the server per message, us.
pub(crate) const CPU: Figure = |measured| Some(measured.cpu_us_per_message);
const SWITCHES: Figure = |measured| Some(measured.switches_per_message);
/// Entries that a worker was given at a time.
pub(crate) const ENTRIES_PER_READ: Figure = |measured| measured.entries_per_read;
const P50: Figure = |measured| measured.p50_us;
const P99: Figure = |measured| measured.p99_us;

/// The figures with their names in JSON.
const FIGURES: [(&str, Figure); 6] = [
    ("messages_per_second", THROUGHPUT),
    ("cpu_us_per_message", CPU),
    ("switches_per_message", SWITCHES),
    ("entries_per_read", ENTRIES_PER_READ),
    ("p50_us", P50),
    ("p99_us", P99),
];

impl Comparison {
    /// Medians over the rounds: ours, the peer's, and ours divided by the peer's within a round.
    pub(crate) fn medians(&self, figure: Figure) -> [Option<f64>; 3] {
        let ours = self.rounds.iter().filter_map(|(ours, _)| figure(ours)).collect();
        let peer = self.rounds.iter().filter_map(|(_, peer)| figure(peer)).collect();
        let ratios = self.rounds.iter().filter_map(|(ours, peer)| {
            let divisor = figure(peer).filter(|divisor| *divisor > 0.0)?;
            Some(figure(ours)? / divisor)
        });
        [median(ours), median(peer), median(ratios.collect())]
    }
}

/// The middle of `values`, between the two middle ones if their count is even; none without any.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// The report as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let (ours, peer) = (&report.ours, &report.peer);
    let rounds = report.comparisons.first().map_or(0, |comparison| comparison.rounds.len());
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(format!("## {ours} against {peer}\n"));
    line(format!("    {}\n", report.command));
    line(format!("{}. Clients and servers share the machine.", report.machine));
    line(format!(
        "Medians of {rounds} rounds, the servers in turns with the same client; a ratio is the \
         median of ours / peer within a round. Above 1 is better for messages/s, below 1 for CPU, \
         the server's processor time per message.\n"
    ));
    line(format!(
        "| workload | sync | {ours}, messages/s | {peer} | ratio | CPU us | peer | ratio | \
         switches | peer | p50 us | peer | p99 us | peer |"
    ));
    line(format!("|---|---|{}", "---:|".repeat(12)));
    for comparison in &report.comparisons {
        line(table_row(comparison));
    }
    line("\nWorkloads:\n".to_owned());
    let mut described = Vec::new();
    for Comparison { workload, .. } in &report.comparisons {
        if described.contains(&workload.name) {
            continue;
        }
        described.push(workload.name);
        let trip =
            workload.round_trip.map_or(String::new(), |trip| format!("; latency of: {trip}"));
        let Workload { name, summary, message, .. } = workload;
        line(format!("- `{name}`: {summary}. A message is one {message}{trip}."));
    }
    line("\nEvery round (messages/s and CPU us per message, ours / peer):\n".to_owned());
    line("| workload | sync | rounds |".to_owned());
    line("|---|---|---|".to_owned());
    for Comparison { workload, pairing, rounds } in &report.comparisons {
        let rounds: Vec<String> = rounds.iter().map(round_cell).collect();
        line(format!("| {} | {pairing} | {} |", workload.name, rounds.join("; ")));
    }
    text
}

fn table_row(comparison: &Comparison) -> String {
    let mut cells = vec![comparison.workload.name.to_owned(), comparison.pairing.to_string()];
    let [ours, peer, ratio] = comparison.medians(THROUGHPUT);
    cells.extend([number(ours, 0), number(peer, 0), number(ratio, 2)]);
    let [ours, peer, ratio] = comparison.medians(CPU);
    cells.extend([number(ours, 2), number(peer, 2), number(ratio, 2)]);
    let [ours, peer, _] = comparison.medians(SWITCHES);
    cells.extend([number(ours, 3), number(peer, 3)]);
    for figure in [P50, P99] {
        let [ours, peer, _] = comparison.medians(figure);
        cells.extend([number(ours, 0), number(peer, 0)]);
    }
    format!("| {} |", cells.join(" | "))
}

fn round_cell((ours, peer): &(Measurement, Measurement)) -> String {
    format!(
        "{:.0} / {:.0}, {:.2} / {:.2}",
        ours.messages_per_second,
        peer.messages_per_second,
        ours.cpu_us_per_message,
        peer.cpu_us_per_message
    )
}

/// A cell of a table.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.decimals$}"))
}

/// The report as JSON; figures that were not taken are null.
pub fn json(report: &Report) -> String {
    let comparisons: Vec<String> = report.comparisons.iter().map(comparison_json).collect();
    format!(
        "{{\"ours\": {}, \"peer\": {}, \"machine\": {}, \"command\": {}, \"comparisons\": [{}]}}",
        json_string(&report.ours),
        json_string(&report.peer),
        json_string(&report.machine),
        json_string(&report.command),
        comparisons.join(", ")
    )
}

fn comparison_json(comparison: &Comparison) -> String {
    let medians: Vec<String> = FIGURES
        .iter()
        .map(|(name, figure)| {
            let [ours, peer, ratio] = comparison.medians(*figure).map(json_number);
            format!("\"{name}\": {{\"ours\": {ours}, \"peer\": {peer}, \"ratio\": {ratio}}}")
        })
        .collect();
    let rounds: Vec<String> = comparison
        .rounds
        .iter()
        .map(|(ours, peer)| {
            format!(
                "{{\"ours\": {}, \"peer\": {}}}",
                measurement_json(ours),
                measurement_json(peer)
            )
        })
        .collect();
    format!(
        "{{\"workload\": {}, \"sync\": \"{}\", \"medians\": {{{}}}, \"rounds\": [{}]}}",
        json_string(comparison.workload.name),
        comparison.pairing,
        medians.join(", "),
        rounds.join(", ")
    )
}

fn measurement_json(measurement: &Measurement) -> String {
    let members: Vec<String> = FIGURES
        .iter()
        .map(|(name, figure)| format!("\"{name}\": {}", json_number(figure(measurement))))
        .collect();
    format!("{{{}}}", members.join(", "))
}

fn json_number(value: Option<f64>) -> String {
    // JSON has no infinity; a figure can only be infinite if a round took no time.
    value.filter(|value| value.is_finite()).map_or("null".to_owned(), |value| format!("{value:.4}"))
}

fn json_string(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => {
                write!(json, "\\u{:04x}", u32::from(control)).expect("a String takes any text");
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads;

    fn measured(messages_per_second: f64, p50_us: Option<f64>) -> Measurement {
        Measurement {
            messages_per_second,
            cpu_us_per_message: 2.0,
            switches_per_message: 0.5,
            entries_per_read: None,
            p50_us,
            p99_us: None,
        }
    }

    fn report() -> Report {
        let workload = workloads::all()[0];
        // The ratios of the pairs are 1, 4 and 0.5; that of the medians would be 1.33.
        let rounds = [(10.0, 10.0), (60.0, 15.0), (20.0, 40.0)]
            .map(|(ours, peer)| (measured(ours, Some(7.0)), measured(peer, None)));
        let comparison =
            Comparison { workload, pairing: Pairing::UNSYNCED, rounds: rounds.to_vec() };
        Report {
            ours: "a \"1\"".to_owned(),
            peer: "b 2".to_owned(),
            machine: "2 cores".to_owned(),
            command: "c".to_owned(),
            comparisons: vec![comparison],
        }
    }

    #[test]
    fn the_ratio_is_the_median_of_pairs_not_the_ratio_of_medians() {
        let medians = report().comparisons[0].medians(THROUGHPUT);
        assert_eq!(medians, [Some(20.0), Some(15.0), Some(1.0)]);
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(report().comparisons[0].medians(P50), [Some(7.0), None, None]);
    }

    #[test]
    fn the_table_has_a_cell_for_every_column() {
        let text = markdown(&report());
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(table[0].matches('|').count(), table[1].matches('|').count(), "{text}");
        assert!(
            table[1].contains("| no | 20 | 15 | 1.00 | 2.00 | 2.00 | 1.00 | 0.500 |"),
            "{text}"
        );
    }

    #[test]
    fn json_escapes_names_and_has_null_for_what_was_not_taken() {
        let text = json(&report());
        assert!(text.starts_with(r#"{"ours": "a \"1\"", "peer": "b 2""#), "{text}");
        assert!(
            text.contains(r#""p50_us": {"ours": 7.0000, "peer": null, "ratio": null}"#),
            "{text}"
        );
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
