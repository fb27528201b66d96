//! Files and directories that are not the storage's own.

use super::persistence::{entries, expect_all, files_below, reopen};
use crate::content::{Version, key};
use crate::context::{Context, Opened};
use crate::harness::Site;
use crate::ops::harness;
use crate::outcome::{Checked, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) async fn foreign(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (key, version) in entries() {
        store.put(&key, &version).await?;
    }
    let site = cx.close(store).await?;
    let mut files = vec![
        site.dir().join("README.txt"),
        site.dir().join("lost+found").join("photo.jpg"),
    ];
    for dir in std::fs::read_dir(site.dir())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|d| d.path().is_dir())
    {
        files.push(dir.path().join("notes of the operator"));
    }
    for file in &files {
        let made = std::fs::create_dir_all(file.parent().unwrap_or(file))
            .and_then(|()| std::fs::write(file, "mine"));
        made.map_err(|e| harness("a file of the operator", e))?;
    }
    let store = reopen(cx, site).await?;
    expect_all(&store).await?;
    store.put(&key("more"), &Version::new(9, 500_000)).await?;
    // The same directory, opened a second time: in one process, where locks of records refuse nothing.
    let caller = cx.caller();
    let what = "open of the same directory".to_owned();
    let show = |opened: &crate::Opened| {
        opened
            .as_ref()
            .map_or_else(|e| format!("Err({e})"), |_| "Ok".to_owned())
    };
    let second = caller.call(what, cx.harness.open(&store.site), show).await?;
    ensure(second.is_err(), "an error for a directory that is in use", "Ok")?;
    expect_all(&store).await?;
    let site = cx.close(store).await?;
    for file in &files {
        let intact = std::fs::read(file).is_ok_and(|content| content == b"mine");
        ensure(intact, format!("{} is left alone", file.display()), "it is not")?;
    }
    let store = reopen(cx, site).await?;
    expect_all(&store).await?;
    let site = cx.close(store).await?;
    unknown_version(cx, site).await?;
    directory_of_another(cx).await
}

/// A storage of a version that nobody knows is refused, and stays as it is.
async fn unknown_version(cx: &Context, site: Site) -> Checked<()> {
    let made = cx.harness.make_unknown_version(&site);
    if !made.map_err(|e| harness("a site of an unknown version", e))? {
        cx.note("an unknown format version was not tried: the harness makes none");
        return Ok(());
    }
    cx.log
        .note("closed; the site is made one of an unknown format version; opened".to_owned());
    let before = contents(&site.dir())?;
    let (site, opened) = cx.try_open(site).await?;
    ensure(opened.is_err(), "an error for an unknown format version", "Ok")?;
    expect_same(&before, &contents(&site.dir())?)
}

/// A directory that is no storage may be refused or used; what is in it stays.
async fn directory_of_another(cx: &Context) -> Checked<()> {
    let site = Site::new(None).map_err(|e| harness("a directory", e))?;
    let dir = site.dir();
    let made = std::fs::create_dir(dir.join("letters"))
        .and_then(|()| std::fs::write(dir.join("letters/to my bank.txt"), "mine"))
        .and_then(|()| std::fs::write(dir.join("log"), "mine too"));
    made.map_err(|e| harness("files of another", e))?;
    let before = contents(&dir)?;
    cx.log
        .note("opened on a directory with files of another".to_owned());
    let (site, opened) = cx.try_open(site).await?;
    if let Ok(store) = opened {
        store.put(&key("k"), &Version::new(1, 500_000)).await?;
        let site = cx.close(Opened { store, site }).await?;
        return expect_same(&before, &contents(&site.dir())?);
    }
    expect_same(&before, &contents(&site.dir())?)
}

/// Every file below a directory, with its bytes.
fn contents(dir: &Path) -> Checked<BTreeMap<PathBuf, Vec<u8>>> {
    let read = |file: PathBuf| {
        let bytes = std::fs::read(&file).map_err(|e| harness("reading a file", e))?;
        Ok((file, bytes))
    };
    files_below(dir).into_iter().map(read).collect()
}

/// What was there is there as it was.
fn expect_same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) -> Checked<()> {
    for (file, bytes) in before {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        ensure(
            after.get(file) == Some(bytes),
            format!("{name} is left alone"),
            "it was changed or removed",
        )?;
    }
    Ok(())
}
