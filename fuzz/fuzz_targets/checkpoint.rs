//! Arbitrary records of a checkpoint, behind checksums that are right.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    millstream_inputs::check_checkpoint_records(data);
});
