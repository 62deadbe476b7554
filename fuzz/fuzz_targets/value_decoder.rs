//! Arbitrary server bytes: the decoder never panics, stays small, and what it reads round-trips.

#![no_main]

#[allow(dead_code, reason = "the property tests use more of it than one target does")]
#[path = "../../crates/resp/tests/it/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check_value_input(data));
