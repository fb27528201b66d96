//! Whose code a request's CPU time goes to, as a Markdown table: `cargo run --release -p forebay-bench --example profile`.

fn main() -> std::process::ExitCode {
    let table = forebay_bench::proxy::profile::table();
    forebay_bench::folder::remove_emptied();
    match table {
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
