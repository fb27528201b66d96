//! Bytes as a record of a log.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forebay_disk::fuzzing::record(bytes));
