//! Bytes as an encoded meta.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forebay_disk::fuzzing::meta(bytes));
