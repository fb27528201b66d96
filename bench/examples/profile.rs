//! Whose code a request's CPU time goes to, as a Markdown table: `cargo run --release -p forebay-bench --example profile`.

fn main() -> std::process::ExitCode {
    match forebay_bench::proxy::profile::table() {
        Ok(table) => {
            print!("{table}");
            std::process::ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("profile: {why}");
            std::process::ExitCode::FAILURE
        }
    }
}
