//! Arbitrary bytes as a file of users, and as the rules of ACL SETUSER.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    millstream_inputs::check_acl(data);
});
