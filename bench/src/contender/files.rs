//! Limits on disk: what bare system calls and plain files give.

use super::{Operation, Pages, Subject};
use crate::Failure;
use crate::objects::{chunks, encoded_meta};
use bytes::Bytes;
use rustix::io::{ReadWriteFlags, preadv2};
use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, IoSliceMut, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use twox_hash::XxHash3_64;

thread_local! {
    /// The buffer of who reads without allocating.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a bare read does with its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// One buffer again and again: the least that the system call can cost.
    OneBuffer,
    /// A buffer of its own, as a response needs it.
    NewBuffer,
    /// One buffer again and again, and the checksum of every block of what was read: the least that a read can cost which
    /// is verified as ours is.
    Verified,
}

/// The blocks and chunks of the disk store.
const BLOCK_BYTES: usize = 64 << 10;
const CHUNK_BYTES: usize = 16 * BLOCK_BYTES;
/// Of objects in the file and of the one buffer: unaligned copies take longer on some processors.
const ALIGN_BYTES: usize = 64;

/// Calls `read` with the buffer of this thread.
fn with_one_buffer<R>(length: usize, read: impl FnOnce(&mut [u8]) -> R) -> R {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(length + ALIGN_BYTES, 0);
        let start = buffer.as_ptr().align_offset(ALIGN_BYTES);
        read(&mut buffer[start..start + length])
    })
}

/// The limit of any hit on disk: one `preadv2(RWF_NOWAIT)` of meta and body from an open file, at a known place.
pub struct Pread {
    file: File,
    meta: Bytes,
    body_bytes: usize,
    into: Into,
    /// The checksum of each block of meta and body.
    checksums: Vec<u64>,
}

impl Pread {
    /// A file of so many objects, written one after the other.
    pub fn new(dir: &Path, count: u64, body: &Bytes, into: Into) -> Result<Self, Failure> {
        Self::written_by(0, dir, count, body, into)
    }

