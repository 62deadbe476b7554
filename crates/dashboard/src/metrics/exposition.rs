//! Metrics as text: Prometheus' format 0.0.4, and OpenMetrics 1.0, which differs in few places.
//!
//! All samples of a metric have to stand together, so each gathers its own; the order of metrics is
//! that in which they first came. No library: those that there are keep registries of metrics that
//! live, and what is here is of the moment.

use std::collections::HashMap;
use std::fmt::Write as _;

use millstream_shown::visible;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// What is measured. A counter's name ends with `_total`.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

/// Labels as they stand in front of a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels(String);

impl Labels {
    /// With one more, whose value may be any text.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut text = self.0.clone();
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{name}=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
        Self(text)
    }

    /// With one more, whose value is the name of something, of any bytes.
    pub(crate) fn with_name(&self, name: &str, value: &[u8]) -> Self {
        self.with(name, &visible(value))
    }
}

/// Everything that is told at one moment.
#[derive(Debug)]
pub(crate) struct Exposition {
    is_open_metrics: bool,
    families: Vec<String>,
    places: HashMap<&'static str, usize>,
}

impl Exposition {
    pub(crate) fn new(is_open_metrics: bool) -> Self {
        Self { is_open_metrics, families: Vec::new(), places: HashMap::new() }
    }

    pub(crate) fn add(&mut self, metric: &'static Metric, labels: &Labels, value: f64) {
        let text = self.family(metric);
        line(text, metric.name, "", labels, value);
    }

    /// If there is something to tell.
    pub(crate) fn add_if<T: Into<f64>>(
        &mut self,
        metric: &'static Metric,
        labels: &Labels,
        value: Option<T>,
    ) {
        if let Some(value) = value {
            self.add(metric, labels, value.into());
        }
    }

    /// `counts`: how many there are up to each bound, ascending.
    pub(crate) fn add_histogram(
        &mut self,
        metric: &'static Metric,
        labels: &Labels,
        counts: impl Iterator<Item = (f64, u64)>,
        total: u64,
        sum: f64,
    ) {
        let text = self.family(metric);
        for (bound, count) in counts {
            let labels = labels.with("le", &format!("{bound:?}"));
            line(text, metric.name, "_bucket", &labels, count as f64);
        }
        line(text, metric.name, "_bucket", &labels.with("le", "+Inf"), total as f64);
        line(text, metric.name, "_sum", labels, sum);
        line(text, metric.name, "_count", labels, total as f64);
    }

    pub(crate) fn content_type(&self) -> &'static str {
        match self.is_open_metrics {
            true => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            false => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    pub(crate) fn into_text(self) -> String {
        let mut text = self.families.concat();
        if self.is_open_metrics {
            text.push_str("# EOF\n");
        }
        text
    }

    fn family(&mut self, metric: &'static Metric) -> &mut String {
        let Self { is_open_metrics, families, places } = self;
        let place = *places.entry(metric.name).or_insert_with(|| {
            families.push(head(metric, *is_open_metrics));
            families.len() - 1
        });
        &mut families[place]
    }
}

fn head(metric: &Metric, is_open_metrics: bool) -> String {
    let Metric { name, kind, help } = metric;
    let family = match kind {
        Kind::Counter if is_open_metrics => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    };
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    format!("# HELP {family} {help}\n# TYPE {family} {kind}\n")
}

fn line(to: &mut String, name: &str, suffix: &str, labels: &Labels, value: f64) {
    let _ = match &*labels.0 {
        "" => writeln!(to, "{name}{suffix} {value}"),
        labels => writeln!(to, "{name}{suffix}{{{labels}}} {value}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    static TIMES: Metric = Metric { name: "times_seconds", kind: Kind::Histogram, help: "Times." };
    static DONE: Metric = Metric { name: "done_total", kind: Kind::Counter, help: "Done." };

    fn filled(is_open_metrics: bool) -> String {
        let mut all = Exposition::new(is_open_metrics);
        let labels = Labels::default().with_name("stream", b"a\"\\\xff\n");
        all.add(&DONE, &labels, 1.0);
        all.add_histogram(&TIMES, &Labels::default(), [(0.5, 1), (1.0, 2)].into_iter(), 3, 9.25);
        all.add(&DONE, &Labels::default().with("stream", "b"), 1.5);
        all.into_text()
    }

    #[test]
    fn samples_stand_together_and_values_of_labels_are_escaped() {
        let expected = "# HELP done_total Done.\n# TYPE done_total counter\n\
            done_total{stream=\"a\\\"\\\\\\\\\\\\xff\\\\n\"} 1\ndone_total{stream=\"b\"} 1.5\n\
            # HELP times_seconds Times.\n# TYPE times_seconds histogram\n\
            times_seconds_bucket{le=\"0.5\"} 1\ntimes_seconds_bucket{le=\"1.0\"} 2\n\
            times_seconds_bucket{le=\"+Inf\"} 3\ntimes_seconds_sum 9.25\ntimes_seconds_count 3\n";
        assert_eq!(filled(false), expected);
    }

    #[test]
    fn openmetrics_names_families_without_their_suffix_and_has_an_end() {
        let text = filled(true);
        assert!(text.starts_with("# HELP done Done.\n# TYPE done counter\ndone_total{"), "{text}");
        assert!(text.ends_with("times_seconds_count 3\n# EOF\n"), "{text}");
    }
}
