//! The command behind `cargo xtask bench`: measures the areas asked for, prints, and writes the report.

use clap::Parser;
use forebay_bench::area::{self, AREAS, Setting};
use forebay_bench::used_memory::UsedMemory;
use forebay_bench::{Failure, child, folder, report};
use std::path::PathBuf;
use std::process::ExitCode;

/// Ours and the peers, measured side by side.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Flags {
    /// The areas to measure; without any, all of them.
    areas: Vec<String>,
    /// Fewer sizes, fewer and shorter rounds: to see whether all works. The figures are rough.
    #[arg(long)]
    quick: bool,
    /// Lists the areas.
    #[arg(long)]
    list: bool,
    /// Where the report goes: JSON, Markdown and plots. Areas that are not measured keep what is there.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Where stores are made; it should be on the file system to be measured.
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    /// Puts table and plots into this README, between its markers.
    #[arg(long)]
    readme: Option<PathBuf>,
    /// Measures nothing, and makes the report anew from what was measured before.
    #[arg(long)]
    render: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((first, rest)) if first == "child" => child::run(rest),
        _ => run(&Flags::parse()),
    };
    folder::remove_emptied();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<(), Failure> {
    let known: Vec<_> = AREAS.iter().map(|(name, _)| *name).collect();
    if flags.list {
        AREAS
            .iter()
            .for_each(|(name, about)| println!("{name:8} {about}"));
        return Ok(());
    }
    if let Some(unknown) = flags.areas.iter().find(|area| !known.contains(&area.as_str())) {
        return Err(format!("no area \"{unknown}\"; there are {}", known.join(", ")).into());
    }
    let mut report = report::Report::load(&flags.out)?;
    if !flags.render {
        std::fs::create_dir_all(&flags.data)?;
        let memory = UsedMemory::new(flags.quick, &flags.data)?;
        let setting = Setting {
            quick: flags.quick,
            dir: &flags.data,
            memory: &memory,
        };
        for name in known {
            if flags.areas.is_empty() || flags.areas.iter().any(|area| area == name) {
                report.replace(name, area::measure(name, setting)?, flags.quick);
                // What is measured stays, whatever becomes of the areas after it.
                report.write(&flags.out)?;
            }
        }
    }
    print!("{}", report.terminal());
    report.write(&flags.out)?;
    if let Some(readme) = &flags.readme {
        report.put_into(readme, &flags.out)?;
    }
    eprintln!("bench: the report is in {}", flags.out.display());
    Ok(())
}
