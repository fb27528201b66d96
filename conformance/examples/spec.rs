//! Writes SPEC.md and the enum of the rules anew, as `rules.toml` makes them.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let made = [
        ("SPEC.md", forebay_conformance::spec::render()),
        ("src/rules/id.rs", forebay_conformance::spec::render_ids()),
    ];
    for (file, text) in made {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        std::fs::write(&path, text)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
