//! Arbitrary records of the log, behind checksums that are right.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    millstream_inputs::check_log_records(data);
});
