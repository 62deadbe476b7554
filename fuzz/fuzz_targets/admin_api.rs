//! Arbitrary requests to the dashboard.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    millstream_inputs::check_admin_requests(data);
});
