//! Whose a directory is: a new store's, this store's, another process's, or no store's at all.

use super::{failed, not_ours};
use crate::format::StoreId;
use crate::format::fixed::{FIXED_BYTES, Format, decode_format, decode_segment, encode_format};
use crate::io::{File, Io, OpenMode, PathKind, read_full, write_full};
use crate::options::{DiskOptions, OnLocked, Sync};
use crate::segment::{Layout, body_generation, segment_number};
use crate::store::Store;
use forebay_core::{Error, ErrorKind, Result};
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A directory that is this process's now.
pub(super) struct Claim {
    pub(super) id: StoreId,
    pub(super) lock: Arc<dyn File>,
}

/// Takes the directory, or leaves it as it is; `None` if another process has it.
pub(super) fn claim(io: &dyn Io, layout: &Layout, sync: Sync) -> Result<Option<Claim>> {
    prepare_root(io, layout.root())?;
    expect_kinds(io, layout)?;
    identify(io, layout)?; // before anything is written into it
    let Some(lock) = lock(io, layout)? else {
        return Ok(None);
    };
    let id = match identify(io, layout)? {
        Identity::Known(id) => id,
        Identity::Told(id) => {
            log::warn!(
                "{} is damaged or gone; it is made again",
                layout.format().display()
            );
            write_format(io, layout, id)?;
            id
        }
        Identity::New => {
            let id = StoreId(RandomState::new().hash_one(std::process::id()));
            write_format(io, layout, id)?;
            id
        }
    };
    make_dirs(io, layout, sync)?;
    Ok(Some(Claim { id, lock }))
}

/// Makes what is gone of an open store's directory, and takes its lock where that is gone too.
pub(crate) fn claim_again(store: &Store) -> Result<()> {
    let (io, layout) = (store.io(), &store.layout);
    prepare_root(io, layout.root())?;
    expect_kinds(io, layout)?;
    let mut format_is_there = is_of_store(io, layout, store.id)?;
    match store.expect_own() {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let lock = lock(io, layout)?.ok_or_else(|| in_use(&store.options))?;
            format_is_there = is_of_store(io, layout, store.id)?;
            store.replace_lock(lock); // before anything that may fail: it is this store's from now on
        }
        Err(error) => return Err(failed("take", &layout.lock(), error)),
    }
    if !format_is_there {
        write_format(io, layout, store.id)?;
    }
    make_dirs(io, layout, store.options.sync)
}

/// Whether a directory says that it is this store's, or says nothing; an error where it is another's.
fn is_of_store(io: &dyn Io, layout: &Layout, id: StoreId) -> Result<bool> {
    match named(io, layout)? {
        Some(Identity::Known(known)) if known == id => Ok(true),
        Some(Identity::Told(told)) if told == id => Ok(false),
        None => Ok(false),
        Some(_) => Err(ErrorKind::Refused.error("the directory is another store's now")),
    }
}

/// The process whose id is in the LOCK file, in words; where something else is in it, no more than that there is one.
pub(crate) fn owner(io: &dyn Io, layout: &Layout) -> String {
    let text = read_start(io, &layout.lock()).ok().flatten().unwrap_or_default();
    let pid = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok());
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn make_dirs(io: &dyn Io, layout: &Layout, sync: Sync) -> Result<()> {
    let mut made = false;
    for dir in [layout.segments(), layout.bodies()] {
        let kind = io.kind(&dir).map_err(|error| failed("look at", &dir, error))?;
        if kind.is_none() {
            io.create_dir(&dir).map_err(|error| failed("make", &dir, error))?;
            made = true;
        }
    }
    if made && sync != Sync::Never {
        // Else all that is synced in them later could still be lost with their names.
        io.sync_dir(layout.root())
            .map_err(|error| failed("sync", layout.root(), error))?;
    }
    Ok(())
}

fn prepare_root(io: &dyn Io, root: &Path) -> Result<()> {
    match io.kind(root).map_err(|error| failed("look at", root, error))? {
        Some(PathKind::File) => Err(not_ours(root, "a directory")),
        Some(PathKind::Directory | PathKind::Other) => Ok(()), // a link to a directory is fine; listing it tells
        None => io.create_dir(root).map_err(|error| failed("make", root, error)),
    }
}

/// Refuses a link, or anything else, in the place of what a store has there.
fn expect_kinds(io: &dyn Io, layout: &Layout) -> Result<()> {
    let (file, dir) = ((PathKind::File, "a file"), (PathKind::Directory, "a directory"));
    for (path, (expected, named)) in [
        (layout.format(), file),
        (layout.new_format(), file),
        (layout.lock(), file),
        (layout.segments(), dir),
        (layout.bodies(), dir),
    ] {
        let kind = io.kind(&path).map_err(|error| failed("look at", &path, error))?;
        if kind.is_some_and(|kind| kind != expected) {
            return Err(not_ours(&path, named));
        }
    }
    Ok(())
}

/// Which store is in a directory. Finding out changes nothing.
pub(crate) enum Identity {
    /// The one that the FORMAT file names.
    Known(StoreId),
    /// The one that the segments name; the FORMAT file is lost or damaged.
    Told(StoreId),
    /// None, and one can be made.
    New,
}

pub(crate) fn identify(io: &dyn Io, layout: &Layout) -> Result<Identity> {
    if let Some(identity) = named(io, layout)? {
        return Ok(identity);
    }
    refuse_foreign(io, layout)?;
    Ok(Identity::New)
}

