//! Arbitrary bytes as the contents of a block of entries.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    millstream_inputs::check_block(data);
});
