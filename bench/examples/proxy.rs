//! The proxy level alone, as a plain table: `cargo run --release -p forebay-bench --example proxy [-- --quick]`.

use forebay_bench::proxy;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    for measured in proxy::measure(quick) {
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
}
