//! The disk store as a whole: very many entries, latency under load, slow fills, one huge body.

use super::Setting;
use crate::Failure;
use crate::child;
use crate::comparison::{Comparison, Entrant, Plan, Work, compare};
use crate::contender::Subject;
use crate::contender::native::Native;
use crate::measurement::{Measurement, Unit};
use crate::objects::{self, CHUNK_BYTES, key, meta};
use crate::stats::quantile;
use crate::timing::{self, Stopwatch};
use forebay_core::{PurgeType, SpanHandle, Storage};
use forebay_disk::{DiskOptions, DiskStorage};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const AREA: &str = "store";
const OURS: &str = "forebay-disk";

pub(super) fn measure(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let mut measured = latency_while_filling(setting)?;
    measured.extend(huge_body(setting)?);
    measured.extend(memory_in_flight(setting));
    measured.extend(million(setting)?);
    Ok(measured)
}

fn figure(operation: &str, contender: &str, unit: Unit, rounds: Vec<f64>, note: String) -> Measurement {
    Measurement {
        area: AREA,
        operation: operation.to_owned(),
        size_bytes: None,
        concurrency: 1,
        contender: contender.to_owned(),
        unit,
        rounds,
        note: Some(note),
    }
}

/// A million entries: what the index takes, and how long an open takes after a close and after a kill.
fn million(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let (entries, rounds) = if setting.quick {
        (100_000_u64, 1)
    } else {
        (1_000_000, 3)
    };
    let (mut clean, mut killed, mut index) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let dir = setting.folder("million")?;
        let path = dir.path().join("store").to_string_lossy().into_owned();
        fill_and_kill(&path, entries)?;
        let opened = child::ask(&["open", &path])?;
        expect_entries(&opened, entries)?;
        killed.push(number(&opened, "nanoseconds")?);
        let opened = child::ask(&["open", &path])?;
        expect_entries(&opened, entries)?;
        clean.push(number(&opened, "nanoseconds")?);
        index.push(number(&opened, "growth_bytes")? / entries as f64);
    }
    let note = || format!("{entries} entries, page cache warm");
    let time = Unit::NanosecondsPerOperation;
    Ok(vec![
        figure("open after a clean close", OURS, time, clean, note()),
        figure("open after SIGKILL", OURS, time, killed, note()),
        figure(
            "index per entry",
            OURS,
            Unit::BytesPerEntry,
            index,
            format!("{entries} entries, growth of resident memory by an open"),
        ),
    ])
}

/// A child fills a store and is killed; all it had finished has to be there.
fn fill_and_kill(path: &str, entries: u64) -> Result<(), Failure> {
    eprintln!("bench: child fill {path} {entries}, to be killed");
    let mut child = child::command(&["fill", path, &entries.to_string(), "wait"])?
        .stdin(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().ok_or("the child has no stdout")?;
    BufReader::new(stdout).read_line(&mut line)?;
    child.kill()?;
    child.wait()?;
    if line.is_empty() {
        return Err("the child that fills ended before it was killed".into());
    }
    Ok(())
}

fn expect_entries(opened: &Value, entries: u64) -> Result<(), Failure> {
    let found = number(opened, "entries")? as u64;
    if found == entries {
        Ok(())
    } else {
        Err(format!("{found} entries of {entries} after an open").into())
    }
}

fn number(answer: &Value, field: &str) -> Result<f64, Failure> {
    Ok(answer[field]
        .as_f64()
        .ok_or_else(|| format!("a child's answer without {field}: {answer}"))?)
}

/// p99 of hits of a store that is idle otherwise, and of one that is filled as fast as it goes, in turns.
fn latency_while_filling(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let (rounds, round) = if setting.quick { (2, 300) } else { (7, 1500) };
    let (size, count, dir) = (16 << 10, 1000, setting.folder("latency")?);
    let store = DiskOptions::new(dir.path().join("store"))
        .capacity_bytes(512 << 20)
        .open()?;
    let subject = Arc::new(Native::new(OURS, Arc::new(store), count)?);
    let body = objects::body(size);
    let (mut idle, mut filling) = (Vec::new(), Vec::new());
    eprintln!("bench: store, p99 of hits, idle and while filling");
    for _ in 0..rounds {
        timing::runtime().block_on(async {
            for id in 0..count {
                subject.put(id, &body).await?;
            }
            Ok::<_, Failure>(())
        })?;
        let round = Duration::from_millis(round);
        idle.push(p99(&subject, count, round)?);
        let stop = Arc::new(AtomicBool::new(false));
        let filler = timing::runtime().spawn(fill_until(subject.clone(), body.clone(), stop.clone()));
        filling.push(p99(&subject, count, round)?);
        stop.store(true, Ordering::Relaxed);
        timing::runtime().block_on(filler)??;
    }
    let note = "16 KiB, one reader and one writer that evicts as it goes";
    let time = Unit::NanosecondsPerOperation;
    Ok(vec![
        figure("hit p99, idle", OURS, time, idle, note.to_owned()),
        figure("hit p99, filling", OURS, time, filling, note.to_owned()),
    ])
}

async fn fill_until(subject: Arc<Native>, body: bytes::Bytes, stop: Arc<AtomicBool>) -> Result<(), Failure> {
    for id in 1 << 32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        subject.put(id, &body).await?;
    }
    Ok(())
}

