//! The load generator: wrk, with a script for each kind of load.

use super::scenario::{Load, Scenario};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// What wrk saw in one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) requests: f64,
    pub(super) seconds: f64,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    /// Connections that failed, answers that were no success, or none.
    pub(super) errors: f64,
}

pub(super) fn is_installed() -> bool {
    Command::new("wrk").arg("-v").output().is_ok()
}

/// Loads a contender with a scenario. `run` makes the URLs of misses differ from those of every other run.
pub(super) fn run(
    address: SocketAddr,
    scenario: &Scenario,
    seconds: u64,
    run: u64,
    lines: &[(&str, &str)],
    scratch: &Path,
) -> Result<Seen, String> {
    let script = scratch.join("load.lua");
    fs::write(&script, lua(address, scenario, run, lines))
        .map_err(|error| format!("{}: {error}", script.display()))?;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--latency", "--timeout", "10s"])
        .args(["--connections", &scenario.connections.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .arg("--script")
        .arg(&script)
        .arg(format!("http://{address}/"))
        .output()
        .map_err(|error| format!("wrk: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| {
        format!(
            "wrk: {}: {text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Requests are formatted ahead, but for misses, each of which has its own.
fn lua(address: SocketAddr, scenario: &Scenario, run: u64, lines: &[(&str, &str)]) -> String {
    let headers: String = lines
        .iter()
        .map(|(name, value)| format!("headers[\"{name}\"] = \"{value}\"\n"))
        .collect();
    let requests = match scenario.load {
        Load::Misses | Load::MissesWhenFull => {
            let prefix = scenario.miss_path(run);
            format!(
                "local n = 0\nfunction request() n = n + 1; return wrk.format(\"GET\", \"{prefix}\" .. n, headers) end\n"
            )
        }
        _ => {
            let paths: String = (0..scenario.objects())
                .map(|index| format!("\"{}\",\n", scenario.path(index)))
                .collect();
            format!(
                "local paths = {{\n{paths}}}\nlocal requests = {{}}\nlocal n = 0\n\
                 function init() for i, path in ipairs(paths) do requests[i] = wrk.format(\"GET\", path, headers) end end\n\
                 function request() n = n % #requests + 1; return requests[n] end\n"
            )
        }
    };
    // With the host that the objects were stored under: it is part of the key.
    format!(
        "local headers = {{}}\nheaders[\"Host\"] = \"{address}\"\n{headers}{requests}\
         function done(summary, latency)\n  local e = summary.errors\n\
         print(string.format(\"seen: %d %d %d %d %d\", summary.requests, summary.duration, latency:percentile(50), \
         latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))\nend\n"
    )
}

/// The line of the script's `done`: times are in microseconds.
fn parse(text: &str) -> Option<Seen> {
    let line = text.lines().find_map(|line| line.strip_prefix("seen: "))?;
    let numbers: Vec<f64> = line.split(' ').filter_map(|part| part.parse().ok()).collect();
    let [requests, micros, p50, p99, errors] = numbers[..] else {
        return None;
    };
    Some(Seen {
        requests,
        seconds: micros / 1e6,
        p50_ns: p50 * 1e3,
        p99_ns: p99 * 1e3,
        errors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_script_is_read() {
        let seen = parse("Running 1s test\nseen: 1000 2000000 150 900 3\n").unwrap();
        assert_eq!((seen.requests, seen.seconds, seen.errors), (1000.0, 2.0, 3.0));
        assert_eq!((seen.p50_ns, seen.p99_ns), (150_000.0, 900_000.0));
        assert!(parse("unable to connect").is_none());
    }
}
