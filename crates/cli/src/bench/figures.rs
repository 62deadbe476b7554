//! The figures of all rounds of a load: medians, and what lies between the extremes.

use super::round::{Figure, median};
use super::series::Series;

/// A figure of each server in each round.
#[derive(Debug)]
pub(super) struct FigureRow {
    pub(super) text: String,
    pub(super) json: String,
    pub(super) decimals: usize,
    /// By server, then by round.
    pub(super) values: Vec<Vec<Option<f64>>>,
}

/// All figures of a load.
#[derive(Debug)]
pub(super) struct Figures(pub(super) Vec<FigureRow>);

impl Figures {
    pub(super) fn of(series: &Series) -> Self {
        let mut rows: Vec<FigureRow> = Vec::new();
        for round in &series.rounds {
            for (server, measured) in round.iter().enumerate() {
                for (at, figure) in measured.figures(&series.plan).into_iter().enumerate() {
                    let Figure { text, json, decimals, value } = figure;
                    if at == rows.len() {
                        let values = vec![Vec::new(); round.len()];
                        rows.push(FigureRow { text, json, decimals, values });
                    }
                    rows[at].values[server].push(value);
                }
            }
        }
        Self(rows)
    }
}

impl FigureRow {
    /// Of one server.
    pub(super) fn median(&self, server: usize) -> Option<f64> {
        median(&self.values[server])
    }

    /// What the first server has for each one of the second, round by round; none with one server.
    pub(super) fn ratios(&self) -> Option<Vec<Option<f64>>> {
        let [a, b] = &self.values[..] else { return None };
        let ratio = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
            (Some(a), Some(b)) if *b > 0.0 => Some(a / b),
            _ => None,
        };
        Some(a.iter().zip(b).map(ratio).collect())
    }
}

/// The lowest and the highest of what is known.
pub(super) fn extremes(values: &[Option<f64>]) -> [Option<f64>; 2] {
    let known = || values.iter().copied().flatten();
    [known().min_by(f64::total_cmp), known().max_by(f64::total_cmp)]
}