fn p99(subject: &Arc<Native>, count: u64, round: Duration) -> Result<f64, Failure> {
    let subject = subject.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let (started, mut taken) = (Instant::now(), Vec::new());
        for i in 0_u64.. {
            let before = Instant::now();
            if before - started >= round {
                break;
            }
            // What was evicted meanwhile is a miss, and no hit's latency.
            if subject.get(i * 7919 % count).await?.is_some() {
                taken.push(before.elapsed().as_nanos() as f64);
            }
        }
        Ok(quantile(&taken, 0.99).ok_or("no hit at all in a round")?)
    })
}

/// One body of a GiB, streamed in, beside the same bytes by plain `write(2)`.
fn huge_body(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let bytes: u64 = if setting.quick { 128 << 20 } else { 1 << 30 };
    let dir = setting.folder("huge")?;
    let what = Comparison {
        area: AREA,
        operation: "stream one body".to_owned(),
        size_bytes: Some(bytes),
        concurrency: 1,
        operations_max: 1,
    };
    eprintln!("bench: store, one body of {bytes} bytes");
    let store = DiskOptions::new(dir.path().join("store"))
        .capacity_bytes(5 * bytes)
        .open()?;
    let entrant = |contender: &str, note: &str, work: Work| Entrant {
        contender: contender.to_owned(),
        note: Some(note.to_owned()),
        work: Ok(work),
    };
    let warm = dir.path().join("warm");
    write_file(&warm, bytes)?;
    let fresh = dir.path().join("fresh");
    let entrants = vec![
        entrant("forebay-disk", "into new files", stream_into(store, bytes)),
        entrant("write(2)", "a new file", plain_write(fresh, bytes, true)),
        entrant(
            "write(2), warm",
            "over a file in the page cache",
            plain_write(warm, bytes, false),
        ),
    ];
    let plan = Plan {
        rounds: if setting.quick { 2 } else { 5 },
        round: Duration::from_nanos(1),
    };
    setting.memory.fill();
    Ok(compare(&what, plan, entrants))
}

fn stream_into(store: DiskStorage, bytes: u64) -> Work {
    let chunk = objects::body(CHUNK_BYTES);
    Box::new(move |_| {
        timing::runtime().block_on(async {
            let trace = SpanHandle::none();
            // As the plain file is removed first: whose pages are used again matters more than who writes.
            store
                .purge(&key(0).to_compact(), PurgeType::Invalidation, &trace)
                .await?;
            let stopwatch = Stopwatch::new();
            let mut miss = store.get_miss_handler(&key(0), &meta()?, &trace).await?;
            for _ in 0..bytes / CHUNK_BYTES as u64 {
                miss.write_body(bytes::Bytes::copy_from_slice(&chunk), false)
                    .await?;
            }
            miss.finish().await?;
            Ok(stopwatch.sample())
        })
    })
}

fn plain_write(path: std::path::PathBuf, bytes: u64, is_fresh: bool) -> Work {
    Box::new(move |_| {
        if is_fresh && path.exists() {
            std::fs::remove_file(&path)?;
        }
        let stopwatch = Stopwatch::new();
        write_file(&path, bytes)?;
        Ok(stopwatch.sample())
    })
}

fn write_file(path: &Path, bytes: u64) -> Result<(), Failure> {
    let chunk = objects::body(CHUNK_BYTES);
    let mut file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(path)?;
    for _ in 0..bytes / CHUNK_BYTES as u64 {
        file.write_all(&bytes::Bytes::copy_from_slice(&chunk))?;
    }
    Ok(())
}

/// What writes in progress and their followers take, each store in a process of its own.
fn memory_in_flight(setting: Setting<'_>) -> Vec<Measurement> {
    let mut measured = Vec::new();
    for store in ["forebay-disk", "forebay-memory"] {
        let asked = setting.folder("followers").and_then(|dir| {
            let answer = child::ask(&["followers", &dir.path().join("store").to_string_lossy(), store])?;
            Ok((
                number(&answer, "peak_bytes")?,
                number(&answer, "in_flight_bytes")?,
            ))
        });
        let (rounds, note) = match asked {
            Ok((peak, in_flight)) => {
                let note =
                    format!("growth of resident memory {peak:.0} bytes, bodies in flight {in_flight:.0}");
                (vec![peak / in_flight], note)
            }
            Err(failure) => (Vec::new(), failure.to_string()),
        };
        let operation = "10,000 followers on 100 slow fills: memory by bytes in flight";
        measured.push(figure(operation, store, Unit::Ratio, rounds, note));
    }
    let bytes: u64 = if setting.quick { 128 << 20 } else { 1 << 30 };
    let asked = setting.folder("stream").and_then(|dir| {
        let path = dir.path().join("store");
        number(
            &child::ask(&["stream", &path.to_string_lossy(), &bytes.to_string()])?,
            "peak_bytes",
        )
    });
    let (rounds, note) = match asked {
        Ok(peak) => (vec![peak], format!("one body of {bytes} bytes, with a follower")),
        Err(failure) => (Vec::new(), failure.to_string()),
    };
    measured.push(figure(
        "memory of one streamed body",
        OURS,
        Unit::Bytes,
        rounds,
        note,
    ));
    measured
}