/// The store that a directory names, if it names one.
fn named(io: &dyn Io, layout: &Layout) -> Result<Option<Identity>> {
    let format = read_start(io, &layout.format()).map_err(|error| failed("read", &layout.format(), error))?;
    let format = format.as_deref().map_or(Format::Unreadable, decode_format);
    match format {
        Format::Known(id) => return Ok(Some(Identity::Known(id))),
        Format::OtherVersion(version) => return Err(other_version(layout, version)),
        Format::MaybeOtherVersion(_) | Format::Unreadable => {}
    }
    // The segments know as well. They do not know a version that this code does not know.
    if let Some(id) = id_of_segments(io, layout)? {
        return Ok(Some(Identity::Told(id)));
    }
    match format {
        Format::MaybeOtherVersion(version) => Err(other_version(layout, version)),
        _ => Ok(None),
    }
}

fn other_version(layout: &Layout, version: u32) -> Box<Error> {
    ErrorKind::Refused.error(format!(
        "{} is a store of format version {version}, and this program knows version {}: remove it, or give \
         another directory; nothing was changed",
        layout.root().display(),
        crate::format::VERSION
    ))
}

/// A directory without a FORMAT file can become a store only if there is nothing in it but what an open that was cut
/// short may have left, or a removal of all that came upon a write.
fn refuse_foreign(io: &dyn Io, layout: &Layout) -> Result<()> {
    let list = |dir: &Path| io.list(dir).map_err(|error| failed("list", dir, error));
    for (name, _) in list(layout.root())? {
        let path = layout.root().join(&name);
        let ours = match name.to_str() {
            Some("LOCK" | "FORMAT" | "FORMAT.new") => true,
            Some("segments" | "bodies") => {
                let is_body = |name: &OsString| name.to_str().and_then(body_generation).is_some();
                io.kind(&path).ok().flatten() == Some(PathKind::Directory)
                    && list(&path)?.iter().all(|(name, _)| is_body(name))
            }
            _ => false,
        };
        if !ours {
            return Err(ErrorKind::Refused.error(format!(
                "{} is not empty and is no store: there is {}; give the directory of a store, or an empty one for \
                 a new store. Nothing was changed",
                layout.root().display(),
                path.display()
            )));
        }
    }
    Ok(())
}

fn id_of_segments(io: &dyn Io, layout: &Layout) -> Result<Option<StoreId>> {
    if io
        .kind(&layout.segments())
        .map_err(|e| failed("look at", &layout.segments(), e))?
        != Some(PathKind::Directory)
    {
        return Ok(None);
    }
    let listed = io
        .list(&layout.segments())
        .map_err(|e| failed("list", &layout.segments(), e))?;
    let mut numbers: Vec<u32> = listed
        .iter()
        .filter_map(|(name, _)| name.to_str().and_then(segment_number))
        .collect();
    numbers.sort_unstable();
    for number in numbers.into_iter().rev() {
        if let Ok(Some(start)) = read_start(io, &layout.log(number))
            && let Some((id, of)) = decode_segment(&start)
            && of == number
        {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The first bytes of a file, as many as there are; `None` if there is no file.
pub(super) fn read_start(io: &dyn Io, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match io.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let len_bytes = file.len_bytes()?.min(FIXED_BYTES as u64);
    let mut start = vec![0; len_bytes as usize];
    read_full(&*file, &mut start, 0)?;
    Ok(Some(start))
}

/// Puts a FORMAT file in place as a whole. It is durable whatever is to be synced otherwise: what a power cut leaves of
/// the rest is not enough to tell the store from a stranger's directory, and it would not be opened again.
fn write_format(io: &dyn Io, layout: &Layout, id: StoreId) -> Result<()> {
    let write = || {
        let file = io.open(&layout.new_format(), OpenMode::ReadWrite)?;
        file.set_len(0)?;
        write_full(&*file, &[encode_format(id)], 0)?;
        file.sync()?;
        io.rename(&layout.new_format(), &layout.format())?;
        io.sync_dir(layout.root())
    };
    write().map_err(|error| failed("write", &layout.format(), error))
}

/// `None` if another process has the lock.
fn lock(io: &dyn Io, layout: &Layout) -> Result<Option<Arc<dyn File>>> {
    let path = layout.lock();
    let file = io
        .open(&path, OpenMode::ReadWrite)
        .map_err(|error| failed("open", &path, error))?;
    if !file.try_lock().map_err(|error| failed("lock", &path, error))? {
        return Ok(None);
    }
    sign(&*file, &path);
    Ok(Some(file))
}

/// Writes this process's id into its LOCK file.
pub(crate) fn sign(lock: &dyn File, path: &Path) {
    let pid = format!("{}\n", std::process::id());
    // It only serves to name the owner: a store on a full disk can be opened without.
    if let Err(error) = lock.set_len(0).and_then(|()| write_full(lock, &[pid], 0)) {
        log::warn!("cannot write the process id to {}: {error}", path.display());
    }
}

/// Who has the directory, and what to do.
pub(crate) fn in_use(options: &DiskOptions) -> Box<Error> {
    let layout = Layout::new(options.dir.clone());
    let owner = owner(&*options.io, &layout);
    let waited = match options.on_locked {
        OnLocked::Refuse => String::new(),
        OnLocked::Wait(most) => format!(", after {most:?}"),
    };
    ErrorKind::Refused.error(format!(
        "the store in {} is in use by {owner}{waited}; stop it first, or give another directory",
        layout.root().display()
    ))
}
