//! The workloads with goals, each in the modes that its goals name.

use anyhow::Context;

use crate::alternate::{Length, Programs};
use crate::goal::{Bound, Goal, verdict};
use crate::pairing::Pairing;
use crate::report::{CPU, Comparison, ENTRIES_PER_READ, THROUGHPUT, number};
use crate::workload::Workload;

use super::section::{Section, Size, head, row};

/// A round in which a server syncs has this part of the messages: it takes several times as long.
const SYNCED_PART: u64 = 2;

/// Runs all goals of `workloads`.
///
/// # Errors
/// A server does not start, or answers wrongly.
pub(super) fn run(
    programs: &Programs<'_>,
    workloads: &[Workload],
    size: Size,
) -> anyhow::Result<Section> {
    let mut table = head(
        4,
        &[
            "load",
            "ours / peer",
            "goal",
            "",
            "messages/s",
            "peer",
            "ratio",
            "CPU us",
            "peer",
            "ratio",
            "a read",
            "peer",
        ],
    );
    let mut missed = Vec::new();
    for workload in workloads {
        for goal in workload.goals {
            let part = if goal.pairing == Pairing::UNSYNCED { 1 } else { SYNCED_PART };
            let messages = size.of(workload.messages / part);
            let length = Length { messages, rounds: size.rounds };
            let (comparison, _) = programs
                .compare(workload, goal.pairing, length)
                .with_context(|| format!("run {} with sync {}", workload.name, goal.pairing))?;
            let judged = Judged::new(&comparison, goal);
            table.push_str(&judged.row);
            missed.extend(judged.missed);
        }
    }
    let mut text = String::from(
        "Entries have three fields with values of 8 bytes. CPU us is the server's processor time \
         per message over all its threads. Without syncs the goal is on that time, with them on \
         throughput. `a read` is how many entries a worker was given at a \
         time: workers that keep up find few. \
         Every ID is checked to be delivered exactly once.\n\n",
    );
    text.push_str(&table);
    text.push('\n');
    for Workload { name, summary, message, .. } in workloads {
        text.push_str(&format!("- `{name}`: {summary}. A message is one {message}.\n"));
    }
    Ok(Section { title: "Loads".to_owned(), text, missed })
}

struct Judged {
    row: String,
    missed: Option<String>,
}

impl Judged {
    fn new(comparison: &Comparison, goal: &Goal) -> Self {
        let [speed, peer_speed, speed_ratio] = comparison.medians(THROUGHPUT);
        let [cpu, peer_cpu, cpu_ratio] = comparison.medians(CPU);
        let [read, peer_read, _] = comparison.medians(ENTRIES_PER_READ);
        let name = comparison.workload.name;
        let ratio = match goal.bound {
            Bound::Cpu(_) => cpu_ratio,
            Bound::Throughput(_) => speed_ratio,
        };
        let is_met = ratio.map(|ratio| goal.bound.is_met(ratio));
        let modes = format!("{} / {}", goal.pairing.ours, goal.pairing.peer);
        let cells = [
            name.to_owned(),
            modes.clone(),
            goal.bound.to_string(),
            // A round that is too short for the clock says nothing.
            is_met.map_or("too short", verdict).to_owned(),
            number(speed, 0),
            number(peer_speed, 0),
            number(speed_ratio, 2),
            number(cpu, 2),
            number(peer_cpu, 2),
            number(cpu_ratio, 2),
            number(read, 1),
            number(peer_read, 1),
        ];
        let missed = (is_met == Some(false))
            .then(|| format!("`{name}`, {modes}: {} wanted, {}", goal.bound, number(ratio, 2)));
        Self { row: row(&cells), missed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Measurement;
    use crate::workloads;

    fn judged(ours_cpu: f64, peer_cpu: f64, goal: Goal) -> Judged {
        let measured = |messages_per_second, cpu_us_per_message| Measurement {
            messages_per_second,
            cpu_us_per_message,
            switches_per_message: 0.0,
            entries_per_read: None,
            p50_us: None,
            p99_us: None,
        };
        let rounds = vec![(measured(300.0, ours_cpu), measured(100.0, peer_cpu))];
        let workload = workloads::all()[0];
        Judged::new(&Comparison { workload, pairing: goal.pairing, rounds }, &goal)
    }

    #[test]
    fn each_kind_of_goal_looks_at_its_own_ratio() {
        let met = judged(1.0, 2.0, Goal::cpu(0.5));
        assert!(met.missed.is_none() && met.row.contains("| no / no | CPU <= 0.5 | met |"));
        let missed = judged(1.0, 1.0, Goal::cpu(0.5)).missed.expect("1.0 is above 0.5");
        assert!(missed.ends_with("no / no: CPU <= 0.5 wanted, 1.00"), "{missed}");
        assert!(judged(1.0, 1.0, Goal::synced(2.5)).missed.is_none());
        let missed = judged(1.0, 1.0, Goal::durable_against_volatile(3.5));
        assert!(missed.row.contains("| always / no | messages/s >= 3.5 | **missed** |"));
        assert!(judged(1.0, 0.0, Goal::cpu(0.5)).row.contains("too short"));
    }
}
