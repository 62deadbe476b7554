//! Arbitrary client bytes: the parser agrees with the naive reference, however the input is cut.

#![no_main]

#[allow(dead_code, reason = "the property tests use more of it than one target does")]
#[path = "../../crates/resp/tests/it/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check_request_input(data));
