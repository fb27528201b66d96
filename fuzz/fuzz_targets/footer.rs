//! Bytes as the footer of a log.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forebay_disk::fuzzing::footer(bytes));
