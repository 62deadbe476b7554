//! Arbitrary lines as settings, a name and a value each.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    millstream_inputs::check_config(data);
});
