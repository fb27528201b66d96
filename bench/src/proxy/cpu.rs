//! CPU time of a process and its descendants, out of /proc.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// What a tick of /proc's times is on Linux, whatever the kernel's own: a hundredth of a second.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process and of all that descend from it. Those that have ended are not in it.
pub(super) fn of_tree(root: u32) -> Duration {
    let processes: HashMap<u32, Stat> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::read(pid)?)))
        .collect();
    processes
        .keys()
        .filter(|pid| descends(**pid, root, &processes))
        .map(|pid| processes[pid].cpu)
        .sum()
}

struct Stat {
    parent: u32,
    cpu: Duration,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// `pid (name) state ppid …`, and as fields 14 and 15 the times; a name may hold spaces and brackets.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let field = |number: usize| rest.split(' ').nth(number - 3)?.parse::<u32>().ok();
        Some(Stat {
            parent: field(4)?,
            cpu: TICK * (field(14)? + field(15)?),
        })
    }
}

fn descends(pid: u32, root: u32, processes: &HashMap<u32, Stat>) -> bool {
    let mut next = Some(pid);
    while let Some(pid) = next {
        if pid == root {
            return true;
        }
        next = processes.get(&pid).map(|stat| stat.parent);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_is_read_past() {
        let stat = Stat::parse("7 (a) b) S 5 7 7 0 -1 4 1 0 0 0 12 3 0 0 20 0 1 0").unwrap();
        assert_eq!((stat.parent, stat.cpu), (5, TICK * 15));
    }

    #[test]
    fn work_of_this_process_is_seen() {
        let before = of_tree(std::process::id());
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while of_tree(std::process::id()) == before {
            assert!(
                std::time::Instant::now() < deadline,
                "busy for a minute, and no CPU time"
            );
        }
    }
}
