//! Streams that one command can read are read by one worker; those of a Cluster's other slots have
//! workers of their own.
//!
//! So a server that is dead or slow holds up what is on it and nothing else. What all workers of a
//! consumer share are the slots of its handlers, which are given away in the order in which they
//! are asked for: a stream with much to do takes no turn from one with little.

use std::collections::BTreeMap;

use super::builder::Settings;
use super::policy::Prepared;
use super::slots::Slots;
use crate::{DeadLetters, Error, Millstream};

/// What each worker begins with. Messages that may wait for their turn are divided among them.
pub(super) fn divide(
    millstream: &Millstream,
    settings: Settings,
    prepared: Prepared,
) -> Vec<(Settings, Prepared)> {
    let mut places: BTreeMap<u16, (Vec<String>, Vec<_>)> = BTreeMap::new();
    for (stream, done_until) in settings.streams.iter().zip(&prepared.done_until) {
        let place = places.entry(millstream.backend().place_of(stream)).or_default();
        place.0.push(stream.clone());
        place.1.push(*done_until);
    }
    if places.len() < 2 {
        return vec![(settings, prepared)];
    }
    let prefetch = Some(settings.prefetch.unwrap_or(settings.count).div_ceil(places.len()));
    let slots = Some(Slots::new(settings.concurrency));
    let part = |(streams, done_until)| {
        let slots = slots.clone();
        let settings = Settings { streams, prefetch, slots, ..settings.clone() };
        (settings, Prepared { lease: prepared.lease, done_until })
    };
    places.into_values().map(part).collect()
}

/// Dead letters are written in one step with what else that means, so they are in the stream's
/// place; what goes strictly before the rest is in one place with it.
pub(super) fn check_places(millstream: &Millstream, settings: &Settings) -> Result<(), Error> {
    let place_of = |key: &str| millstream.backend().place_of(key);
    for stream in &settings.streams {
        let letters = settings.dead_letters_of(millstream, stream);
        if place_of(&letters) != place_of(stream) {
            return Err(Error::Configuration(format!(
                "on a Cluster the dead letters of {stream} must be in its slot, and {letters} is \
                 not: give both the same {{tag}}"
            )));
        }
        if settings.is_strict() && place_of(stream) != place_of(&settings.streams[0]) {
            return Err(Error::Configuration(
                "on a Cluster streams with strict priorities are in one slot: give them the same \
                 {tag}"
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

impl Settings {
    /// Where dead letters of a stream go.
    pub(super) fn dead_letters_of(&self, millstream: &Millstream, stream: &str) -> String {
        let named = self.dead_letter.clone();
        named.unwrap_or_else(|| DeadLetters::of(millstream, stream).stream().to_owned())
    }
}
