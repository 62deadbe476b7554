//! A part of the report on goals, and how long its measurements are.

use crate::report::median;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Rounds, at least one.
    pub(super) rounds: usize,
    /// Of the messages of a full run.
    pub(super) share: f64,
    /// Messages instead of that share.
    pub(super) messages: Option<u64>,
    /// Whether what takes long to set up is measured too.
    pub(super) has_largest: bool,
}

impl Size {
    /// Messages where a full run has `full`; at least 1.
    pub(super) fn of(self, full: u64) -> u64 {
        self.messages.unwrap_or((full as f64 * self.share) as u64).max(1)
    }
}

/// A part of the report.
#[derive(Debug)]
pub(super) struct Section {
    /// Its heading.
    pub(super) title: String,
    /// Markdown that ends with a line break.
    pub(super) text: String,
    /// One line for each goal that is missed.
    pub(super) missed: Vec<String>,
}

/// The row of a Markdown table.
pub(super) fn row<C: AsRef<str>>(cells: &[C]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The head of a Markdown table of which the first `left` columns are words, the others numbers.
pub(super) fn head(left: usize, names: &[&str]) -> String {
    let rules: String = (0..names.len()).map(|i| if i < left { "---|" } else { "---:|" }).collect();
    format!("{}|{rules}\n", row(names))
}

/// Medians over pairs of ours and theirs: each side's, and that of the ratios.
pub(super) fn medians(pairs: &[(f64, f64)]) -> [f64; 3] {
    let middle =
        |values: Vec<f64>| median(values).expect("each measurement has at least one round");
    [
        middle(pairs.iter().map(|(ours, _)| *ours).collect()),
        middle(pairs.iter().map(|(_, peer)| *peer).collect()),
        middle(pairs.iter().map(|(ours, peer)| ours / peer).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_a_rule_below_their_head() {
        assert_eq!(head(1, &["a", "b"]), "| a | b |\n|---|---:|\n");
    }

    #[test]
    fn a_ratio_is_that_of_one_round() {
        assert_eq!(medians(&[(1.0, 1.0), (6.0, 1.5), (2.0, 4.0)]), [2.0, 1.5, 1.0]);
    }
}
