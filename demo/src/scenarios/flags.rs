//! Flags that cannot be used: the proxy says so in one line and ends, rather than serve in a way nobody asked for.

use std::process::Command;

use super::Seen;
use crate::Failure;
use crate::cleanup::ScratchDir;
use crate::process::Process;
use crate::proxy::PATIENCE;
use crate::stage::Stage;

pub(super) fn refused(stage: &mut Stage) -> Result<Seen, Failure> {
    let scratch = ScratchDir::new()?;
    let file = scratch.path().join("a-file");
    std::fs::write(&file, "not a directory")?;
    let file = file.to_string_lossy().into_owned();
    let origin = format!("http://{}", stage.origin.addr());
    let taken = stage.origin.addr().to_string();
    let cases: [&[&str]; 8] = [
        &[],
        &["--origin", "no url"],
        &["--origin", &origin, "--listen", "nowhere"],
        &["--origin", &origin, "--listen", &taken],
        &["--origin", &origin, "--cache-dir", &file],
        &["--origin", &origin, "--disk-capacity", "plenty"],
        &["--origin", &origin, "--memory-capacity", "0"],
        &["--origin", &origin, "--no-such-flag"],
    ];
    let mut complaints = Vec::new();
    for flags in &cases {
        (stage.progress)(&flags.join(" "));
        complaints.extend(complaint(stage, flags)?);
    }
    let good = cases.len() - complaints.len();
    let facts = format!("{good} of {} end at once with code 2 and one line", cases.len());
    let complaints = complaints
        .iter()
        .map(|complaint| format!("; {complaint}"))
        .collect::<String>();
    Ok((facts + &complaints).into())
}

/// What was wrong with how the proxy took `flags`, if anything was.
fn complaint(stage: &Stage, flags: &[&str]) -> Result<Option<String>, Failure> {
    let flags_line = flags.join(" ");
    let mut process = Process::spawn(Command::new(&stage.proxy.settings().binary).args(flags))?;
    let Ok((status, said)) = process.ended(PATIENCE) else {
        return Ok(Some(format!("`{flags_line}` goes on running")));
    };
    if status.code() == Some(2) && said.len() == 1 && !said[0].trim().is_empty() {
        return Ok(None);
    }
    let first = said.first().map_or("", String::as_str);
    Ok(Some(format!(
        "`{flags_line}` {status}, {} lines of stderr: {first}",
        said.len()
    )))
}