    /// The same, written by so many bytes at a time, or by objects where they are larger: a file system may make large pages
    /// for large writes, which are read faster.
    pub(super) fn written_by(
        bytes: usize,
        dir: &Path,
        count: u64,
        body: &Bytes,
        into: Into,
    ) -> Result<Self, Failure> {
        let meta = encoded_meta()?;
        let path = dir.join(format!("pread-{into:?}"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(path)?;
        let mut writer = BufWriter::with_capacity(bytes, file);
        let mut object = [&meta[..], body].concat();
        let checksums = blocks(&object).collect();
        object.resize(object.len().next_multiple_of(ALIGN_BYTES), 0);
        for _ in 0..count {
            writer.write_all(&object)?;
        }
        Ok(Pread {
            checksums,
            file: writer.into_inner().map_err(|error| error.into_error())?,
            meta,
            body_bytes: body.len(),
            into,
        })
    }

    /// Reads an object; how long its body is.
    pub(super) fn load(&self, id: u64) -> Result<Option<usize>, Failure> {
        let length = self.meta.len() + self.body_bytes;
        let at = id * length.next_multiple_of(ALIGN_BYTES) as u64;
        match self.into {
            Into::NewBuffer => self.read(&mut vec![0; length], at),
            Into::OneBuffer => with_one_buffer(length, |buffer| self.read(buffer, at)),
            Into::Verified => with_one_buffer(CHUNK_BYTES.min(length), |buffer| {
                let starts = (0..length).step_by(CHUNK_BYTES);
                for (start, expected) in starts.zip(self.checksums.chunks(CHUNK_BYTES / BLOCK_BYTES)) {
                    let chunk = &mut buffer[..CHUNK_BYTES.min(length - start)];
                    self.read(chunk, at + start as u64)?;
                    if !blocks(chunk).eq(expected.iter().copied()) {
                        return Err("what was read is not what was written".into());
                    }
                }
                Ok(Some(self.body_bytes))
            }),
        }
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<Option<usize>, Failure> {
        let read = preadv2(
            &self.file,
            &mut [IoSliceMut::new(buffer)],
            at,
            ReadWriteFlags::NOWAIT,
        );
        match read {
            Ok(read) if read == buffer.len() => Ok(Some(self.body_bytes)),
            Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::OPNOTSUPP) => {
                self.file.read_exact_at(buffer, at)?; // fell out of the page cache
                Ok(Some(self.body_bytes))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn blocks(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks(BLOCK_BYTES).map(XxHash3_64::oneshot)
}

impl Subject for Pread {
    fn name(&self) -> &str {
        match self.into {
            Into::Verified => "preadv2 and its checksums",
            Into::OneBuffer => "preadv2",
            Into::NewBuffer => "preadv2, new buffer",
        }
    }

    fn note(&self, _operation: Operation) -> Option<&'static str> {
        Some("from a file that was written object by object")
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        self.load(id)
    }

    async fn put(&self, _id: u64, _body: &Bytes) -> Result<(), Failure> {
        Ok(())
    }
}

/// A file for each object: open, fstat, pread and close for a hit; create, write and rename for a fill.
pub struct FilePerObject {
    dir: PathBuf,
    meta: Bytes,
    temporary: AtomicU64,
}

impl FilePerObject {
    /// In a directory of its own.
    pub fn new(dir: &Path) -> Result<Self, Failure> {
        let dir = dir.join("file-per-object");
        for folder in 0..FOLDERS {
            fs::create_dir_all(dir.join(folder.to_string()))?;
        }
        let temporary = AtomicU64::new(0);
        Ok(FilePerObject {
            dir,
            meta: encoded_meta()?,
            temporary,
        })
    }

    fn path(&self, id: u64) -> PathBuf {
        self.dir.join((id % FOLDERS).to_string()).join(id.to_string())
    }
}

/// Directories among which the files are spread, as nginx's `levels` does it.
const FOLDERS: u64 = 256;

impl Subject for FilePerObject {
    fn name(&self) -> &str {
        "file per object"
    }

    fn note(&self, operation: Operation) -> Option<&'static str> {
        Some(match operation {
            Operation::Fill(Pages::Warm) => "create, write, rename over the old file",
            Operation::Fill(Pages::Fresh) => "create, write, rename",
            _ => "open, fstat, pread, close; no checksum",
        })
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        let file = match File::open(self.path(id)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut buffer = vec![0; file.metadata()?.len() as usize];
        file.read_exact_at(&mut buffer, 0)?;
        Ok(Some(buffer.len() - self.meta.len()))
    }

    async fn get_range(&self, id: u64, range: Range<usize>) -> Result<usize, Failure> {
        let file = File::open(self.path(id))?;
        let mut meta = vec![0; self.meta.len()];
        file.read_exact_at(&mut meta, 0)?;
        let mut buffer = vec![0; range.len()];
        file.read_exact_at(&mut buffer, (self.meta.len() + range.start) as u64)?;
        Ok(buffer.len())
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!("{}/tmp-{number}", id % FOLDERS));
        let mut file = File::create_new(&temporary)?;
        file.write_all(&self.meta)?;
        for (chunk, _) in chunks(body) {
            file.write_all(&chunk)?;
        }
        drop(file);
        Ok(fs::rename(temporary, self.path(id))?)
    }

    async fn remove(&self, id: u64) -> Result<(), Failure> {
        Ok(fs::remove_file(self.path(id))?)
    }
}

/// The files of [`FilePerObject`] read by `tokio::fs::read`.
pub struct TokioFs(FilePerObject);

impl TokioFs {
    /// Reads files that this writes.
    pub fn new(dir: &Path) -> Result<Self, Failure> {
        Ok(TokioFs(FilePerObject::new(&dir.join("tokio"))?))
    }
}

impl Subject for TokioFs {
    fn name(&self) -> &str {
        "tokio::fs::read"
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        match tokio::fs::read(self.0.path(id)).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => Ok(Some(read?.len() - self.0.meta.len())),
        }
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        self.0.put(id, body).await
    }
}

/// The limit of any fill on disk: meta and body written one after the other to one open file.
pub struct Append {
    file: File,
    meta: Bytes,
    end: AtomicU64,
    /// Where it starts over; the file's pages are those of before then.
    wrap_bytes: Option<u64>,
}

impl Append {
    /// A new file that grows without an end.
    pub fn fresh(dir: &Path) -> Result<Self, Failure> {
        let file = File::create_new(dir.join("append-fresh"))?;
        Ok(Append {
            file,
            meta: encoded_meta()?,
            end: AtomicU64::new(0),
            wrap_bytes: None,
        })
    }

    /// A file that has its length, written over again and again.
    pub fn warm(dir: &Path, bytes: u64) -> Result<Self, Failure> {
        let mut file = File::create_new(dir.join("append-warm"))?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..bytes.div_ceil(zeros.len() as u64) {
            file.write_all(&zeros)?;
        }
        Ok(Append {
            file,
            meta: encoded_meta()?,
            end: AtomicU64::new(0),
            wrap_bytes: Some(bytes),
        })
    }
}

impl Subject for Append {
    fn name(&self) -> &str {
        "append"
    }

    fn note(&self, _operation: Operation) -> Option<&'static str> {
        Some("nothing but the bytes: no index, no checksum, no way back to them")
    }

    fn is_bounded(&self) -> bool {
        true
    }

    async fn get(&self, _id: u64) -> Result<Option<usize>, Failure> {
        Err("no way back to what was appended".into())
    }

    async fn put(&self, _id: u64, body: &Bytes) -> Result<(), Failure> {
        let length = (self.meta.len() + body.len()) as u64;
        let mut at = self.end.fetch_add(length, Ordering::Relaxed);
        if let Some(wrap) = self.wrap_bytes {
            at %= wrap.saturating_sub(length).max(1);
        }
        self.file.write_all_at(&self.meta, at)?;
        at += self.meta.len() as u64;
        for (chunk, _) in chunks(body) {
            self.file.write_all_at(&chunk, at)?;
            at += chunk.len() as u64;
        }
        Ok(())
    }
}
