//! Streams that one command can read are read by one worker; those of a Cluster's other slots have
//! workers of their own.
//!
//! So a server that is dead or slow holds up what is on it and nothing else. What all workers of a
//! consumer share are the places of its handlers, which are given away in the order in which they
//! are asked for: a stream with much to do takes no turn from one with little.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::builder::Settings;
use super::priorities::Priorities;
use super::slots::{SharedSlots, Slots};
use crate::{DeadLetters, Error, Millstream};

/// The settings of each worker, and its share of the places for handlers. Messages that may wait
/// for their turn are divided among the workers; where streams have weights, by weight.
pub(super) fn divide(millstream: &Millstream, settings: &Settings) -> Vec<(Settings, Slots)> {
    let mut places: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for stream in &settings.streams {
        let place = millstream.backend().place_of(stream.as_bytes());
        places.entry(place).or_default().push(stream.clone());
    }
    let slots = match &settings.priorities {
        Some(Priorities::Weighted(weights)) => SharedSlots::weighted(settings.concurrency, weights),
        Some(Priorities::Strict) if places.len() > 1 => {
            SharedSlots::strict(settings.concurrency, settings.streams.len())
        }
        _ => {
            let prefetch = settings.prefetch.unwrap_or(settings.count).div_ceil(places.len());
            let slots = Slots::new(settings.concurrency, places.len() == 1);
            let part = |streams| Settings { streams, prefetch: Some(prefetch), ..settings.clone() };
            return places.into_values().map(|it| (part(it), slots.clone())).collect();
        }
    };
    let slots = Arc::new(slots);
    let prefetch = settings.prefetch.unwrap_or(settings.count);
    let each = settings.streams.iter().enumerate().map(|(level, stream)| {
        // Handlers may be faster than reads: then what is at hand counts, and not the weight.
        let prefetch = match &settings.priorities {
            Some(Priorities::Weighted(weights)) => part_of(prefetch, level, weights),
            _ => prefetch,
        };
        let streams = vec![stream.clone()];
        let settings = Settings { streams, prefetch: Some(prefetch), ..settings.clone() };
        (settings, Slots::Shared(Arc::clone(&slots), level))
    });
    each.collect()
}

/// All for the heaviest one, and the others in proportion.
fn part_of(prefetch: usize, level: usize, weights: &[u32]) -> usize {
    let heaviest = weights.iter().copied().max().unwrap_or(1).max(1);
    let part = prefetch as u64 * u64::from(weights[level]);
    usize::try_from(part.div_ceil(heaviest.into())).unwrap_or(prefetch)
}

/// Dead letters are written in one step with what else that means, so they are in the stream's
/// place.
pub(super) fn check_letters(millstream: &Millstream, settings: &Settings) -> Result<(), Error> {
    for stream in &settings.streams {
        let letters = settings.dead_letters_of(millstream, stream);
        let place_of = |key: &str| millstream.backend().place_of(key.as_bytes());
        if place_of(&letters) != place_of(stream) {
            return Err(Error::Configuration(format!(
                "on a Cluster the dead letters of {stream} must be in its slot, and {letters} is \
                 not: give both the same {{tag}}"
            )));
        }
    }
    Ok(())
}

impl Settings {
    /// Where dead letters of a stream go.
    pub(super) fn dead_letters_of(&self, millstream: &Millstream, stream: &str) -> String {
        let named = self.dead_letter.clone();
        named.unwrap_or_else(|| {
            let letters = DeadLetters::of(millstream, stream).stream().to_vec();
            String::from_utf8(letters).expect("it is made of a text")
        })
    }
}
