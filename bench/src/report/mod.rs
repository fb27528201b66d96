//! The report of a run: kept as JSON, printed as tables, drawn as plots.

pub mod figure;
pub mod goals;
pub mod machine;
mod markdown;
pub mod plot;
pub mod rows;
pub mod words;

use crate::Failure;
use crate::measurement::Measurement;
use figure::Figure;
use machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Between these lines of a README stands what was measured.
const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";
const JSON: &str = "bench.json";

/// All that was measured, by area.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    areas: BTreeMap<String, Area>,
}

/// What was measured in one area, where and when.
#[derive(Debug, Serialize, Deserialize)]
struct Area {
    machine: Machine,
    quick: bool,
    figures: Vec<Figure>,
}

impl Report {
    /// The report of earlier runs in this folder; an empty one where there is none.
    ///
    /// # Errors
    /// Where there is one that cannot be read.
    pub fn load(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(JSON);
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)
                .map_err(|error| format!("{}: {error}; remove it to begin anew", path.display()).into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Report::default()),
            Err(error) => Err(format!("{}: {error}", path.display()).into()),
        }
    }

    /// Takes what was measured just now for an area, in place of what was there.
    pub fn replace(&mut self, area: &str, measured: Vec<Measurement>, quick: bool) {
        if measured.is_empty() {
            return;
        }
        let figures = measured.into_iter().map(Figure::from).collect();
        let machine = Machine::this();
        self.areas.insert(
            area.to_owned(),
            Area {
                machine,
                quick,
                figures,
            },
        );
    }

    /// Goals and tables, for a terminal.
    pub fn terminal(&self) -> String {
        let mut text = String::new();
        for (name, area) in &self.areas {
            text += &format!("\n── {name}, {}{}\n\n", area.machine, area.remark());
            text += &words::aligned(&rows::table(&area.figures));
        }
        text += "\n── goals\n\n";
        text + &words::aligned(&goals::table(&self.figures()))
    }

    /// Writes JSON, Markdown and plots into a folder.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let save = |name: &str, content: String| {
            let path = folder.join(name);
            fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))
        };
        fs::create_dir_all(folder)?;
        save(JSON, serde_json::to_string_pretty(self)? + "\n")?;
        save("README.md", markdown::page(self))?;
        for (name, svg) in plot::all(&self.figures()) {
            save(&name, svg)?;
        }
        Ok(())
    }

    /// Puts plots and the short table between the markers of a README; `folder` is where the plots are.
    ///
    /// # Errors
    /// Where the README cannot be written, or has no markers.
    pub fn put_into(&self, readme: &Path, folder: &Path) -> Result<(), Failure> {
        let text = fs::read_to_string(readme)?;
        let parts = text
            .split_once(BEGIN)
            .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) =
            parts.ok_or_else(|| format!("{}: without {BEGIN} and {END}", readme.display()))?;
        let beside = readme.parent().unwrap_or(Path::new(""));
        let prefix = folder
            .strip_prefix(beside)
            .unwrap_or(folder)
            .to_string_lossy()
            .into_owned();
        let section = markdown::section(self, &prefix);
        Ok(fs::write(
            readme,
            format!("{before}{BEGIN}\n{section}{END}{after}"),
        )?)
    }

    fn figures(&self) -> Vec<&Figure> {
        self.areas.values().flat_map(|area| &area.figures).collect()
    }
}

impl Area {
    fn remark(&self) -> &'static str {
        if self.quick { ", quick: rough figures" } else { "" }
    }
}

#[cfg(test)]
mod tests;
