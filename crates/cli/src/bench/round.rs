//! One round of a load on one server, and the figures that it comes to.

use std::time::Duration;

use super::plan::Plan;
use super::times::{PERCENTILES, Times};

/// What was measured.
#[derive(Debug)]
pub(super) struct Round {
    /// From when all began until the last entry was done.
    pub(super) elapsed: Duration,
    /// Of the server; none where it does not tell.
    pub(super) server_cpu: Option<Duration>,
    /// Of this program.
    pub(super) client_cpu: Duration,
    /// Of the stream, with all entries in it.
    pub(super) memory_bytes: Option<u64>,
    /// Times of what was done, with their names.
    pub(super) times: Vec<(TimesName, Times)>,
}

/// What times are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimesName {
    /// For people.
    pub(super) text: &'static str,
    /// In JSON.
    pub(super) json: &'static str,
}

/// A number that a round comes to.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// For people, with its unit.
    pub(super) text: String,
    /// In JSON.
    pub(super) json: String,
    pub(super) decimals: usize,
    /// None where it could not be told.
    pub(super) value: Option<f64>,
}

impl Round {
    /// All figures, the same ones of each round of a load.
    pub(super) fn figures(&self, plan: &Plan) -> Vec<Figure> {
        let messages = f64::from(plan.messages);
        // A clock may stand still for a moment.
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        let per_second = messages / seconds;
        let us = |time: Duration| time.as_secs_f64() * 1e6 / messages;
        let figure = |text: &str, json: &str, decimals, value| Figure {
            text: text.to_owned(),
            json: json.to_owned(),
            decimals,
            value,
        };
        let mut figures = vec![
            figure("messages/s", "messages_per_second", 0, Some(per_second)),
            figure(
                "MB/s of payload",
                "payload_mb_per_second",
                2,
                Some(per_second * plan.payload.bytes as f64 / 1e6),
            ),
            figure(
                "server CPU, us/message",
                "server_cpu_us_per_message",
                2,
                self.server_cpu.map(us),
            ),
            figure(
                "client CPU, us/message",
                "client_cpu_us_per_message",
                2,
                Some(us(self.client_cpu)),
            ),
            figure(
                "memory, bytes/entry",
                "memory_bytes_per_entry",
                1,
                self.memory_bytes.map(|bytes| bytes as f64 / messages),
            ),
        ];
        for (name, times) in &self.times {
            for (percent, text, json) in PERCENTILES {
                figures.push(figure(
                    &format!("{} {text}, us", name.text),
                    &format!("{}_{json}", name.json),
                    0,
                    times.percentile_us(percent),
                ));
            }
        }
        figures
    }
}

/// The middle one, or between the two in the middle; none if one is not known.
pub(super) fn median(values: &[Option<f64>]) -> Option<f64> {
    let mut values = values.iter().copied().collect::<Option<Vec<f64>>>()?;
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = *values.get(middle)?;
    Some(if values.len() % 2 == 0 { f64::midpoint(values[middle - 1], high) } else { high })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle_or_not_known() {
        assert_eq!(median(&[Some(3.0), Some(1.0), Some(2.0)]), Some(2.0));
        assert_eq!(median(&[Some(4.0), Some(1.0)]), Some(2.5));
        assert_eq!(median(&[Some(4.0), None]), None);
        assert_eq!(median(&[]), None);
    }
}
