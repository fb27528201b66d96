//! The same proxy over pingora's own `MemCache`, with the same flags: how to run it over another storage, and what
//! `cargo xtask bench` compares it with.

use std::process::ExitCode;

use clap::Parser;
use forebay_proxy::flags::Flags;
use forebay_proxy::server;
use forebay_proxy::store::Store;
use pingora_cache::MemCache;

/// As in the proxy itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let served = Flags::parse().check().and_then(|config| {
        // pingora takes storages for the rest of the process.
        let storage = Box::leak(Box::new(MemCache::new()));
        server::run_with(config, |_| Ok(Store::over(storage)))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memcache: {error}");
            ExitCode::FAILURE
        }
    }
}
