//! The `forebay-proxy` program: flags in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use forebay_proxy::flags::Flags;
use forebay_proxy::server;

/// The exit code for flags, an origin, a directory or a capacity that cannot be used; clap uses it as well.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let flags = Flags::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match flags.check().and_then(server::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(unusable) => {
            eprintln!("forebay-proxy: {unusable}");
            ExitCode::from(UNUSABLE)
        }
    }
}
