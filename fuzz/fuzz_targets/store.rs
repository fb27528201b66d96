//! Bytes as the log of a store that is looked into, opened and read.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime of one thread needs nothing");
    let dir = tempfile::tempdir().expect("a directory for the store");
    runtime.block_on(forebay_disk::fuzzing::store(dir.path(), bytes));
});
