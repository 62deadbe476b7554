//! Arbitrary bytes as the image of a value (RESTORE).

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    millstream_inputs::check_image(data);
});
