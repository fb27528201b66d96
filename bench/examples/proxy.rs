//! The proxy level alone, or a part of it, as a plain table:
//! `cargo run --release -p forebay-bench --example proxy -- --size 1048576 --contender forebay --operation fill`.

use clap::Parser;
use forebay_bench::folder;
use forebay_bench::proxy::{self, Choice};
use forebay_bench::used_memory::UsedMemory;
use std::path::Path;

/// What to measure; each may be given several times, and without any all is measured.
#[derive(Debug, Parser)]
struct Flags {
    /// Fewer sizes and rounds.
    #[arg(long)]
    quick: bool,
    /// Bodies of this size, in bytes.
    #[arg(long)]
    size: Vec<usize>,
    /// Contenders in whose names this occurs.
    #[arg(long)]
    contender: Vec<String>,
    /// A scenario: "hit one", "hit 1000", "range", "fill".
    #[arg(long)]
    operation: Vec<String>,
}

fn main() -> std::io::Result<()> {
    let flags = Flags::parse();
    let choice = Choice {
        sizes: flags.size,
        contenders: flags.contender,
        operations: flags.operation,
    };
    let memory = UsedMemory::new(flags.quick, Path::new("."))?;
    for measured in proxy::measure_chosen(flags.quick, &memory, &choice) {
        let mut rounds = measured.rounds;
        rounds.sort_by(f64::total_cmp);
        let median = rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN);
        println!(
            "{:<9} {:>8} {:>4} {:<30} {:<28} {:>12.0} {}",
            measured.operation,
            measured.size_bytes.unwrap_or_default(),
            measured.concurrency,
            measured.contender,
            format!("{:?}", measured.unit),
            median,
            measured.note.unwrap_or_default()
        );
    }
    folder::remove_emptied();
    Ok(())
}
