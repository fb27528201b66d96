//! Writes SPEC.md anew, as `rules.toml` makes it.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("SPEC.md");
    std::fs::write(&path, forebay_conformance::spec::render())?;
    println!("wrote {}", path.display());
    Ok(())
}
