//! Arbitrary lines as commands.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    millstream_inputs::check_commands(data);
});
