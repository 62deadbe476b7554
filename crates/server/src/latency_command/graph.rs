//! The samples of an event as a drawing of letters, as Redis draws it.
//!
//! Each sample is a column. Its height has twelve steps: four rows with a low, a middle and a high
//! sign each, and a line below. Under it stands how long ago it was.

use std::fmt::Write as _;

use crate::latency::Series;

const COLUMNS: usize = 80;
const ROWS: usize = 4;
/// What a row shows of a height that ends in it, by steps.
const SIGNS: [u8; 3] = *b"_o#";
const STEM: u8 = b'|';

/// A column: its height in steps, and what stands below.
struct Column {
    step: usize,
    label: String,
}

pub(super) fn draw(event: &str, series: &Series, now_s: u64) -> String {
    let took = || series.samples.iter().map(|sample| sample.took_ms);
    let (high, low) = (took().max().unwrap_or(0), took().min().unwrap_or(0));
    let mut text =
        format!("{event} - high {high} ms, low {low} ms (all time high {} ms)\n", series.worst_ms);
    let _ = writeln!(text, "{}", "-".repeat(COLUMNS));
    let steps = SIGNS.len() * ROWS;
    let range = (high - low).max(1) as usize;
    let column = |sample: &crate::latency::Sample| Column {
        step: ((sample.took_ms - low) as usize * steps / range).min(steps - 1),
        label: age(now_s.saturating_sub(sample.at_s)),
    };
    let columns: Vec<Column> = series.samples.iter().map(column).collect();
    let pieces: Vec<String> = columns.chunks(COLUMNS).map(draw_piece).collect();
    text + &pieces.join("\n")
}

fn draw_piece(columns: &[Column]) -> String {
    let mut text = String::new();
    let mut line = |sign: &dyn Fn(&Column) -> u8| {
        text.extend(columns.iter().map(|column| char::from(sign(column))));
        text.push('\n');
    };
    for row in (0..ROWS).rev() {
        let start = row * SIGNS.len();
        line(&|column| match column.step.checked_sub(start) {
            None => b' ',
            Some(above) => SIGNS.get(above).copied().unwrap_or(STEM),
        });
    }
    line(&|_| b' ');
    let label_length = columns.iter().map(|column| column.label.len()).max().unwrap_or(0);
    for at in 0..label_length {
        line(&|column| column.label.as_bytes().get(at).copied().unwrap_or(b' '));
    }
    text
}

/// `5s`, `3m`, `2h`, `1d`
fn age(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Sample;

    fn series(samples: &[(u64, u64)]) -> Series {
        let samples = samples.iter().map(|&(at_s, took_ms)| Sample { at_s, took_ms }).collect();
        Series { samples, worst_ms: 60 }
    }

    #[test]
    fn one_sample_is_drawn_as_redis_draws_it() {
        let rule = "-".repeat(80);
        assert_eq!(
            draw("command", &series(&[(100, 60)]), 100),
            format!(
                "command - high 60 ms, low 60 ms (all time high 60 ms)\n{rule}\n \n \n \n_\n \n0\ns\n"
            )
        );
    }

    #[test]
    fn heights_grow_in_steps_and_ages_stand_below() {
        let drawn = draw("x", &series(&[(0, 10), (40, 20), (80, 35), (99, 60)]), 100);
        let lines: Vec<&str> = drawn.lines().skip(2).collect();
        assert_eq!(lines, ["   #", "  _|", "  ||", "_#||", "    ", "1121", "mm0s", "  s "]);
    }
}
