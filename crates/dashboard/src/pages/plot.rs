//! Small plots of the last hour, and bars. Drawn here, so no script is needed.

use std::fmt::Write as _;

use maud::{Markup, html};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 84.0;
/// Room for the line at the top.
const MARGIN: f64 = 3.0;
/// Points that are drawn at most: more cannot be told apart.
const DRAWN_MAX: usize = 300;

/// Values by how many seconds ago they were, oldest first; `shown` words a value.
pub(super) fn plot(label: &str, values: &[(f64, f64)], shown: impl Fn(f64) -> String) -> Markup {
    let now = values.last().map_or_else(|| "-".to_owned(), |(_, value)| shown(*value));
    let max = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let oldest = values.first().map_or(0.0, |(ago, _)| *ago);
    let since = millstream_shown::short(std::time::Duration::from_secs(oldest as u64));
    let said = format!("{label}: now {now}, at most {} in {since}", shown(max));
    html! {
        figure {
            figcaption { span { (label) } strong { (now) } }
            svg viewBox={"0 0 " (WIDTH) " " (HEIGHT)} preserveAspectRatio="none" role="img" aria-label=(said) {
                line .base x1="0" x2=(WIDTH) y1=(HEIGHT - 0.5) y2=(HEIGHT - 0.5) {}
                @if values.len() > 1 {
                    @let curve = curve(values, max);
                    path .area d={"M0 " (HEIGHT) " L" (curve) " L" (WIDTH) " " (HEIGHT) " Z"} {}
                    path .curve d={"M" (curve)} {}
                }
            }
            div .axis aria-hidden="true" {
                span { @if values.len() > 1 { (since) " ago" } @else { "no values yet" } }
                span { "max " (shown(max)) }
            }
        }
    }
}

/// From the left edge to the right one.
fn curve(values: &[(f64, f64)], max: f64) -> String {
    let ago = |at: Option<&(f64, f64)>| at.map_or(0.0, |(ago, _)| *ago);
    let (oldest, newest) = (ago(values.first()), ago(values.last()));
    let span = (oldest - newest).max(0.001);
    let per_point = values.len().div_ceil(DRAWN_MAX);
    let mut path = String::new();
    for chunk in values.chunks(per_point) {
        // The highest of those that share a point: what was high is not to be missed.
        let (ago, value) = chunk
            .iter()
            .copied()
            .fold((0.0, 0.0), |all: (f64, f64), one| (one.0, all.1.max(one.1)));
        let x = WIDTH * (oldest - ago) / span;
        let part = if max > 0.0 { value / max } else { 0.0 };
        let y = HEIGHT - 1.0 - part * (HEIGHT - 1.0 - MARGIN);
        let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "" } else { " L" });
    }
    path
}

/// How many are of each kind, as bars.
pub(super) fn bars(label: &str, kinds: &[(String, u64)]) -> Markup {
    let max = kinds.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    html! {
        figure {
            figcaption { span { (label) } }
            div .bars {
                @for (kind, count) in kinds {
                    span { (kind) }
                    span .track aria-hidden="true" {
                        svg viewBox="0 0 100 10" preserveAspectRatio="none" {
                            rect width=(*count as f64 * 100.0 / max as f64) height="10" {}
                        }
                    }
                    span { (super::parts::count(*count)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_goes_from_the_oldest_value_on_the_left_to_the_newest() {
        let drawn = curve(&[(104.0, 0.0), (54.0, 10.0), (4.0, 5.0)], 10.0);
        assert_eq!(drawn, "0.0 83.0 L300.0 3.0 L600.0 43.0");
        let many: Vec<(f64, f64)> = (0..720).map(|at| (f64::from(720 - at), 1.0)).collect();
        assert!(curve(&many, 1.0).split('L').count() <= DRAWN_MAX);
        // Nothing is divided by nothing.
        assert!(!curve(&[(1.0, 0.0), (0.0, 0.0)], 0.0).contains("NaN"));
        assert!(plot("x", &[], |value| value.to_string()).into_string().contains("no values yet"));
    }
}
