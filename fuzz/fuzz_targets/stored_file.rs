//! A store one of whose files has other bytes somewhere.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    millstream_inputs::check_stored_file(data);
});
