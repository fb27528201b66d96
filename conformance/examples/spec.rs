//! Prints SPEC.md as `rules.toml` makes it.

fn main() {
    print!("{}", forebay_conformance::spec::render());
}
