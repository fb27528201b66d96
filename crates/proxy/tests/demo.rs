//! The lines of `cargo xtask demo` as tests, one for each and for each store that it applies to.

use std::path::Path;

use forebay_demo::proxy::Store;
use forebay_demo::scenarios::{self, Scenario};
use forebay_demo::stage::{Scale, Stage};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let stores = [("disk", Store::Disk), ("memory", Store::Memory)];
    let trials = stores.iter().flat_map(|&(name, store)| {
        let applicable = scenarios::all()
            .into_iter()
            .filter(move |scenario| scenario.applies_to(store));
        applicable.map(move |scenario| {
            let name = format!("{name}::{}", scenario.name.replace(' ', "_"));
            Trial::test(name, move || play(&scenario, store))
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

/// Plays one scenario on a stage of its own.
fn play(scenario: &Scenario, store: Store) -> Result<(), Failed> {
    let proxy = Path::new(env!("CARGO_BIN_EXE_forebay-proxy"));
    let mut stage = Stage::set(proxy, store, Scale::TEST, |_| ())?;
    let seen = scenario.play(&mut stage);
    if seen.facts == scenario.expected {
        return Ok(());
    }
    let said = stage.proxy.said().join("\n  ");
    Err(format!(
        "\nexpected: {}\n    seen: {} {}\nstderr of the proxy:\n  {said}",
        scenario.expected, seen.facts, seen.figures
    )
    .into())
}
