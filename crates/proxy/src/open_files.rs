//! How many files the process may have open, connections among them.

use std::io;

use log::warn;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// More is of no use here, and what some systems name as their most they refuse to give.
const MOST: rlim_t = 1 << 20;

/// Asks for as many as the system lets the process have. What many start with, 1,024, is for programs of `select`.
pub(crate) fn raise_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(now, most)| match now < most.min(MOST) {
        true => setrlimit(Resource::RLIMIT_NOFILE, most.min(MOST), most),
        false => Ok(()),
    });
    if let Err(e) = raised {
        warn!("cannot raise the limit of open files: {e}");
    }
}

/// What to do about an error, where it is for want of open files.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EMFILE) => {
            "; raise the limit of open files (ulimit -Hn, or LimitNOFILE of systemd)"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_advice_where_files_are_wanting_and_only_there() {
        let advice = |errno| advice(&io::Error::from_raw_os_error(errno as i32));
        assert!(advice(nix::errno::Errno::EMFILE).contains("open files"));
        assert_eq!(advice(nix::errno::Errno::ECONNABORTED), "");
    }
}
