//! The disk storage under the whole contract.

#[path = "backends/disk.rs"]
mod disk;

fn main() -> std::process::ExitCode {
    forebay_conformance::main(disk::Disk::default())
}
