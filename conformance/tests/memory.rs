//! The memory storage under the whole contract.

#[path = "backends/memory.rs"]
mod memory;

fn main() -> std::process::ExitCode {
    forebay_conformance::main(memory::Memory::default())
}
