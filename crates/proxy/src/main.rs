//! The `forebay-proxy` program: flags in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use forebay_proxy::flags::Flags;
use forebay_proxy::server;

/// Each request takes and gives back buffers of many sizes, up to 64 KiB.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code for flags, an origin, a directory or a capacity that cannot be used.
const UNUSABLE: u8 = 2;

/// Problems, but not that stored heads are compressed without a dictionary, which is as intended.
const LOG_FILTER: &str = "warn,pingora_cache::meta=error";

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(help) if !help.use_stderr() => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
        Err(e) => return unusable(&first_paragraph(&e.to_string())),
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(LOG_FILTER)).init();
    match flags.check().and_then(server::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => unusable(&e),
    }
}

fn unusable(what: &str) -> ExitCode {
    eprintln!("forebay-proxy: {what}");
    ExitCode::from(UNUSABLE)
}

/// What is wrong, in one line, without clap's advice below it.
fn first_paragraph(message: &str) -> String {
    let lines: Vec<&str> = message
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .collect();
    let line = lines.join(" ");
    line.strip_prefix("error: ").map_or(line.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clap_refuses_is_told_in_one_line() {
        for (args, says) in [
            (
                &["p"][..],
                "the following required arguments were not provided: --origin <URL>",
            ),
            (
                &["p", "--origin", "http://a", "--threads", "x"],
                "invalid value 'x' for '--threads <N>': invalid",
            ),
            (&["p", "--frob"], "unexpected argument '--frob' found"),
        ] {
            let line = first_paragraph(&Flags::try_parse_from(args).unwrap_err().to_string());
            assert!(line.starts_with(says), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }
}
