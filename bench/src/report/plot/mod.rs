//! The plots, as SVG: which there are, and from which figures.

mod bars;
mod lines;
mod svg;

use super::figure::Figure;
use crate::measurement::Unit;

/// A plot of lines over the size of the object: file name, title, and which figures.
const LINES: [(&str, &str, &str, &str); 6] = [
    (
        "memory-hit.svg",
        "Hit in memory, native, one thread",
        "memory",
        "hit",
    ),
    (
        "memory-fill.svg",
        "Fill in memory, native, full store",
        "memory",
        "fill, warm",
    ),
    (
        "disk-hit.svg",
        "Hit on disk, page cache warm, one thread",
        "disk",
        "hit",
    ),
    ("disk-fill.svg", "Fill on disk, full store", "disk", "fill, warm"),
    (
        "bridge-hit.svg",
        "Hit through pingora's trait, one thread",
        "bridge",
        "hit",
    ),
    (
        "bridge-fill.svg",
        "Fill through pingora's trait, full store",
        "bridge",
        "fill, warm",
    ),
];

/// A plot of bars: ratios of one of ours by size.
const BARS: [(&str, &str, &str, &str, &str); 4] = [
    (
        "bridge-memory-ratios.svg",
        "forebay-memory through pingora's trait",
        "bridge",
        "forebay-memory, bridge",
        "MemCache",
    ),
    (
        "bridge-disk-ratios.svg",
        "forebay-disk through pingora's trait",
        "bridge",
        "forebay-disk, bridge",
        "MemCache",
    ),
    (
        "disk-foyer-ratios.svg",
        "forebay-disk, native",
        "disk",
        "forebay-disk",
        "foyer",
    ),
    (
        "disk-file-ratios.svg",
        "forebay-disk, native",
        "disk",
        "forebay-disk",
        "file per object",
    ),
];

/// A plot of bars: the CPU time that each proxy takes for a request, beside one of ours.
const PROXIES: [(&str, &str, &str, &str); 3] = [
    (
        "proxy-hit-memory.svg",
        "Hits of one object",
        "hit one",
        "forebay-proxy in memory",
    ),
    (
        "proxy-hit-disk.svg",
        "Hits of a thousand objects",
        "hit 1000",
        "forebay-proxy on disk",
    ),
    (
        "proxy-fill.svg",
        "Fills of full stores",
        "fill, full store",
        "forebay-proxy on disk",
    ),
];
/// So many connections at a time.
const PROXY_CONNECTIONS: usize = 32;

/// All plots for which there are figures: file name and SVG.
pub fn all(figures: &[&Figure]) -> Vec<(String, String)> {
    let mut plots = Vec::new();
    for (file, title, area, ours, other) in BARS {
        let bars = ratios(figures, area, ours, other);
        if !bars.is_empty() {
            let title = format!("{title}: how many times as fast as {other}");
            plots.push((file.to_owned(), bars::draw(&title, &bars, &bars::Scale::Ratio)));
        }
    }
    for (file, title, operation, ours) in PROXIES {
        let bars = beside_proxy(figures, operation, ours);
        if !bars.is_empty() {
            let title = format!("{title}: CPU time per request, as a multiple of {ours}'s");
            plots.push((file.to_owned(), bars::draw(&title, &bars, &bars::Scale::Ratio)));
        }
    }
    for (file, title, area, operation) in LINES {
        let series = over_size(figures, area, operation);
        if series.iter().any(|series| series.points.len() > 1) {
            plots.push((file.to_owned(), lines::draw(title, &series)));
        }
    }
    let hit_ratios = hit_ratios(figures);
    if !hit_ratios.is_empty() {
        plots.push((
            "policy.svg".to_owned(),
            bars::draw(
                "Hit ratio, with room for an eighth of the objects",
                &hit_ratios,
                &bars::Scale::Share,
            ),
        ));
    }
    plots
}

fn ratios(figures: &[&Figure], area: &str, ours: &str, other: &str) -> Vec<bars::Bar> {
    let one_at_a_time = |f: &&&Figure| f.area == area && f.concurrency == 1;
    let wall = |f: &&&Figure| f.unit == Unit::NanosecondsPerOperation && f.size_bytes.is_some();
    let mut bars: Vec<_> = figures
        .iter()
        .filter(one_at_a_time)
        .filter(wall)
        .filter(|f| f.contender == ours)
        .filter_map(|f| {
            let other = figures
                .iter()
                .find(|o| o.contender == other && f.is_same_work(o))?;
            Some(bars::Bar {
                group: f.operation.clone(),
                label: super::words::size(f.size_bytes?),
                value: f.advantage(other)?,
                is_ours: true,
            })
        })
        .collect();
    // By operation in the order of their first appearance, by size within.
    let mut order: Vec<String> = Vec::new();
    for bar in &bars {
        if !order.contains(&bar.group) {
            order.push(bar.group.clone());
        }
    }
    bars.sort_by_key(|bar| order.iter().position(|group| *group == bar.group));
    bars
}

fn beside_proxy(figures: &[&Figure], operation: &str, ours: &str) -> Vec<bars::Bar> {
    let fits = |f: &&&Figure| {
        f.area == "proxy"
            && f.operation == operation
            && f.concurrency == PROXY_CONNECTIONS
            && f.unit == Unit::CpuNanosecondsPerOperation
    };
    let of_ours = figures.iter().filter(fits).filter(|f| f.contender == ours);
    let bars = of_ours.flat_map(|ours| {
        let others = figures.iter().filter(|other| ours.is_same_work(other));
        others
            .filter(|other| other.contender != ours.contender)
            .filter_map(|other| {
                Some(bars::Bar {
                    group: super::words::size(ours.size_bytes?),
                    label: other.contender.clone(),
                    value: other.median()? / ours.median()?,
                    is_ours: other.contender.starts_with("forebay"),
                })
            })
    });
    bars.collect()
}

fn over_size(figures: &[&Figure], area: &str, operation: &str) -> Vec<lines::Series> {
    let mut all: Vec<lines::Series> = Vec::new();
    for figure in figures {
        let fits = figure.area == area
            && figure.operation == operation
            && figure.concurrency == 1
            && figure.unit == Unit::NanosecondsPerOperation;
        let (true, Some(size), Some(median)) = (fits, figure.size_bytes, figure.median()) else {
            continue;
        };
        let at = all
            .iter()
            .position(|series| series.name == figure.contender)
            .unwrap_or_else(|| {
                let is_ours = figure.contender.starts_with("forebay");
                all.push(lines::Series {
                    name: figure.contender.clone(),
                    is_ours,
                    points: Vec::new(),
                });
                all.len() - 1
            });
        all[at].points.push((size as f64, median));
    }
    all
}

fn hit_ratios(figures: &[&Figure]) -> Vec<bars::Bar> {
    let policy = figures.iter().filter(|f| f.unit == Unit::HitRatio);
    let bars = policy.filter_map(|f| {
        Some(bars::Bar {
            group: f.operation.clone(),
            label: f.contender.clone(),
            value: f.median()?,
            is_ours: f.contender.starts_with("forebay"),
        })
    });
    bars.collect()
}
